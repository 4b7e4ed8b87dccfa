//! A server that answers whatever a test tells it to, and keeps what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, future, stream};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::canary;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// Path and query, undecoded.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        let (_, value) =
            url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name)?;
        Some(value.into_owned())
    }

    pub fn header(&self, name: impl axum::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What to answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Sending,
}

/// How a body is sent.
#[derive(Clone, Debug)]
pub enum Sending {
    Whole(Bytes),
    /// Without a length, in two chunks.
    Chunked(Bytes),
    /// These bytes of the announced length, then the connection is cut.
    Cut {
        announced: usize,
        bytes: Bytes,
    },
    /// The head, and never a byte of the body.
    Stalled,
    /// Not even a head.
    Silence,
    /// Zero bytes for ever.
    Endless,
    /// One byte a second, for ever.
    Dripping,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, headers: HeaderMap::new(), body: Sending::Whole(Bytes::new()) }
    }

    pub fn json(text: impl Into<Bytes>) -> Self {
        Self::new(200).header("content-type", "application/json").bytes(text)
    }

    pub fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref().as_bytes()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub fn bytes(self, bytes: impl Into<Bytes>) -> Self {
        self.sending(Sending::Whole(bytes.into()))
    }

    pub fn sending(mut self, body: Sending) -> Self {
        self.body = body;
        self
    }

    async fn into_response(self) -> Response {
        let mut head = Response::builder().status(self.status);
        head.headers_mut().unwrap().extend(self.headers);
        let broken = || std::io::Error::other("cut");
        let body = match self.body {
            Sending::Whole(bytes) => Body::from(bytes),
            Sending::Chunked(bytes) => {
                let halves = [bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..)];
                Body::from_stream(stream::iter(halves).map(Ok::<_, Infallible>))
            }
            Sending::Cut { announced, bytes } => {
                head = head.header(header::CONTENT_LENGTH, announced);
                Body::from_stream(stream::iter([Ok(bytes), Err(broken())]))
            }
            Sending::Stalled => Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()),
            Sending::Endless => Body::from_stream(stream::repeat_with(|| {
                Ok::<_, Infallible>(Bytes::from(vec![b' '; 65536]))
            })),
            Sending::Dripping => Body::from_stream(stream::repeat(()).then(async |()| {
                sleep(Duration::from_secs(1)).await;
                Ok::<_, Infallible>(Bytes::from_static(b" "))
            })),
            Sending::Silence => future::pending().await,
        };
        head.body(body).unwrap()
    }
}

type Answer = dyn Fn(&Seen) -> Reply + Send + Sync;

/// The running server. Ends with its value.
pub struct ScriptedRegistry {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl ScriptedRegistry {
    /// Serves on a free port of this machine.
    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_beside(None, answer).await
    }

    /// The same for a server that may see the secrets of another host as well.
    pub async fn start_beside(
        other: Option<&'static str>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        canary::watch_log();
        let answer: Arc<Answer> = Arc::new(answer);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| {
            let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
            async move {
                let (head, body) = request.into_parts();
                let request = Seen {
                    method: head.method,
                    target: head.uri.path_and_query().unwrap().to_string(),
                    headers: head.headers,
                    body: body.collect().await.unwrap().to_bytes(),
                };
                canary::received(&request.target, &request.headers, &request.body, other);
                let reply = answer(&request);
                log.lock().push(request);
                reply.into_response().await
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, task }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Everything asked so far, as `METHOD target`, and forgotten.
    pub fn take(&self) -> Vec<String> {
        let seen = std::mem::take(&mut *self.seen.lock());
        seen.into_iter().map(|request| format!("{} {}", request.method, request.target)).collect()
    }

    /// How many requests had this text in `METHOD target`.
    pub fn count(&self, text: &str) -> usize {
        let named = |request: &Seen| format!("{} {}", request.method, request.target);
        self.seen.lock().iter().filter(|request| named(request).contains(text)).count()
    }
}

impl Drop for ScriptedRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}
