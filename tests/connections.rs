//! How many connections one client may have: beyond them it gets what is beyond all, and nobody else
//! notices.

use std::sync::Arc;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_server::server::Limits;
use registry_server::server::activity::ClientTimeouts;
use registry_server::server::clients::Clients;
use registry_testing::memory::memory;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::support::raw::{connect, head, rest};
use crate::support::served::{Served, Setup};

const LIST: &str = "/api/v1/extensions";
const LIVE: &str = "/api/v1/health/live";

/// A service that serves this many connections of each address, and many of all.
async fn served(most: usize) -> Served {
    let patience = ClientTimeouts::default();
    let limits = Limits { max_connections: 1000, grace: Duration::from_secs(5), patience };
    let clients = Clients::new(most, Arc::new(Some));
    let setup = Setup { limits, clients, ..Setup::default() };
    Served::with(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])], setup).await
}

async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    head(stream).await
}

/// A connection from another address of this machine.
async fn from_elsewhere(served: &Served) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(served.address()).await.unwrap()
}

#[tokio::test]
async fn beyond_its_connections_a_client_gets_health_and_refusals() {
    let served = served(2).await;
    let mut held = [connect(&served).await, connect(&served).await];
    for stream in &mut held {
        assert!(ask(stream, LIVE).await.starts_with("HTTP/1.1 200"));
    }
    for (path, status) in
        [(LIVE, "200 OK"), ("/api/v1/metrics", "200 OK"), (LIST, "503 Service Unavailable")]
    {
        let mut beyond = connect(&served).await;
        let head = ask(&mut beyond, path).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {head}");
        assert!(head.contains("connection: close\r\n"), "{path}: {head}");
        rest(&mut beyond).await;
    }
    assert!(ask(&mut from_elsewhere(&served).await, LIST).await.starts_with("HTTP/1.1 200"));
    drop(held);
    // Their places are free once their end was seen.
    while !ask(&mut connect(&served).await, LIST).await.starts_with("HTTP/1.1 200") {}
}

#[tokio::test(start_paused = true)]
async fn a_client_that_connects_without_end_is_closed_at_once_and_keeps_nobody_out() {
    let served = served(1).await;
    let mut held = Vec::new();
    // One that is served, 64 that may ask for health, and more than there are places for these.
    for _ in 0..200 {
        held.push(connect(&served).await);
    }
    let (mut last, begun) = (held.pop().unwrap(), Instant::now());
    assert_eq!(rest(&mut last).await, b"", "it is closed without a word");
    assert!(begun.elapsed() < Duration::from_secs(1), "no deadline of anything was waited for");
    assert!(ask(&mut from_elsewhere(&served).await, LIST).await.starts_with("HTTP/1.1 200"));
}
