//! The listener: silent and slow clients, too many of them, and the two stops.

use std::sync::Arc;
use std::time::Duration;

use extension_registry::models::source::Source;
use extension_registry::server::{Limits, Stop};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::support::scripted::Scripted;
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
    let mut backend = Scripted::new(Source::Local, &["provider/aws:1.0.0"]);
    backend.hold = Some(Arc::clone(&release));
    let setup = Setup { limits, ..Setup::default() };
    let served = Served::with(vec![Arc::new(backend)], setup).await;
    served.catalogue.ready(None).await.unwrap();
    (served, release)
}

const LIMITS: Limits = Limits { max_connections: 10, grace: Duration::from_secs(5) };
const DOWNLOAD: &str = "/api/v1/extensions/provider/aws/1.0.0";
const LIVE: &str = "/api/v1/health/live";

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_head_is_cut_after_ten_seconds() {
    let (served, _) = served(LIMITS).await;
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
async fn more_connections_than_allowed_wait() {
    let (served, _) = served(Limits { max_connections: 1, ..LIMITS }).await;
    let mut first = connect(&served).await;
    assert!(request(&mut first, LIVE).await.starts_with("HTTP/1.1 200"));
    let mut second = connect(&served).await;
    second.write_all(format!("GET {LIVE} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    // The first one is answered again while the second waits for its place.
    assert!(request(&mut first, LIVE).await.starts_with("HTTP/1.1 200"));
    drop(first);
    let mut answered = [0; 12];
    second.read_exact(&mut answered).await.unwrap();
    assert_eq!(&answered, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_drain_lets_downloads_finish_and_takes_no_more() {
    let (served, release) = served(LIMITS).await;
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
async fn an_idle_connection_does_not_hold_up_the_drain() {
    let (served, _) = served(LIMITS).await;
    let mut stream = connect(&served).await;
    assert!(request(&mut stream, LIVE).await.starts_with("HTTP/1.1 200"));
    served.stop.send_replace(Stop::Drain);
    served.server.await.unwrap();
    rest(&mut stream).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_finished_within_the_grace_is_cut() {
    let (served, _) = served(LIMITS).await;
    let mut stream = connect(&served).await;
    assert!(request(&mut stream, DOWNLOAD).await.starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    served.stop.send_replace(Stop::Drain);
    served.server.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert!(rest(&mut stream).await.len() < "provider/aws:1.0.0@local".len());
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_ends_at_once() {
    let (served, _) = served(LIMITS).await;
    let mut stream = connect(&served).await;
    assert!(request(&mut stream, DOWNLOAD).await.starts_with("HTTP/1.1 200"));
    let begun = Instant::now();
    served.stop.send_replace(Stop::Now);
    served.server.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test]
async fn http2_is_spoken_without_an_upgrade() {
    let (served, _) = served(LIMITS).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let response = client.get(format!("{}{LIVE}", served.base)).send().await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (reqwest::Version::HTTP_2, 200));
}
