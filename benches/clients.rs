//! What hostile clients cost all others, at the program itself: how long others wait while one address
//! leaves thousands of answers unread, while large answers are compressed, and when a thousand connect
//! at once; beside it a bare hyper server in the same minute.
//!
//! Prints the figures. Memory beyond [`GROWN_MAX`] fails; times decide nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

#[path = "program/mod.rs"]
mod program;
#[path = "../tests/support"]
mod support {
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod layouts;
}

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use program::Program;
use registry_testing::http2::Http2;
use registry_testing::ids::id;
use support::layouts::publish;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

const EXTENSIONS: usize = 1200;
const ASKED: usize = 10_000;
/// Interleaved measurements of liveness, each beside the bare server's.
const ROUNDS: usize = 7;
const AT_ONCE: usize = 1000;
/// MiB by which 5,000 unread answers may make the program grow.
const GROWN_MAX: u64 = 96;
const LIVE: &str = "/api/v1/health/live";
const LIST: &str = "/api/v1/extensions?limit=50";

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let program = serving(dir.path()).await;
    let bare = bare().await;
    compressed(program.address, bare).await;
    connected(program.address, bare).await;
    stalled(&program).await;
}

async fn serving(dir: &Path) -> Program {
    let described = format!("A provider {}", "x".repeat(200));
    for number in 0..EXTENSIONS {
        let id = id(&format!("provider/p{number}"));
        publish(&dir.join("layouts"), &id, "1.0.0", &described, &[7; 8192]);
    }
    std::fs::write(dir.join("config.toml"), "[local]\npath = \"layouts\"\n").unwrap();
    let program = Program::start(Path::new(env!("CARGO_BIN_EXE_extension-registry")), dir, 0);
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    while ask(&mut stream, "/api/v1/extensions?limit=1000", "").await < 100_000 {}
    program
}

/// A server of a few lines that answers everything with a 200.
async fn bare() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = listener.into_std().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let answer = service_fn(|_| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                });
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(async move { drop(serving.await) });
            }
        });
    });
    address
}

/// Asks on a connection; the length of the answer's body.
async fn ask(stream: &mut TcpStream, target: &str, headers: &str) -> usize {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the connection ended");
        answer.extend_from_slice(&buffer[..read]);
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if answer.len() >= end + 4 + length {
            return length;
        }
    }
}

/// How long one client waits, request after request on one connection from this address.
async fn waits(address: SocketAddr, from: &str, target: &str) -> [Duration; 3] {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0)).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut times = Vec::new();
    for _ in 0..ASKED {
        let begun = Instant::now();
        ask(&mut stream, target, "").await;
        times.push(begun.elapsed());
    }
    times.sort();
    [times[ASKED / 2], times[ASKED * 99 / 100], times[ASKED - 1]]
}

fn tell(what: &str, [p50, p99, most]: [Duration; 3]) {
    println!("{what}: p50 {p50:.2?}, p99 {p99:.2?}, longest {most:.2?}");
}

/// S14: four clients ask for large pages, each another one, compressed.
async fn compressed(address: SocketAddr, bare: SocketAddr) {
    tell("S14 liveness, nothing else asked for", waits(address, "127.0.0.1", LIVE).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for client in 0..4 {
        let stop = Arc::clone(&stop);
        asking.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            for offset in (client..).step_by(4).map(|offset| offset % 199) {
                let target = format!("/api/v1/extensions?limit=1000&offset={offset}");
                ask(&mut stream, &target, "Accept-Encoding: br\r\n").await;
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
    }
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let ours = waits(address, "127.0.0.1", LIVE).await;
        let theirs = waits(bare, "127.0.0.1", LIVE).await;
        tell("S14 liveness, four clients ask for compressed pages", ours);
        tell("S14 a bare hyper server beside it", theirs);
        ratios.push(ours[1].as_secs_f64() / theirs[1].as_secs_f64());
    }
    stop.store(true, Ordering::Relaxed);
    while asking.join_next().await.is_some() {}
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ROUNDS / 2];
    println!(
        "S14 p99 is {median:.1} times the bare server's, median of {ROUNDS} (aim: 3): {ratios:.1?}"
    );
}

/// S4: a thousand connections at the same time.
async fn connected(address: SocketAddr, bare: SocketAddr) {
    for (what, address) in [("S4 the program", address), ("S4 a bare hyper server", bare)] {
        let begun = Instant::now();
        let mut asking = JoinSet::new();
        for _ in 0..AT_ONCE {
            asking.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                ask(&mut stream, LIVE, "").await;
                begun.elapsed()
            });
        }
        let times = asking.join_all().await;
        let slow = times.iter().filter(|time| time.as_millis() > 900).count();
        let longest = times.iter().max().unwrap();
        println!(
            "{what}: {AT_ONCE} connections at once, longest {longest:.0?}, {slow} over 900 ms (aim: 0)"
        );
    }
}

/// S1 and S2: one address leaves five thousand answers unread; another goes on.
async fn stalled(program: &Program) {
    let address = program.address;
    let alone = waits(address, "127.0.0.2", LIST).await;
    for target in ["/extensions?limit=1000", "/extensions/provider/p1/1.0.0"] {
        let before = program.resident();
        let (mut held, mut refused) = (Vec::new(), 0);
        for _ in 0..50 {
            let (client, _) = Http2::connect(address, 1).await;
            for _ in 0..100 {
                let Some(answer) = client.ask(target).await else { break };
                refused += usize::from(answer.status() != 200);
                held.push(answer);
            }
        }
        let grown = program.resident().saturating_sub(before) >> 20;
        assert!(grown <= GROWN_MAX, "unread answers to {target} hold {grown} MiB");
        let beside = waits(address, "127.0.0.2", LIST).await;
        println!(
            "S1 {} answers to {target} unread, {refused} of them refused: {grown} MiB",
            held.len()
        );
        tell("S2 another address beside them", beside);
    }
    tell("S2 another address alone", alone);
}
