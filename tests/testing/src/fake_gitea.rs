//! A Gitea that lives in a test: answers as the recorded one did, and fails on demand.

mod body;
mod files;
mod pages;
pub mod recorded;
mod routes;
pub mod state;
pub mod tls;
mod trees;
mod writes;

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::canary;
use body::WireBody;
pub use state::State;

/// A running server. It ends with this value.
pub struct FakeGitea {
    address: String,
    inner: Arc<Inner>,
    accepting: JoinHandle<()>,
}

struct Inner {
    state: Mutex<State>,
    faults: Mutex<Vec<Planned>>,
    edits: Mutex<Vec<PlannedEdit>>,
    hang: Mutex<Hang>,
    /// Names of the tokens whose requests do not arrive.
    cut_off: Mutex<Vec<String>>,
    seen: Mutex<Vec<Seen>>,
}

/// A fault, what requests it meets, and how many of them.
struct Planned {
    holding: String,
    fault: Fault,
    times: usize,
}

/// A change by somebody else, just before the first request that holds a text.
struct PlannedEdit {
    holding: String,
    edit: Box<dyn FnOnce(&mut State) + Send>,
}

/// Requests that are done and never answered.
#[derive(Default)]
struct Hang {
    /// The place of the first one among the requests that are seen.
    from: Option<usize>,
    done: bool,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: HeaderMap,
}

/// What happens in place of an answer.
#[derive(Clone)]
pub enum Fault {
    /// This status, these headers, this body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, ever.
    Hang,
    /// The headers and a part of the real body, then the end of the connection.
    Cut(usize),
    /// The headers and a part of the real body, then silence.
    Stall(usize),
    /// A JSON array of about a gibibyte.
    HugeJson,
    /// The real answer, with a next page promised.
    AlwaysNext,
    /// The real answer less these headers, as some proxies pass it on.
    Without(&'static [&'static str]),
}

/// A question as the routes see it: its path without the sub path, still encoded.
pub struct Ask {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl FakeGitea {
    /// Serves this state over plain HTTP.
    pub async fn start(state: State) -> Self {
        Self::serve(state, None).await
    }

    /// The same over TLS.
    pub async fn start_tls(state: State, acceptor: TlsAcceptor) -> Self {
        Self::serve(state, Some(acceptor)).await
    }

    async fn serve(state: State, acceptor: Option<TlsAcceptor>) -> Self {
        canary::watch_log();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            faults: Mutex::default(),
            edits: Mutex::default(),
            hang: Mutex::default(),
            cut_off: Mutex::default(),
            seen: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&inner)));
        Self { address, inner, accepting }
    }

    /// The address to configure, with its sub path.
    pub fn url(&self) -> Url {
        let sub_path = self.inner.state.lock().sub_path.clone();
        format!("{}{sub_path}", self.address).parse().unwrap()
    }

    /// The token of this name, such as `<read>`, as this server is to be shown it.
    pub fn token<T: FromStr<Err: Debug>>(&self, name: &str) -> T {
        canary::secret_for(&self.address, name).parse().unwrap()
    }

    /// Changes what the server has.
    pub fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.inner.state.lock())
    }

    /// From now on, requests whose method, path and query hold this text meet this fault. What it
    /// answers itself changes nothing; of other faults a change is made before.
    pub fn fault(&self, holding: &str, fault: Fault) {
        self.fault_times(holding, fault, usize::MAX);
    }

    /// The same for so many requests.
    pub fn fault_times(&self, holding: &str, fault: Fault, times: usize) {
        self.inner.faults.lock().push(Planned { holding: holding.to_owned(), fault, times });
    }

    /// Changes what the server has, just before the next request that holds this text.
    pub fn edit_before(&self, holding: &str, edit: impl FnOnce(&mut State) + Send + 'static) {
        let edit = PlannedEdit { holding: holding.to_owned(), edit: Box::new(edit) };
        self.inner.edits.lock().push(edit);
    }

    /// The request of this place among those that are seen, and later ones, are done and not answered.
    pub fn hang_from(&self, place: usize) {
        *self.inner.hang.lock() = Hang { from: Some(place), done: false };
    }

    /// Whether such a request was done.
    pub fn is_hanging(&self) -> bool {
        self.inner.hang.lock().done
    }

    /// From now on, requests with the token of this name get a 502, as from a proxy on the way of one
    /// client, and are not seen.
    pub fn cut_off(&self, token: &str) {
        self.inner.cut_off.lock().push(token.to_owned());
    }

    /// No faults any more.
    pub fn heal(&self) {
        *self.inner.hang.lock() = Hang::default();
        self.inner.cut_off.lock().clear();
        self.inner.faults.lock().clear();
    }

    /// Every request so far, and forgets them.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.inner.seen.lock())
    }

    /// Whether a request has arrived whose method, path and query hold this text.
    pub fn has_seen(&self, holding: &str) -> bool {
        let seen = self.inner.seen.lock();
        seen.iter().any(|seen| format!("{} {}", seen.method, seen.target).contains(holding))
    }

    /// What the server would answer, without a connection.
    pub fn answer(&self, ask: &Ask) -> Reply {
        self.inner.state.lock().answer(ask)
    }
}

impl Drop for FakeGitea {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Fault {
    /// A page in place of an answer, as proxies and login forms are.
    pub fn html(status: u16) -> Self {
        let kind = ("Content-Type", "text/html; charset=utf-8".to_owned());
        Self::Answer(status, vec![kind], b"<!DOCTYPE html><title>no</title>".to_vec())
    }

    /// This text, said to be JSON.
    pub fn json(body: &str) -> Self {
        let kind = ("Content-Type", "application/json;charset=utf-8".to_owned());
        Self::Answer(200, vec![kind], body.as_bytes().to_vec())
    }
}

impl Ask {
    /// A question by its target, such as `/api/v1/version?x=1`.
    pub fn new(method: &str, target: &str, headers: HeaderMap) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method: method.to_owned(), path: path.to_owned(), query, headers }
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, inner: Arc<Inner>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (inner, acceptor) = (Arc::clone(&inner), acceptor.clone());
        tokio::spawn(async move {
            socket.set_nodelay(true).ok();
            match acceptor {
                None => connection(socket, inner).await,
                Some(acceptor) => {
                    if let Ok(socket) = acceptor.accept(socket).await {
                        connection(socket, inner).await;
                    }
                }
            }
        });
    }
}

async fn connection(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    inner: Arc<Inner>,
) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let inner = Arc::clone(&inner);
        async move { inner.respond(request).await }
    });
    let server = hyper::server::conn::http1::Builder::new();
    server.serve_connection(TokioIo::new(socket), service).await.ok();
}

impl Inner {
    fn fault_for(&self, request: &str) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let found =
            faults.iter_mut().find(|one| one.times > 0 && request.contains(&one.holding))?;
        found.times -= 1;
        Some(found.fault.clone())
    }

    fn is_cut_off(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = shown.and_then(|value| value.split(' ').next_back()).map(canary::name_of);
        token.is_some_and(|token| self.cut_off.lock().iter().any(|cut| cut == token))
    }

    fn hangs(&self, place: usize) -> bool {
        let mut hang = self.hang.lock();
        let hangs = hang.from.is_some_and(|from| place >= from);
        hang.done |= hangs;
        hangs
    }

    /// Lets somebody else change something before this request.
    fn edit_for(&self, request: &str) {
        let mut edits = self.edits.lock();
        let found = edits.iter().position(|one| request.contains(&one.holding));
        if let Some(place) = found {
            (edits.remove(place).edit)(&mut self.state.lock());
        }
    }

    async fn respond(
        &self,
        request: hyper::Request<hyper::body::Incoming>,
    ) -> Result<hyper::Response<WireBody>, hyper::Error> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let (method, headers) = (head.method.to_string(), head.headers.clone());
        canary::received(target, &headers, b"", None);
        if self.is_cut_off(&headers) {
            let reply = Reply { status: 502, headers: Vec::new(), body: Vec::new() };
            return Ok(body::whole(reply, false));
        }
        let place = {
            let mut seen = self.seen.lock();
            let (method, target) = (method.clone(), target.to_owned());
            seen.push(Seen { method, target, headers: headers.clone() });
            seen.len() - 1
        };
        let latency = self.state.lock().latency;
        if latency > Duration::ZERO {
            tokio::time::sleep(latency).await;
        }
        let line = format!("{method} {target}");
        let ask = Ask::new(&method, target, headers);
        // A body that breaks off changes nothing.
        let body = match method.as_str() {
            "GET" | "HEAD" => bytes::Bytes::new(),
            _ => body.collect().await?.to_bytes(),
        };
        self.edit_for(&line);
        let fault = self.fault_for(&line);
        let is_answer = matches!(fault, Some(Fault::Answer(..)));
        let written = match method.as_str() {
            "GET" | "HEAD" => None,
            _ if is_answer => None,
            _ => self.state.lock().write(&ask, &body),
        };
        let reply = written.unwrap_or_else(|| self.state.lock().answer(&ask));
        if self.hangs(place) {
            return std::future::pending().await;
        }
        Ok(match fault {
            None => body::whole(reply, method == "HEAD"),
            Some(fault) => fault.apply(reply).await,
        })
    }
}

impl Fault {
    async fn apply(self, mut reply: Reply) -> hyper::Response<WireBody> {
        match self {
            Self::Answer(status, headers, body) => {
                body::whole(Reply { status, headers, body }, false)
            }
            Self::Hang => std::future::pending().await,
            Self::Cut(bytes) => body::part(reply, bytes, true),
            Self::Stall(bytes) => body::part(reply, bytes, false),
            Self::HugeJson => body::huge_json(),
            Self::Without(headers) => {
                reply.headers.retain(|(name, _)| !headers.contains(name));
                body::whole(reply, false)
            }
            Self::AlwaysNext => {
                reply.headers.retain(|(name, _)| *name != "Link");
                reply.headers.push(("Link", r#"<http://x/?page=2>; rel="next""#.to_owned()));
                body::whole(reply, false)
            }
        }
    }
}
