//! HTTP client for one server: TLS, deadlines, redirects, rules for addresses, bounds on bodies. It
//! knows no backend, and sends each request once.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT, VIA};
use hyper::{Response, StatusCode};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::trace::{self, SpanId, TRACEPARENT, TRACESTATE, Trace};
use registry_core::via::{Via, names_registry};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::http::answer::{FinalHop, Streamed, UpstreamResponse};
use crate::http::connect::{Pool, Stream};
use crate::http::memory_permit::{ListMemory, MemoryLimit};
use crate::http::peer::Peer;
use crate::http::redirect::Hop;
use crate::http::request::Request;
use crate::http::settings::UpstreamSettings;
use crate::http::{body, failure};

/// `User-Agent` sent to every server.
const OUR_NAME: HeaderValue =
    HeaderValue::from_static(concat!("extension-registry/", env!("CARGO_PKG_VERSION")));

/// HTTP client for one server. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient(Arc<ClientInner>);

struct ClientInner {
    peer: Peer,
    base: Url,
    timeout: Duration,
    pool: Pool,
    memory: MemoryLimit,
    via: Via,
}

impl HttpClient {
    /// Creates a client without a connection. The origin of `base` may be private, every other must
    /// be public. Fails if the certificate file is not usable.
    pub fn new(peer: Peer, base: Url, settings: &UpstreamSettings) -> Result<Self> {
        let pool = Pool::new(peer, settings)?;
        let (timeout, memory) = (settings.timeout, MemoryLimit::new(peer));
        let via = settings.via.clone();
        Ok(Self(Arc::new(ClientInner { peer, base, timeout, pool, memory, via })))
    }

    /// Sends a request and reads the whole response, of any status, within `max_bytes`.
    ///
    /// # Errors
    /// `BackendTimeout` after the timeout, `BackendUnavailable` for a failed connection,
    /// `BackendFaulty` if it is not HTTP, too long, or redirected to a forbidden target.
    pub async fn fetch(&self, request: Request, max_bytes: usize) -> Result<UpstreamResponse> {
        let request = Request { whole: true, ..request };
        let deadline = Instant::now() + self.0.timeout;
        let answer = async {
            let reached = self.send(&request, SpanId::random()).await?;
            self.read_whole(reached, max_bytes, deadline).await
        };
        self.until(deadline, &request, answer).await
    }

    /// Sends a request and returns once the headers are here, with errors as [`HttpClient::fetch`].
    /// The stream fails after a silence of the timeout. Request `identity`: nothing is decoded.
    pub async fn stream(&self, request: Request) -> Result<Streamed> {
        let (counted, deadline) = (self.count_stream(), Instant::now() + self.0.timeout);
        let sent = self.send(&request, SpanId::random());
        let reached = self.until(deadline, &request, sent).await?;
        Ok(self.read_stream(reached, counted))
    }

    /// Starts the account of a list that is read page by page.
    pub(super) fn list_memory(&self) -> ListMemory {
        self.0.memory.list()
    }

    /// Counts a stream from before its request until it ends.
    pub(super) fn count_stream(&self) -> Stream {
        self.0.pool.stream()
    }

    /// Waits for an answer until the deadline. A streamed body has the timeout for each piece instead.
    pub(super) async fn until<T>(
        &self,
        mut deadline: Instant,
        request: &Request,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut answer = pin!(answer);
        loop {
            if let Ok(answer) = timeout_at(deadline, &mut answer).await {
                return answer;
            }
            match request.body.sent_at().map(|at| at + self.0.timeout) {
                Some(later) if later > deadline => deadline = later,
                _ => return Err(failure::silent(&self.0.peer)),
            }
        }
    }

    /// Sends a request and follows its redirects. `span` is the parent that the server is told.
    pub(super) async fn send(&self, request: &Request, span: SpanId) -> Result<FinalHop> {
        let mut hop = Hop::first(request, &self.0.base).map_err(Error::faulty)?;
        loop {
            let response = self.send_once(request, &hop, span).await?;
            let redirects = request.redirects_after(response.status());
            match hop.next(&response, redirects).map_err(Error::faulty)? {
                Some(next) => hop = next,
                None => return Ok(FinalHop { response, hop }),
            }
        }
    }

    pub(super) async fn read_whole(
        &self,
        reached: FinalHop,
        max_bytes: usize,
        deadline: Instant,
    ) -> Result<UpstreamResponse> {
        let inner = &*self.0;
        let (head, body) = reached.response.into_parts();
        let (body, json_size, memory) =
            body::read_whole(body, max_bytes, &inner.memory, deadline).await?;
        let Hop { url, moved, at_home, .. } = reached.hop;
        Ok(UpstreamResponse {
            peer: inner.peer,
            status: head.status,
            headers: head.headers,
            body,
            url,
            moved,
            left_home: !at_home,
            memory,
            json_size,
        })
    }

    pub(super) fn read_stream(&self, reached: FinalHop, counted: Stream) -> Streamed {
        let inner = &*self.0;
        let (head, body) = reached.response.into_parts();
        let bytes = body::stream(body, inner.peer, inner.timeout, counted);
        Streamed {
            peer: inner.peer,
            status: head.status,
            headers: head.headers,
            bytes,
            left_home: !reached.hop.at_home,
        }
    }

    async fn send_once(
        &self,
        request: &Request,
        hop: &Hop,
        span: SpanId,
    ) -> Result<Response<Incoming>> {
        let mut message = hyper::Request::builder()
            .method(request.method.clone())
            .uri(hop.url.as_str())
            .body(request.body.open()?)
            .map_err(|error| Error::faulty("An address is not usable").because(error))?;
        let headers = message.headers_mut();
        headers.extend(request.headers.clone());
        headers.insert(USER_AGENT, OUR_NAME);
        // Only the operator's own servers receive identifiers of the caller's request.
        if let Some(trace) = trace::current().filter(|_| hop.trusted) {
            headers.extend(ids(&trace, span));
        }
        if let Some(credentials) = &hop.credentials {
            headers.insert(AUTHORIZATION, credentials.header());
        }
        if hop.trusted
            && let Some(Ok(ours)) = self.0.via.value().map(HeaderValue::try_from)
        {
            headers.insert(VIA, ours);
        }
        let client = self.0.pool.client_for(hop, request.whole)?;
        let response = client.request(message).await;
        let response = response.map_err(|error| failure::of_sending(&self.0.peer, error))?;
        self.check_loop(&response)?;
        Ok(response)
    }

    /// Fails if the server refuses this service because it reads from it.
    fn check_loop(&self, response: &Response<Incoming>) -> Result<()> {
        let values = response.headers().get_all(VIA).iter();
        let text = values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
        if !names_registry(&text) {
            return Ok(());
        }
        self.0.via.learn(&text);
        if response.status() != StatusCode::LOOP_DETECTED {
            return Ok(());
        }
        let message = format!(
            "The {} is this service itself, or reads its extensions from it; remove one of the two",
            self.0.peer
        );
        Err(Error::new(ErrorKind::BackendRefused, message))
    }
}

fn ids(trace: &Trace, span: SpanId) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let parent = trace.traceparent(span);
    let told = [
        // Backends write these into their logs, which ties their lines to ours.
        ("x-request-id", Some(trace.request())),
        (TRACEPARENT, Some(&*parent)),
        (TRACESTATE, trace.tracestate()),
    ];
    let parsed =
        told.map(|(name, text)| Some((HeaderName::from_static(name), text?.parse().ok()?)));
    parsed.into_iter().flatten()
}
