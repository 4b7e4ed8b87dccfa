//! Bodies that the HTTP client sends to a server, without any backend.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use hyper::Method;
use parking_lot::Mutex;
use registry_backends::http::answer::UpstreamResponse;
use registry_backends::http::client::HttpClient;
use registry_backends::http::peer::Peer;
use registry_backends::http::request::{Redirects, Request};
use registry_backends::http::request_body::RequestBody;
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::http::upstream::{HttpSettings, UpstreamClient};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::backend_id::BackendId;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::support::raw::head;

const PIECES: [&str; 3] = ["one ", "two ", "three"];
const WHOLE: &str = "one two three";

fn pieces() -> BoxStream<'static, Result<Bytes>> {
    stream::iter(PIECES).map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).boxed()
}

fn once() -> RequestBody {
    RequestBody::once(pieces(), Some(WHOLE.len() as u64))
}

fn again() -> RequestBody {
    RequestBody::again(pieces, Some(WHOLE.len() as u64))
}

async fn send(url: &str, method: Method, body: RequestBody) -> Result<UpstreamResponse> {
    let base: url::Url = url.parse().unwrap();
    let settings = UpstreamSettings::default();
    let client = HttpClient::new(Peer::new("storage"), base.clone(), &settings).unwrap();
    let url = base.join("object").unwrap();
    client.fetch(Request::new("upload", method, url).with_body(body), 1024).await
}

/// A put through the client of a backend, which repeats requests.
async fn send_to_backend(url: &str, body: RequestBody) -> Result<UpstreamResponse> {
    let base: url::Url = url.parse().unwrap();
    let upstream = UpstreamSettings::default();
    let settings = HttpSettings { peer: BackendId::OCI.into(), base: base.clone(), upstream };
    let client = UpstreamClient::new(settings, Arc::new(())).unwrap();
    let url = base.join("object").unwrap();
    client.fetch(Request::new("upload", Method::PUT, url).with_body(body), 1024).await
}

#[tokio::test]
async fn bodies_of_known_and_of_unknown_length_arrive_whole() {
    for method in [Method::PUT, Method::PATCH, Method::POST] {
        for (body, length) in [
            (RequestBody::bytes(WHOLE), Some("13")),
            (once(), Some("13")),
            (again(), Some("13")),
            (RequestBody::once(pieces(), None), None),
        ] {
            let server = ScriptedRegistry::start(|_| Reply::new(201).header("etag", "\"1\"")).await;
            let answer = send(&server.url(), method.clone(), body).await.unwrap();
            assert_eq!(
                (answer.status.as_u16(), &answer.headers["etag"]),
                (201, &"\"1\"".parse().unwrap())
            );
            let seen = &server.seen()[0];
            assert_eq!((&seen.method, seen.body.as_ref()), (&method, WHOLE.as_bytes()));
            assert_eq!(seen.header("content-length"), length, "{method}");
            let chunked = (length.is_none()).then_some("chunked");
            assert_eq!(seen.header("transfer-encoding"), chunked, "{method}");
        }
    }
}

#[tokio::test]
async fn a_stream_of_another_length_than_announced_is_never_a_success() {
    for length in [1, WHOLE.len() as u64 - 1, WHOLE.len() as u64 + 1] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
        });
        let body = RequestBody::once(pieces(), Some(length));
        let sent = send(&format!("http://{address}"), Method::PUT, body).await;
        assert!(sent.is_err(), "{length} bytes");
        server.await.unwrap();
    }
}

/// A server that answers early, or resets the connection, once it has read a piece of the body.
async fn impatient(answer: Option<&'static str>) -> (SocketAddr, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::<Mutex<usize>>::default());
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        // An answered connection stays open: to close it could take the answer back.
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            *counted.lock() += 1;
            head(&mut stream).await;
            let mut piece = [0; 4];
            stream.read_exact(&mut piece).await.unwrap();
            match answer {
                Some(answer) => {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    open.push(stream);
                }
                None => stream.set_zero_linger().unwrap(),
            }
        }
    });
    (address, count)
}

#[tokio::test]
async fn an_early_refusal_is_the_answer_though_the_body_is_not_sent() {
    let refusal = "HTTP/1.1 413 Content Too Large\r\nx-why: large\r\nContent-Length: 3\r\n\r\nno!";
    let (address, _) = impatient(Some(refusal)).await;
    let held = Arc::new(Notify::new());
    let released = Arc::clone(&held);
    // The last piece never comes.
    let rest = stream::once(async move {
        released.notified().await;
        Ok(Bytes::from_static(b"x"))
    });
    let first = stream::iter([Ok(Bytes::from_static(b"one "))]);
    let body = RequestBody::once(first.chain(rest).boxed(), None);
    let answer = send(&format!("http://{address}"), Method::PUT, body).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (413, &b"no!"[..]));
    assert_eq!(answer.headers["x-why"], "large");
    drop(held);
}

#[tokio::test]
async fn a_reset_is_a_failure_and_only_what_can_be_made_again_is_sent_again() {
    for (body, sent) in [(once(), 1), (again(), 3), (RequestBody::bytes(WHOLE), 3)] {
        let (address, count) = impatient(None).await;
        let error = send_to_backend(&format!("http://{address}"), body).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{error:?}");
        assert_eq!(*count.lock(), sent);
    }
}

#[tokio::test]
async fn a_limit_is_waited_for_only_by_what_can_be_sent_again() {
    for (body, statuses) in [(once(), [429, 1]), (again(), [200, 2])] {
        let limited = AtomicBool::new(true);
        let server = ScriptedRegistry::start(move |seen| {
            let first = seen.method == Method::PUT && limited.swap(false, Ordering::SeqCst);
            if first { Reply::new(429).header("retry-after", "0") } else { Reply::new(200) }
        })
        .await;
        let base: url::Url = server.url().parse().unwrap();
        let upstream = UpstreamSettings::default();
        let settings = HttpSettings { peer: BackendId::OCI.into(), base: base.clone(), upstream };
        let client = UpstreamClient::new(settings, Arc::new(())).unwrap();
        // A success first: a server that only ever limits is left alone.
        client.fetch(Request::get("first", base.clone()), 1024).await.unwrap();
        let request = Request::new("upload", Method::PUT, base).with_body(body);
        let answer = client.fetch(request, 1024).await.unwrap();
        let found = [usize::from(answer.status.as_u16()), server.count("PUT")];
        assert_eq!(found, statuses);
    }
}

#[tokio::test]
async fn a_redirect_is_followed_where_method_and_body_stay_and_can_be_sent_again() {
    for (status, body, end) in [
        (307, again(), 201),
        (308, RequestBody::bytes(WHOLE), 201),
        (307, once(), 307),
        (301, again(), 301),
        (302, again(), 302),
        (303, again(), 303),
    ] {
        let server = ScriptedRegistry::start(move |seen| match seen.path() {
            "/object" => Reply::new(status).header("location", "/elsewhere"),
            _ => Reply::new(201),
        })
        .await;
        let answer = send(&server.url(), Method::PUT, body).await.unwrap();
        assert_eq!(answer.status.as_u16(), end, "{status}");
        let seen = server.seen();
        assert_eq!(seen.len(), if end == 201 { 2 } else { 1 }, "{status}");
        assert!(seen.iter().all(|one| one.method == Method::PUT && one.body == WHOLE));
    }
}

#[tokio::test]
async fn a_redirect_of_a_body_to_another_server_is_refused() {
    let other = ScriptedRegistry::start(|_| Reply::new(201)).await;
    let target = format!("{}/object", other.url());
    let server =
        ScriptedRegistry::start(move |_| Reply::new(307).header("location", &target)).await;
    let error = send(&server.url(), Method::PUT, again()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
    let base: url::Url = server.url().parse().unwrap();
    let private = UpstreamSettings::default();
    let client = HttpClient::new(Peer::new("storage"), base.clone(), &private).unwrap();
    let request =
        Request::new("upload", Method::PUT, base).with_body(again()).follow(Redirects::Anywhere);
    let error = client.fetch(request, 1024).await.unwrap_err();
    assert!(error.message().starts_with("The storage redirects to a private address"), "{error}");
    assert!(other.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_body_has_the_timeout_for_each_piece_and_none_that_stops_is_waited_for() {
    for (endless, pause, good) in [(false, 20, true), (true, 20, false), (false, 40, false)] {
        let server = ScriptedRegistry::start(|_| Reply::new(201)).await;
        let count = if endless { 4 } else { 5 };
        let pieces = stream::iter(0..5).then(move |number| async move {
            if number >= count {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_secs(pause)).await;
            Ok::<_, Error>(Bytes::from_static(b"x"))
        });
        let body = RequestBody::once(pieces.boxed(), None);
        let sent = send(&server.url(), Method::PUT, body).await;
        assert_eq!(sent.is_ok(), good, "{pause} s between the pieces: {sent:?}");
        if let Err(error) = sent {
            assert_eq!(error.kind(), ErrorKind::BackendTimeout);
        }
    }
}
