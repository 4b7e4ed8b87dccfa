//! Connection pools: separate ones for trusted and foreign origins, each with three buffer sizes.

use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioIo, TokioTimer};
use registry_core::error::Result;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};

use crate::http::egress::{self, PublicOnly};
use crate::http::failure;
use crate::http::peer::Peer;
use crate::http::redirect::Hop;
use crate::http::request_body::OpenBody;
use crate::http::settings::UpstreamSettings;
use crate::http::tls;

/// Upper bound on the time for TCP and TLS together; a shorter deadline takes precedence.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Idle time after which a connection is closed, before servers and firewalls commonly close it.
const IDLE_MAX: Duration = Duration::from_secs(55);
/// Idle connections kept to foreign origins, of which an upstream can name any number.
const FOREIGN_IDLE: usize = 0;
/// Read buffer, in bytes, while few responses are streamed: large reads cost less CPU per byte.
const LARGE: usize = 400 * 1024;
/// Streamed responses with a large buffer at once, 16 MiB together.
const LARGE_MAX: usize = 40;
/// Read buffer, in bytes, of further streams, and the bound on the length of their heads.
const SMALL: usize = 16 * 1024;

/// Read buffer, in bytes, of a response that is read whole, and the bound on its head.
const WHOLE: usize = 32 * 1024;

type Connector = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;
pub(super) type Wire = Client<Connector, OpenBody>;

/// Connection pools of one client, for configured and for foreign origins.
pub(super) struct Pool {
    trusted: Pools,
    foreign: Pools,
    allow_private: bool,
    peer: Peer,
    /// Reference count: one held here, and one by each streamed response.
    streams: Arc<()>,
}

struct Pools {
    large: Wire,
    small: Wire,
    whole: Wire,
}

/// Guard that counts a streamed response until it is dropped.
pub(super) struct Stream {
    _counted: Arc<()>,
}

/// Spawns connection tasks on the client's runtime, not on the thread of the first request.
#[derive(Clone)]
struct HomeExecutor(Option<Handle>);

impl<F> hyper::rt::Executor<F> for HomeExecutor
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
    pub(super) fn new(peer: Peer, upstream: &UpstreamSettings) -> Result<Self> {
        let tls = tls::client_config(upstream.verify_ssl, upstream.ca_file.as_deref())?;
        let patience = upstream.timeout.min(CONNECT_MAX);
        let anywhere = HttpConnector::new_with_resolver(GaiResolver::new());
        let anywhere = connector(anywhere, tls.clone(), patience);
        let public = HttpConnector::new_with_resolver(PublicOnly::new());
        let public = connector(public, tls, patience);
        let allow_private = upstream.allow_private_redirects;
        Ok(Self {
            foreign: Pools::new(if allow_private { &anywhere } else { &public }, FOREIGN_IDLE),
            trusted: Pools::new(&anywhere, usize::MAX),
            allow_private,
            peer,
            streams: Arc::default(),
        })
    }

    pub(super) fn stream(&self) -> Stream {
        Stream { _counted: Arc::clone(&self.streams) }
    }

    /// Fails for a literal private address that the operator did not configure.
    pub(super) fn client_for(&self, hop: &Hop, whole: bool) -> Result<&Wire> {
        if hop.trusted {
            return Ok(self.of(&self.trusted, whole));
        }
        if !self.allow_private {
            // The resolver never sees literals, so that they are checked here.
            egress::check_literal(&hop.url)
                .map_err(|cause| failure::private_address(&self.peer).because(cause))?;
        }
        Ok(self.of(&self.foreign, whole))
    }

    fn of<'a>(&self, wires: &'a Pools, whole: bool) -> &'a Wire {
        if whole {
            return &wires.whole;
        }
        // The count includes the pool's own reference.
        let few = Arc::strong_count(&self.streams) <= 1 + LARGE_MAX;
        if few { &wires.large } else { &wires.small }
    }
}

impl Pools {
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
    // The default accepts only `http`; TLS is added by the outer connector.
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    BoxCloneSyncService::new(ServiceBuilder::new().timeout(patience).service(https))
}

/// HTTP/1.1 only: a few connections with one buffer each need no multiplexing.
fn wire(connector: Connector, buffer: usize, idle_max: usize) -> Wire {
    Client::builder(HomeExecutor(Handle::try_current().ok()))
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(idle_max)
        .http1_max_buf_size(buffer)
        .build(connector)
}
