//! Heads and ends of messages that proxies and we might read differently.

use std::net::SocketAddr;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use tokio::io::AsyncWriteExt as _;

use crate::support::raw::{raw, rest, to};
use crate::support::served::Served;

const LIVE: &str = "/api/v1/health/live";

#[tokio::test]
async fn s18_a_request_without_one_good_host_is_refused() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])]).await;
    for (version, hosts, status) in [
        ("1.1", "", 400),
        ("1.1", "Host: a\r\nHost: a\r\n", 400),
        ("1.1", "Host: a\r\nHost: b\r\n", 400),
        ("1.0", "Host: a\r\nHost: b\r\n", 400),
        ("1.1", "Host: a b\r\n", 400),
        ("1.1", "Host: a/b\r\n", 400),
        ("1.1", "Host: a@b\r\n", 400),
        ("1.1", "Host: a,b\r\n", 400),
        ("1.1", "Host: a:port\r\n", 400),
        ("1.1", "Host: a:99999\r\n", 400),
        ("1.1", "Host: [::1\r\n", 400),
        ("1.1", "Host: <x>\r\n", 400),
        ("1.1", "Host: a\r\n", 200),
        ("1.1", "Host: a:8082\r\n", 200),
        ("1.1", "Host: [::1]:8082\r\n", 200),
        ("1.1", "Host: 127.0.0.1\r\n", 200),
        ("1.1", "Host:\r\n", 200),
        ("1.0", "", 200),
    ] {
        for path in [LIVE, "/api/v1/extensions"] {
            let request = format!("GET {path} HTTP/{version}\r\nConnection: close\r\n{hosts}\r\n");
            let answer = raw(&served, &request).await;
            let expected = answer.starts_with(&format!("HTTP/{version} {status} "));
            assert!(expected, "{version} {hosts:?} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn s18b_a_body_that_is_coded_otherwise_than_chunked_once_is_refused() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &[])]).await;
    for (codings, status) in [
        ("Transfer-Encoding: chunked, chunked\r\n", [400, 501]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", [400, 501]),
        ("Transfer-Encoding: gzip, chunked\r\n", [400, 501]),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", [400, 501]),
        ("Transfer-Encoding: identity, chunked\r\n", [400, 501]),
        ("Transfer-Encoding: x, chunked\r\n", [400, 501]),
        ("Transfer-Encoding: ,chunked\r\n", [400, 501]),
        ("Transfer-Encoding: chunked\r\n", [200, 200]),
        ("Transfer-Encoding: Chunked\r\n", [200, 200]),
    ] {
        let request = format!(
            "GET {LIVE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{codings}\r\n0\r\n\r\n"
        );
        let answer = raw(&served, &request).await;
        let found = answer.get(9..12).unwrap_or_default();
        assert!(status.iter().any(|status| found == status.to_string()), "{codings:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{codings:?}: {answer}");
    }
}

#[tokio::test]
async fn s18c_a_refused_body_ends_its_connection() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &[])]).await;
    for head in [
        "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: a\r\nHost: b\r\nContent-Length: 40\r\n",
    ] {
        let smuggled = format!("GET {LIVE} HTTP/1.1\r\nHost: x\r\n\r\n");
        let request = format!("POST {LIVE} HTTP/1.1\r\n{head}\r\n0\r\n\r\n{smuggled}");
        let answer = raw(&served, &request).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

/// Sends a request, ends the writing, and reads to the end.
async fn half_closed(address: SocketAddr, path: &str, version: &str) -> String {
    let mut stream = to(address).await;
    let request = format!("GET {path} HTTP/{version}\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    String::from_utf8_lossy(&rest(&mut stream).await).into_owned()
}

#[tokio::test]
async fn s19_a_client_that_ended_its_part_is_answered() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let address = served.address();
    for (path, expected) in [
        (LIVE, "200"),
        ("/api/v1/extensions", "200"),
        ("/api/v1/extensions/provider/aws/1.0.0", "200"),
        ("/api/v1/extensions/provider/none", "404"),
        ("/api/v1/nowhere", "404"),
    ] {
        for version in ["1.1", "1.0"] {
            for _ in 0..10 {
                let answer = half_closed(address, path, version).await;
                let found = answer.get(9..12).unwrap_or_default();
                assert_eq!(found, expected, "{version} {path}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn s19b_a_client_that_ended_its_part_is_waited_for_while_a_backend_is() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![backend.clone()]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    backend.gate.shut();
    let address = served.address();
    let asked = tokio::spawn(async move {
        half_closed(address, "/api/v1/extensions/provider/new", "1.1").await
    });
    while backend.asked().extensions < 2 {
        tokio::task::yield_now().await;
    }
    backend.gate.open();
    let answer = asked.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer:?}");
}
