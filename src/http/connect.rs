//! Connections: how they are made, kept, and which of two pools a request may use.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};

use crate::error::Result;
use crate::http::HttpSettings;
use crate::http::egress::{self, PublicOnly};
use crate::http::failure;
use crate::http::redirect::Hop;
use crate::http::tls;
use crate::models::backend_kind::BackendKind;

/// TCP and TLS together may take this long, less where the deadline is shorter.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Idle connections are given up before servers and firewalls commonly do.
const IDLE_MAX: Duration = Duration::from_secs(55);
/// Idle connections kept to a server that an upstream named: it can name ever new ones.
const FOREIGN_IDLE: usize = 0;
/// Bytes held of an answer while few are streamed: the longer the pieces, the less each byte costs.
const LARGE: usize = 400 * 1024;
/// Streamed answers that have large buffers at once, 16 MiB together.
const LARGE_MAX: usize = 40;
/// Bytes held of each further one, which perhaps nobody reads; also the longest head of such an
/// answer.
const SMALL: usize = 16 * 1024;

/// Bytes held of an answer that is read whole, and longest head of one: what reads it holds the rest.
const WHOLE: usize = 32 * 1024;

type Connector = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;
pub(super) type Wire = Client<Connector, Full<Bytes>>;

/// The connections of one backend: to where the operator pointed, and to where an upstream did.
pub(super) struct Pool {
    trusted: Wires,
    foreign: Wires,
    allow_private: bool,
    backend: BackendKind,
    /// Held once by this and once by each streamed answer.
    streams: Arc<()>,
}

/// Connections with large and with small buffers, and those for answers that are read whole.
struct Wires {
    large: Wire,
    small: Wire,
    whole: Wire,
}

/// One of the answers that are being streamed, until it is dropped.
pub(super) struct Stream {
    _counted: Arc<()>,
}

/// Runs what drives a connection where its backend was made: not on the thread of the client that
/// was the first to need it, which has other clients to serve.
#[derive(Clone)]
struct Home(Option<Handle>);

impl<F> hyper::rt::Executor<F> for Home
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, driver: F) {
        match &self.0 {
            Some(home) => drop(home.spawn(driver)),
            None => drop(tokio::spawn(driver)),
        }
    }
}

impl Pool {
    /// # Errors
    /// A certificate file that cannot be used.
    pub(super) fn new(settings: &HttpSettings) -> Result<Self> {
        let upstream = &settings.upstream;
        let tls = tls::client_config(upstream.verify_ssl, upstream.ca_file.as_deref())?;
        let patience = upstream.timeout.min(CONNECT_MAX);
        let anywhere = HttpConnector::new_with_resolver(GaiResolver::new());
        let anywhere = connector(anywhere, tls.clone(), patience);
        let public = HttpConnector::new_with_resolver(PublicOnly::new());
        let public = connector(public, tls, patience);
        let allow_private = upstream.allow_private_redirects;
        Ok(Self {
            foreign: Wires::new(if allow_private { &anywhere } else { &public }, FOREIGN_IDLE),
            trusted: Wires::new(&anywhere, usize::MAX),
            allow_private,
            backend: settings.backend,
            streams: Arc::default(),
        })
    }

    /// Counts an answer that is to be streamed.
    pub(super) fn stream(&self) -> Stream {
        Stream { _counted: Arc::clone(&self.streams) }
    }

    /// The connections that this address may use.
    ///
    /// # Errors
    /// A literal private address that the operator did not choose.
    pub(super) fn client_for(&self, hop: &Hop, whole: bool) -> Result<&Wire> {
        if hop.trusted {
            return Ok(self.of(&self.trusted, whole));
        }
        if !self.allow_private {
            let refused = |cause| failure::private_address(self.backend).because(cause);
            egress::check_literal(&hop.url).map_err(refused)?;
        }
        Ok(self.of(&self.foreign, whole))
    }

    fn of<'a>(&self, wires: &'a Wires, whole: bool) -> &'a Wire {
        if whole {
            return &wires.whole;
        }
        let few = Arc::strong_count(&self.streams) <= 1 + LARGE_MAX;
        if few { &wires.large } else { &wires.small }
    }
}

impl Wires {
    fn new(connector: &Connector, idle_max: usize) -> Self {
        let [large, small, whole] =
            [LARGE, SMALL, WHOLE].map(|buffer| wire(connector.clone(), buffer, idle_max));
        Self { large, small, whole }
    }
}

fn connector<R>(mut tcp: HttpConnector<R>, tls: ClientConfig, patience: Duration) -> Connector
where
    HttpConnector<R>: tower::Service<Uri, Response = TokioIo<TcpStream>> + Clone + Send + Sync,
    <HttpConnector<R> as tower::Service<Uri>>::Future: Send,
    <HttpConnector<R> as tower::Service<Uri>>::Error: Into<BoxError>,
    R: 'static,
{
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    BoxCloneSyncService::new(ServiceBuilder::new().timeout(patience).service(https))
}

/// HTTP/1.1 only: a handful of connections a backend, each with one buffer, and nothing to negotiate.
fn wire(connector: Connector, buffer: usize, idle_max: usize) -> Wire {
    Client::builder(Home(Handle::try_current().ok()))
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(idle_max)
        .http1_max_buf_size(buffer)
        .build(connector)
}
