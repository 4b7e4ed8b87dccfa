//! An S3 server that answers as a test says, byte by byte, and counts its requests by method.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct S3Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Lines of the head.
    pub head: String,
    pub body: Vec<u8>,
}

/// What is sent in return.
#[derive(Clone, Debug)]
pub enum S3Answer {
    /// These bytes, and then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing more.
    Stops(Vec<u8>),
}

impl S3Answer {
    /// A response with this status, further lines of its head, and a body of the announced length.
    pub fn new(status: u16, lines: &str, body: &[u8]) -> Self {
        Self::of_length(status, lines, body, body.len())
    }

    /// An error as S3 writes it.
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
        Self::new(status, "Content-Type: application/xml\r\n", body.as_bytes())
    }

    /// A response that announces another length than its body has.
    pub fn of_length(status: u16, lines: &str, body: &[u8], length: usize) -> Self {
        let head = format!("HTTP/1.1 {status} X\r\n{lines}Content-Length: {length}\r\n\r\n");
        Self::Bytes([head.as_bytes(), body].concat())
    }

    /// The same bytes, after which nothing more comes.
    pub fn stops(self) -> Self {
        let (Self::Bytes(bytes) | Self::Stops(bytes)) = self;
        Self::Stops(bytes)
    }
}

type Script = dyn Fn(&S3Request) -> S3Answer + Send + Sync;

/// The running server. Ends with its value.
pub struct ScriptedS3 {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    script: Mutex<Arc<Script>>,
    requests: Mutex<Vec<S3Request>>,
}

impl ScriptedS3 {
    pub async fn start(script: impl Fn(&S3Request) -> S3Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Script> = Arc::new(script);
        let shared = Arc::new(Shared { script: Mutex::new(script), requests: Mutex::default() });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { address, shared, task }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers in this way from now on.
    pub fn set(&self, script: impl Fn(&S3Request) -> S3Answer + Send + Sync + 'static) {
        *self.shared.script.lock() = Arc::new(script);
    }

    pub fn requests(&self) -> Vec<S3Request> {
        self.shared.requests.lock().clone()
    }

    /// Number of requests by method since the last call.
    pub fn take_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.shared.requests.lock().drain(..) {
            *counts.entry(request.method).or_default() += 1;
        }
        counts
    }
}

impl Drop for ScriptedS3 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let Some(request) = read(&mut stream).await else { return };
    shared.requests.lock().push(request.clone());
    let script = Arc::clone(&shared.script.lock());
    match script(&request) {
        S3Answer::Bytes(bytes) => drop(stream.write_all(&bytes).await),
        S3Answer::Stops(bytes) => {
            stream.write_all(&bytes).await.ok();
            // Until the client gives up.
            let mut rest = [0; 16];
            while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<S3Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|found| found == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    });
    let mut body = bytes.split_off(end);
    while body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(S3Request { method, target, head, body })
}
