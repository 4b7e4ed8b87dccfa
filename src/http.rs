//! The one door out: the only place that builds a client or sends a request, and that keeps what
//! is promised of time, size, redirects, addresses and credentials.

pub mod answer;
mod body;
mod call;
mod connect;
mod egress;
mod failure;
pub mod metrics;
mod redirect;
pub mod request;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use hyper::{Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use crate::error::{Error, Result};
use crate::http::answer::{Answer, Streamed};
use crate::http::call::Call;
use crate::http::connect::Pool;
use crate::http::metrics::UpstreamMetrics;
use crate::http::redirect::Hop;
use crate::http::request::Request;
use crate::models::source::Source;

/// How we name ourselves to every upstream.
const OUR_NAME: HeaderValue =
    HeaderValue::from_static(concat!("extension-registry/", env!("CARGO_PKG_VERSION")));

/// How one backend is to be talked to.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The backend it is for; named in errors, metrics and logs.
    pub backend: Source,
    /// The configured address. Its origin is trusted, wherever it is; every other one must be
    /// public.
    pub base: Url,
    /// A whole question for metadata; for downloads the time to headers and the longest silence.
    pub timeout: Duration,
    /// How many questions may be under way at once; others wait their turn, which is not counted
    /// against `timeout`.
    pub max_concurrency: usize,
    /// `false` accepts any certificate: for tests and for laboratories.
    pub verify_tls: bool,
    /// A PEM file of certificates trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether a redirect may lead to a private address that is not the configured one.
    pub allow_private_redirects: bool,
}

/// The client of one backend. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    settings: HttpSettings,
    pool: Pool,
    permits: Semaphore,
    metrics: Arc<dyn UpstreamMetrics>,
}

/// The head of a response, and how it was reached.
struct Reached {
    response: Response<Incoming>,
    url: Url,
    moved: Option<StatusCode>,
}

impl HttpClient {
    /// A client that has not connected to anything yet.
    ///
    /// # Errors
    /// A certificate file that cannot be read or holds no certificate.
    pub fn new(settings: HttpSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let pool = Pool::new(&settings)?;
        let permits = Semaphore::new(settings.max_concurrency.max(1));
        Ok(Self(Arc::new(Shared { settings, pool, permits, metrics })))
    }

    /// Asks for something small and waits for all of it, at most `max_bytes`.
    ///
    /// # Errors
    /// `BackendTimeout` after the deadline, `BackendUnavailable` where no connection comes about
    /// or stands, `BackendFaulty` for what is not HTTP, too long, or redirected where it may not.
    /// Any status is an answer, not an error.
    pub async fn fetch(&self, request: Request, max_bytes: usize) -> Result<Answer> {
        let _turn = self.0.permits.acquire().await.ok();
        let call = self.begin(request.operation);
        let whole = async {
            let reached = self.send(request).await?;
            let (head, body) = reached.response.into_parts();
            let body = body::read_bounded(body, max_bytes).await?;
            let (url, moved) = (reached.url, reached.moved);
            let backend = self.0.settings.backend;
            Ok(Answer { backend, status: head.status, headers: head.headers, body, url, moved })
        };
        let answer = self.within_deadline(whole).await;
        call.answered(answer.as_ref().map(|answer| answer.status));
        answer
    }

    /// Asks for something large: returns with the headers, and the bytes come as they are read.
    ///
    /// The stream ends with an error if the backend is silent for longer than the timeout.
    /// Nothing is decoded on the way: ask for `identity`.
    ///
    /// # Errors
    /// As [`HttpClient::fetch`]; the deadline holds until the headers are here.
    pub async fn stream(&self, request: Request) -> Result<Streamed> {
        let turn = self.0.permits.acquire().await.ok();
        let call = self.begin(request.operation);
        let reached = self.within_deadline(self.send(request)).await;
        drop(turn);
        call.answered(reached.as_ref().map(|reached| reached.response.status()));
        let (head, body) = reached?.response.into_parts();
        let bytes = body::stream(body, self.0.settings.timeout, call);
        let backend = self.0.settings.backend;
        Ok(Streamed { backend, status: head.status, headers: head.headers, bytes })
    }

    fn begin(&self, operation: &'static str) -> Call {
        Call::begin(self.0.settings.backend, operation, Arc::clone(&self.0.metrics))
    }

    async fn within_deadline<T>(&self, question: impl Future<Output = Result<T>>) -> Result<T> {
        let backend = self.0.settings.backend;
        timeout(self.0.settings.timeout, question)
            .await
            .unwrap_or_else(|_| Err(failure::silent(backend)))
            .map_err(|error| error.at(backend))
    }

    /// Follows redirects as far as the request allows.
    async fn send(&self, request: Request) -> Result<Reached> {
        let settings = &self.0.settings;
        let mut hop = Hop::first(&request, &settings.base);
        loop {
            let response = self.send_once(&request, &hop).await?;
            match hop.next(&response, request.redirects).map_err(Error::faulty)? {
                Some(next) => hop = next,
                None => return Ok(Reached { response, url: hop.url, moved: hop.moved }),
            }
        }
    }

    async fn send_once(&self, request: &Request, hop: &Hop) -> Result<Response<Incoming>> {
        let mut message = hyper::Request::builder()
            .method(request.method.clone())
            .uri(hop.url.as_str())
            .body(Full::new(request.body.clone()))
            .map_err(|error| Error::faulty("An address is not usable").because(error))?;
        let headers = message.headers_mut();
        headers.extend(request.headers.clone());
        headers.insert(USER_AGENT, OUR_NAME);
        if let Some(credentials) = &hop.credentials {
            headers.insert(AUTHORIZATION, credentials.header());
        }
        let client = self.0.pool.client_for(hop)?;
        let backend = self.0.settings.backend;
        client.request(message).await.map_err(|error| failure::of_sending(backend, error))
    }
}
