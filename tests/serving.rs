//! The listener: silent and slow clients, too many of them, and the two stops.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::server::activity::ClientTimeouts;
use registry_server::server::{Limits, Stop};
use registry_testing::log::Lines;
use registry_testing::scripted::Scripted;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::support::served::{Served, Setup};

async fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.base.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends a request and reads until the answer's head is complete.
async fn request(stream: &mut TcpStream, path: &str) -> String {
    let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "cut within the head");
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end too; what came before it counts.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

async fn served(limits: Limits) -> (Served, Arc<Notify>) {
    let release = Arc::new(Notify::new());
    let mut backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.hold = Some(Arc::clone(&release));
    let setup = Setup { limits, ..Setup::default() };
    let served = Served::with(vec![Arc::new(backend)], setup).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    (served, release)
}

fn limits() -> Limits {
    Limits {
        max_connections: 10,
        grace: Duration::from_secs(5),
        patience: ClientTimeouts::default(),
    }
}

const DOWNLOAD: &str = "/api/v1/extensions/provider/aws/1.0.0";
const LIST: &str = "/api/v1/extensions";
const LIVE: &str = "/api/v1/health/live";

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_head_is_cut_after_ten_seconds() {
    let (served, _) = served(limits()).await;
    for begun in ["", "GET / HT", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX-A: "] {
        let mut stream = connect(&served).await;
        let connected = Instant::now();
        stream.write_all(begun.as_bytes()).await.unwrap();
        rest(&mut stream).await;
        let took = connected.elapsed();
        let expected = Duration::from_secs(10)..Duration::from_millis(10_500);
        assert!(expected.contains(&took), "{begun:?} was cut after {took:?}");
    }
}

#[tokio::test]
async fn health_is_answered_when_all_connections_are_taken_and_other_requests_are_refused() {
    let (served, _) = served(Limits { max_connections: 1, ..limits() }).await;
    let mut first = connect(&served).await;
    assert!(request(&mut first, LIVE).await.starts_with("HTTP/1.1 200"));
    for (path, status) in [
        (LIVE, "200 OK"),
        ("/api/v1/health", "200 OK"),
        ("/api/v1/health/ready", "200 OK"),
        ("/api/v1/metrics", "200 OK"),
        (LIST, "503 Service Unavailable"),
        (DOWNLOAD, "503 Service Unavailable"),
    ] {
        let mut beyond = connect(&served).await;
        let head = request(&mut beyond, path).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {head}");
        assert!(head.contains("connection: close\r\n"), "{path}: {head}");
        rest(&mut beyond).await;
    }
    assert!(request(&mut first, LIVE).await.starts_with("HTTP/1.1 200"), "it keeps its place");
    drop(first);
    // Its place is free once its end was seen.
    while !request(&mut connect(&served).await, LIST).await.starts_with("HTTP/1.1 200") {}
}

#[tokio::test(start_paused = true)]
async fn connections_beyond_the_allowed_that_say_nothing_are_cut_after_two_seconds() {
    let (served, _) = served(Limits { max_connections: 1, ..limits() }).await;
    let mut first = connect(&served).await;
    assert!(request(&mut first, LIVE).await.starts_with("HTTP/1.1 200"));
    let mut silent = connect(&served).await;
    let connected = Instant::now();
    rest(&mut silent).await;
    assert_eq!(connected.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn row_34_a_drain_lets_downloads_finish_and_takes_no_more() {
    let (served, release) = served(limits()).await;
    let mut stream = connect(&served).await;
    assert!(request(&mut stream, DOWNLOAD).await.starts_with("HTTP/1.1 200"));
    served.stop.send_replace(Stop::Drain);
    // The listener is closed before the drain begins to wait.
    while TcpStream::connect(served.base.strip_prefix("http://").unwrap()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.server.is_finished());
    release.notify_one();
    assert_eq!(rest(&mut stream).await, b"provider/aws:1.0.0@local");
    served.server.await.unwrap();
}

#[tokio::test]
async fn a_panic_within_an_answer_cuts_it_is_counted_and_ends_nothing_else() {
    let (lines, _guard) = Lines::capture(tracing::Level::ERROR);
    let release = Arc::new(Notify::new());
    let mut backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.hold = Some(Arc::clone(&release));
    let backend = Arc::new(backend);
    let served = Served::over(vec![backend.clone()]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    backend.panics.store(true, Ordering::SeqCst);
    let mut stream = connect(&served).await;
    let head = request(&mut stream, DOWNLOAD).await;
    assert!(head.contains("content-length: 24\r\n"), "{head}");
    release.notify_one();
    assert!(rest(&mut stream).await.len() < 24);
    let log = lines.take();
    assert_eq!(
        log.matches("handler panicked while streaming; connection closed: told to panic").count(),
        1
    );
    assert_eq!(served.get("/extensions").await.status, 200);
    let metrics = served.get("/metrics").await.text();
    assert!(metrics.contains("\nextension_registry_panics_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn two_hundred_live_downloads_finish_within_the_drain() {
    let (served, release) = served(Limits { max_connections: 300, ..limits() }).await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(&served).await;
        assert!(request(&mut stream, DOWNLOAD).await.starts_with("HTTP/1.1 200"));
        streams.push(stream);
    }
    served.stop.send_replace(Stop::Drain);
    let finishing = tokio::spawn(async move {
        loop {
            release.notify_waiters();
            tokio::task::yield_now().await;
        }
    });
    for mut stream in streams {
        assert_eq!(rest(&mut stream).await, b"provider/aws:1.0.0@local");
    }
    served.server.await.unwrap();
    finishing.abort();
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_drain() {
    let (served, _) = served(limits()).await;
    let mut stream = connect(&served).await;
    assert!(request(&mut stream, LIVE).await.starts_with("HTTP/1.1 200"));
    served.stop.send_replace(Stop::Drain);
    served.server.await.unwrap();
    rest(&mut stream).await;
}

#[tokio::test(start_paused = true)]
async fn row_34_what_is_not_finished_within_the_grace_is_cut() {
    let (served, _) = served(limits()).await;
    let mut stream = connect(&served).await;
    assert!(request(&mut stream, DOWNLOAD).await.starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    served.stop.send_replace(Stop::Drain);
    served.server.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert!(rest(&mut stream).await.len() < "provider/aws:1.0.0@local".len());
}

#[tokio::test(start_paused = true)]
async fn row_34_a_second_stop_ends_at_once() {
    let (served, _) = served(limits()).await;
    let mut stream = connect(&served).await;
    assert!(request(&mut stream, DOWNLOAD).await.starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    served.stop.send_replace(Stop::Now);
    served.server.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test]
async fn http2_is_spoken_without_an_upgrade() {
    let (served, _) = served(limits()).await;
    let client = registry_testing::http::client_builder().http2_prior_knowledge().build().unwrap();
    let response = client.get(format!("{}{LIVE}", served.base)).send().await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (reqwest::Version::HTTP_2, 200));
}

/// One frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The beginning of a connection of HTTP/2.
fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

/// Whether an answer ends the connection, as the last frame in it says.
fn ends_with_goaway(mut answer: &[u8]) -> bool {
    let mut last = 0;
    while let [a, b, c, kind, ..] = *answer {
        last = kind;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        answer = answer.get(9 + length..).unwrap_or_default();
    }
    last == GOAWAY
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_end_their_connection() {
    let (served, _) = served(limits()).await;
    // GET http://x/ in the static table of HPACK.
    let request = [0x82, 0x86, 0x84, 0x41, 1, b'x'];
    let mut flood = preface();
    for stream in (0..1000).map(|n| 2 * n + 1) {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &request));
        flood.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    let mut stream = connect(&served).await;
    // It may be cut before all is sent.
    let _ = stream.write_all(&flood).await;
    assert!(ends_with_goaway(&rest(&mut stream).await));
    let mut honest = connect(&served).await;
    assert!(request_live(&mut honest).await);
}

#[tokio::test]
async fn a_head_of_http2_without_end_ends_its_connection() {
    let (served, _) = served(limits()).await;
    let mut stream = connect(&served).await;
    let begin = [preface(), frame(HEADERS, END_STREAM, 1, &[0x82])].concat();
    stream.write_all(&begin).await.unwrap();
    let more = frame(CONTINUATION, 0, 1, &[0; 16 * 1024]);
    let mut sent = 0;
    while sent < 1000 && stream.write_all(&more).await.is_ok() {
        sent += 1;
        tokio::task::yield_now().await;
    }
    assert!(sent < 1000, "16 MiB of a head were taken");
    rest(&mut stream).await;
    let mut honest = connect(&served).await;
    assert!(request_live(&mut honest).await);
}

async fn request_live(stream: &mut TcpStream) -> bool {
    request(stream, LIVE).await.starts_with("HTTP/1.1 200")
}
