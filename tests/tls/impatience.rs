//! Handshakes that do not end, and connections beyond the limits: TLS has the bounds of plain HTTP.

use std::sync::Arc;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_server::server::activity::ClientTimeouts;
use registry_server::server::clients::Clients;
use registry_server::server::{Limits, Stop};
use registry_testing::certificates::Authority;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

use super::{LIST, LIVE, served, server};
use crate::support::raw::{connect, get, head, rest};
use crate::support::served::{Served, Setup};

/// Length of an archive in bytes: more than sockets take.
const ARCHIVE: usize = 32 << 20;

/// The beginning of a first message: a record of 512 bytes that holds a hello.
const HALF: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

fn limited(max_connections: usize, most: usize) -> Setup {
    let patience = ClientTimeouts::default();
    Setup {
        limits: Limits { max_connections, grace: Duration::from_secs(5), patience },
        clients: Clients::new(most, Arc::new(Some)),
        ..Setup::default()
    }
}

/// The seconds until a connection that sends this, a piece each second, is closed.
async fn closed_after(served: &Served, pieces: &[&[u8]]) -> f64 {
    let (mut stream, begun) = (connect(served).await, Instant::now());
    let ((mut reading, mut writing), mut said) = (stream.split(), Vec::new());
    let sent = async {
        for piece in pieces {
            if writing.write_all(piece).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // A reset is an end too.
        _ = reading.read_to_end(&mut said) => {}
        () = sent => {}
    }
    begun.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn handshakes_that_do_not_end_are_cut_after_the_time_for_heads() {
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    let trickled: Vec<&[u8]> = HALF.chunks(1).cycle().take(60).collect();
    for pieces in [&[][..], &[HALF], &trickled] {
        let seconds = closed_after(&served, pieces).await;
        assert!((10.0..12.0).contains(&seconds), "{} pieces: {seconds}", pieces.len());
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_a_handshake_has_two_seconds() {
    let authority = Authority::new();
    let served = served(&authority, limited(0, usize::MAX)).await;
    let seconds = closed_after(&served, &[HALF]).await;
    assert!((2.0..4.0).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_after_the_handshake_is_waited_for_no_longer() {
    let authority = Authority::new();
    let served = served(&authority, Setup::default()).await;
    let begun = Instant::now();
    let mut stream = authority.connect(served.address(), &[]).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, b"");
    let seconds = begun.elapsed().as_secs_f64();
    assert!((10.0..12.0).contains(&seconds), "the handshake counts: {seconds}");
}

#[tokio::test]
async fn beyond_its_connections_a_client_gets_health_over_http_1_alone() {
    let authority = Authority::new();
    let served = served(&authority, limited(1000, 1)).await;
    let held = authority.connect(served.address(), &["h2"]).await.unwrap();
    for (path, status) in [(LIVE, "200 OK"), ("/api/v1/metrics", "200 OK"), (LIST, "503 Service")] {
        let mut beyond = authority.connect(served.address(), &["h2", "http/1.1"]).await.unwrap();
        assert_eq!(beyond.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        beyond.write_all(get(path).as_bytes()).await.unwrap();
        let head = head(&mut beyond).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {head}");
    }
    drop(held);
}

#[tokio::test]
async fn handshakes_under_way_do_not_delay_the_end() {
    let authority = Authority::new();
    let mut served = served(&authority, Setup::default()).await;
    let mut half = connect(&served).await;
    half.write_all(HALF).await.unwrap();
    // Once this one is served, the one before was accepted.
    let mut other = authority.connect(served.address(), &[]).await.unwrap();
    other.write_all(get(LIVE).as_bytes()).await.unwrap();
    rest(&mut other).await;
    served.stop.send_replace(Stop::Drain);
    (&mut served.server).await.unwrap();
    assert_eq!(rest(&mut half).await, b"");
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_of_a_response_is_cut_within_a_minute() {
    let authority = Authority::new();
    let backend = MemoryBackend::new(BackendId::LOCAL);
    backend.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), "a".repeat(ARCHIVE));
    let setup = Setup { tls: Some(server(&authority)), ..Setup::default() };
    let served = Served::with(vec![Arc::new(backend)], setup).await;
    for (pause, is_cut) in [(59, false), (62, true)] {
        let mut stream = authority.connect(served.address(), &[]).await.unwrap();
        let request = get("/api/v1/extensions/provider/aws/1.0.0");
        stream.write_all(request.as_bytes()).await.unwrap();
        head(&mut stream).await;
        sleep(Duration::from_secs(pause)).await;
        assert_eq!(rest(&mut stream).await.len() < ARCHIVE, is_cut, "after {pause} s");
    }
}
