//! What clients hold that read little or nothing: memory, places, connections to backends.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::edge::admission::Admission;
use registry_server::edge::client_address::TrustedProxies;
use registry_server::edge::client_concurrency::Share;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::request_limit::RequestLimit;
use registry_server::server::Limits;
use registry_testing::http2::Http2;
use registry_testing::log::Lines;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tracing::Level;

use super::stalled::DOWNLOAD;
use crate::support::raw::{connect, head, rest};
use crate::support::served::{Served, Setup};

/// A service of a list of 200 kB.
async fn served() -> Served {
    let names: Vec<String> = (0..1000).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let served = Served::with(vec![memory(BackendId::LOCAL, &names)], Setup::default()).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

#[tokio::test(start_paused = true)]
async fn s02_an_answer_that_is_not_taken_is_cut_whatever_the_window() {
    // In HTTP/2 an answer whose window is all used leaves nothing in our buffers.
    for window in [1, 16 * 1024, 20_000, 32 * 1024, 64 * 1024 - 1] {
        let served = served().await;
        let (client, connection) = Http2::connect(served.address(), window).await;
        let answer = client.ask("/extensions?limit=1000").await.unwrap();
        let begun = Instant::now();
        let cut = tokio::time::timeout(Duration::from_mins(5), connection).await;
        assert!(cut.is_ok(), "an answer with a window of {window} is not cut");
        let took = begun.elapsed().as_secs();
        assert!((59..=61).contains(&took), "{window}: cut after {took} s");
        drop(answer);
    }
}

#[tokio::test(start_paused = true)]
async fn s02b_a_socket_that_is_read_at_a_trickle_is_cut() {
    let served = served().await;
    let mut stream = connect(&served).await;
    let one = "GET /api/v1/extensions?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(one.repeat(200).as_bytes()).await.unwrap();
    head(&mut stream).await;
    let mut read = 0;
    for _ in 0..60 {
        sleep(Duration::from_secs(30)).await;
        let mut some = vec![0; 20 * 1024];
        match stream.read(&mut some).await {
            Ok(length) if length > 0 => read += length,
            _ => break,
        }
    }
    read += rest(&mut stream).await.len();
    assert!(read < 20 << 20, "{read} bytes came at 700 bytes a second");
}

#[tokio::test]
async fn s01b_no_more_downloads_stream_from_a_backend_than_max_concurrency() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::StreamExt as _;
    use registry_backends::http::metrics::UpstreamMetrics;
    use registry_backends::http::request::Request;
    use registry_backends::http::settings::UpstreamSettings;
    use registry_backends::http::upstream::{HttpSettings, UpstreamClient};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (Arc::clone(&open), Arc::clone(&most));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (open, most) = counted.clone();
            tokio::spawn(async move {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                head(&mut stream).await;
                let answer =
                    "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.write_all(&[7; 1000]).await.unwrap();
                rest(&mut stream).await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    for (max_concurrency, allowed) in [(8, 8), (2, 2), (1, 2)] {
        most.store(0, Ordering::SeqCst);
        let settings = HttpSettings {
            peer: BackendId::OCI.into(),
            base: format!("http://{address}").parse().unwrap(),
            upstream: UpstreamSettings {
                timeout: Duration::from_millis(500),
                max_concurrency,
                retries: 0,
                ..UpstreamSettings::default()
            },
        };
        let metrics: Arc<dyn UpstreamMetrics> = Arc::new(());
        let client = UpstreamClient::new(settings, metrics).unwrap();
        let mut held = Vec::new();
        for _ in 0..=(3 * max_concurrency) {
            let url = format!("http://{address}/blob").parse().unwrap();
            if let Ok(mut streamed) = client.stream(Request::get("blob", url)).await {
                streamed.bytes.next().await.unwrap().unwrap();
                held.push(streamed);
            }
        }
        let most = most.load(Ordering::SeqCst);
        assert!(most <= allowed, "{most} connections for max_concurrency = {max_concurrency}");
        assert!(!held.is_empty());
        // Who streams and is not read keeps no question waiting.
        let url = format!("http://{address}/question").parse().unwrap();
        assert!(client.stream(Request::get("blob", url)).await.is_err(), "its turn never comes");
        drop(held);
        while open.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn s01c_streams_that_hold_no_place_are_bounded_too() {
    // Health needs no room, however many ask for it and read nothing.
    for path in ["/health", "/metrics", "/nope", "/extensions/provider/p1"] {
        let limits = Limits { max_connections: 20, ..Setup::default().limits };
        let setup = Setup { limits, ..Setup::default() };
        let backend = memory(BackendId::LOCAL, &["provider/p1:1.0.0"]);
        let served = Served::with(vec![backend], setup).await;
        served.get(path).await;
        let (mut connections, mut held) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            let (client, connection) = Http2::connect(served.address(), 1).await;
            for _ in 0..20 {
                let Some(answer) = client.ask(path).await else { break };
                held.push(answer);
            }
            connections.push((client, connection));
        }
        // Those that would have held more were cut, with all that they held.
        let cut = async {
            while connections.iter().filter(|(_, connection)| !connection.is_finished()).count() > 2
            {
                tokio::task::yield_now().await;
            }
        };
        let cut = tokio::time::timeout(Duration::from_secs(30), cut).await;
        assert!(cut.is_ok(), "{path}: more than 40 streams are held");
        assert_eq!(served.get("/health/live").await.status, StatusCode::OK, "{path}");
    }
}

/// A service of four places, two for each address, whose downloads stand still; who is behind these is
/// believed.
async fn shared(proxies: &[&str]) -> Served {
    let mut backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.hold = Some(Arc::new(Notify::new()));
    let proxies = proxies.iter().map(|network| network.parse().unwrap()).collect();
    let admission = Admission {
        share: Some(Share::new(NonZeroU32::new(2).unwrap())),
        proxies: TrustedProxies::new(proxies),
        requests: RequestLimit::of(4),
        ..Admission::default()
    };
    let http = HttpRules { admission: Arc::new(admission), ..Setup::default().http };
    let served = Served::with(vec![Arc::new(backend)], Setup { http, ..Setup::default() }).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

/// Begins a download from an address of this machine; its status, and the connection that holds it.
async fn begin(served: &Served, from: &str, headers: &str) -> (String, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(served.address()).await.unwrap();
    let request = format!("GET /api/v1{DOWNLOAD} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let status = head(&mut stream).await[9..12].to_owned();
    (status, stream)
}

#[tokio::test]
async fn s02c_an_address_has_half_of_all_places() {
    let (lines, _guard) = Lines::capture(Level::WARN);
    // Directly, behind nginx on this machine, and behind an ingress that is not named.
    for (proxies, steps) in [
        (
            &[][..],
            &[
                ("127.0.0.1", "", "200"),
                ("127.0.0.1", "", "200"),
                ("127.0.0.1", "", "429"),
                ("127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\n", "429"),
                ("127.0.0.2", "", "200"),
            ][..],
        ),
        (
            &["127.0.0.0/8"],
            &[
                ("127.0.0.1", "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n", "200"),
                ("127.0.0.2", "X-Forwarded-For: 7.7.7.7, 192.0.2.1\r\n", "200"),
                ("127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\n", "429"),
                ("127.0.0.1", "X-Forwarded-For: 192.0.2.2\r\n", "200"),
                ("127.0.0.1", "X-Forwarded-For: 192.0.2.3\r\n", "200"),
                ("127.0.0.1", "X-Forwarded-For: 192.0.2.4\r\n", "503"),
            ],
        ),
        (
            &["127.0.0.1/32"],
            &[
                ("127.0.0.1", "", "200"),
                ("127.0.0.1", "", "200"),
                ("127.0.0.1", "", "200"),
                ("127.0.0.1", "", "200"),
                ("127.0.0.1", "", "503"),
            ],
        ),
    ] {
        let served = shared(proxies).await;
        let mut held = Vec::new();
        for (from, headers, expected) in steps {
            let (status, stream) = begin(&served, from, headers).await;
            assert_eq!(status, *expected, "{proxies:?} {from} {headers:?}");
            held.push(stream);
        }
        let told = lines.take();
        let advice = told.matches("server.trusted_proxies").count();
        let reached = steps.iter().any(|(_, _, status)| *status == "429");
        assert_eq!(advice, usize::from(reached), "{told}");
        let live = served.get("/health/live").await.status;
        assert_eq!(live, StatusCode::OK);
        // What ends makes room.
        drop(held);
        while begin(&served, "127.0.0.1", "").await.0 != "200" {}
    }
}
