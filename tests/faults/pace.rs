//! How fast a backend has to send an archive, in virtual time: some progress, never a total.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use registry_backends::http::request::Request;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::http::upstream::{HttpSettings, UpstreamClient};
use registry_core::error::{ErrorKind, Result};
use registry_core::models::backend_id::BackendId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A server that sends so many pieces of this length, with this pause before each.
async fn sending(pieces: usize, length: usize, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", pieces * length);
        socket.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..pieces {
            sleep(pause).await;
            if socket.write_all(&vec![7; length]).await.is_err() {
                return;
            }
        }
    });
    url
}

async fn open(url: &str) -> BoxStream<'static, Result<Bytes>> {
    let settings = HttpSettings {
        peer: BackendId::OCI.into(),
        base: url.parse().unwrap(),
        upstream: UpstreamSettings { timeout: TIMEOUT, retries: 0, ..UpstreamSettings::default() },
    };
    let client = UpstreamClient::new(settings, Arc::new(())).unwrap();
    client.stream(Request::get("blob", url.parse().unwrap())).await.unwrap().bytes
}

/// How many bytes came, how long they took, and what ended them.
async fn read(url: &str, between: Duration) -> (usize, Duration, Option<ErrorKind>) {
    rest(open(url).await, between).await
}

async fn rest(
    mut bytes: BoxStream<'static, Result<Bytes>>,
    between: Duration,
) -> (usize, Duration, Option<ErrorKind>) {
    let (begun, mut came) = (Instant::now(), 0);
    while let Some(piece) = bytes.next().await {
        match piece {
            Ok(piece) => came += Bytes::len(&piece),
            Err(error) => return (came, begun.elapsed(), Some(error.kind())),
        }
        sleep(between).await;
    }
    (came, begun.elapsed(), None)
}

#[tokio::test(start_paused = true)]
async fn row_04_an_archive_that_comes_byte_by_byte_is_left() {
    // Never silent for as long as it may be, and never done.
    let url = sending(10_000, 1, TIMEOUT.checked_sub(Duration::from_secs(1)).unwrap()).await;
    let (came, took, end) = read(&url, Duration::ZERO).await;
    assert_eq!((came, end), (1, Some(ErrorKind::BackendTimeout)));
    assert!(took <= TIMEOUT + Duration::from_secs(1), "{took:?}");
    // The same once enough came at first.
    let url = sending(10_000, 400, Duration::from_secs(1)).await;
    let (came, took, end) = read(&url, Duration::ZERO).await;
    assert_eq!(end, Some(ErrorKind::BackendTimeout), "12,000 bytes in 30 s");
    assert!(took <= TIMEOUT + Duration::from_secs(1), "{took:?}: {came}");
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_comes_slowly_but_surely_may_take_hours() {
    let url = sending(7_200, 600, Duration::from_secs(1)).await;
    let (came, took, end) = read(&url, Duration::ZERO).await;
    assert_eq!((came, end), (7_200 * 600, None), "16 KiB take 28 s");
    assert!(took >= Duration::from_secs(7_199), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_archive_may_be_short_and_who_reads_slowly_is_not_cut_off() {
    for (pieces, length) in [(1, 1), (2, 16 * 1024), (33, 1_000)] {
        let url = sending(pieces, length, Duration::from_millis(10)).await;
        let (came, took, end) = read(&url, TIMEOUT * 10).await;
        assert_eq!((came, end), (pieces * length, None), "{pieces} of {length}");
        assert!(took >= TIMEOUT * 10, "{took:?}");
    }
}

/// A client that stops reading stops us from looking for more, even while we wait for it.
#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_looks_is_not_the_backends() {
    let url = sending(40, 1_000, Duration::from_secs(1)).await;
    let mut bytes = open(&url).await;
    let looked = poll_fn(|context| Poll::Ready(bytes.poll_next_unpin(context).is_pending()));
    assert!(looked.await, "nothing is there yet");
    sleep(TIMEOUT * 10).await;
    let (came, _, end) = rest(bytes, Duration::ZERO).await;
    assert_eq!((came, end), (40_000, None));
}
