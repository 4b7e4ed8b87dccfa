//! The bare hyper server: two threads with a runtime each, and every response in memory with the
//! headers that the program sends. The ceiling of what a server on hyper can reach.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Handle};

use crate::targets::{Received, Route, block_on, get};

/// First argument of this program when it is the server.
pub(crate) const MODE: &str = "bare-server";
const THREADS: usize = 2;

type Responses = HashMap<String, Response<Full<Bytes>>>;

/// The running server, ended with its value.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Peer {
    /// Starts this program again as a server of the responses that `origin` gives to a route.
    pub(crate) fn start(origin: &str, route: &Route, targets: &Path) -> Self {
        let header =
            route.header().map_or(String::new(), |(name, value)| format!("{name}: {value}"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([MODE, origin, &header])
            .arg(targets)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { address: line.trim().parse().unwrap(), child }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the process is ended. Prints the address.
pub(crate) fn serve(origin: &str, header: &str, targets: &Path) {
    let header = header.split_once(": ").map(|(name, value)| {
        let names = ["accept", "if-none-match", "accept-encoding"];
        let name = names.into_iter().find(|known| *known == name);
        (name.unwrap(), value.to_owned())
    });
    let targets = std::fs::read_to_string(targets).unwrap();
    let responses = targets.lines().map(|target| {
        (target.to_owned(), response(block_on(get(&format!("{origin}{target}"), header.as_ref()))))
    });
    let responses: Arc<Responses> = Arc::new(responses.collect());
    let threads: Vec<Handle> = (0..THREADS).map(|_| thread()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    for (stream, thread) in listener.incoming().zip(threads.iter().cycle()) {
        let (stream, responses) = (stream.unwrap(), Arc::clone(&responses));
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        thread.spawn(async move { connection(stream, responses).await });
    }
}

/// A thread that runs the connections given to its runtime.
fn thread() -> Handle {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
}

async fn connection(stream: std::net::TcpStream, responses: Arc<Responses>) {
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let answer = service_fn(|request: Request<_>| {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let response = responses.get(target).cloned();
        std::future::ready(Ok::<_, Infallible>(response.unwrap_or_else(missing)))
    });
    let serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    drop(serving.await);
}

fn missing() -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// What was received, without the headers that hyper adds itself.
fn response(received: Received) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(received.body));
    *response.status_mut() = StatusCode::from_u16(received.status).unwrap();
    let own = [CONNECTION, CONTENT_LENGTH, DATE];
    let headers: HeaderMap = received
        .headers
        .into_iter()
        .filter_map(|(name, value)| Some((name?, value)))
        .filter(|(name, _)| !own.contains(name))
        .collect();
    *response.headers_mut() = headers;
    response
}
