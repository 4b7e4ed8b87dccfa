//! Pages in the response cache: one rendering, conditions, encodings, and changes of the data.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};

use super::{assert_shows, sample, served};
use crate::support::served::{BROWSER, Served};

const KEPT: [&str; 7] = [
    "/",
    "/extensions?sort=published",
    "/search?q=aws",
    "/provider/aws",
    "/provider/aws/versions",
    "/provider/aws/feed.atom",
    "/api",
];

#[tokio::test]
async fn the_same_data_is_rendered_once() {
    let served = served().await;
    for path in KEPT {
        let first = served.visit(path).await;
        assert_eq!(first.header("cache-status"), "extension-registry; fwd=miss", "{path}");
        assert_eq!(first.header("cache-control"), "public, no-cache", "{path}");
        let again = served.visit(path).await;
        assert_eq!(again.header("cache-status"), "extension-registry; hit", "{path}");
        assert!(first.body == again.body, "{path}");
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with("W/\""), "{path}: {etag}");
        let headers = [("host", "x"), ("accept", BROWSER), ("if-none-match", &*etag)];
        let known = served.visit_with(path, &headers).await;
        assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!(known.header("etag"), etag, "{path}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let served = served().await;
    let client = registry_testing::http::client_builder().build().unwrap();
    for path in KEPT.into_iter().chain(["/status", "/robots.txt"]) {
        let url = format!("{}{path}", served.base);
        let send = |method| client.request(method, &url).header("accept", BROWSER).send();
        let (get, head) = (send(Method::GET).await.unwrap(), send(Method::HEAD).await.unwrap());
        assert_eq!((get.status(), head.status()), (StatusCode::OK, StatusCode::OK), "{path}");
        for name in ["content-type", "etag", "content-security-policy"] {
            assert_eq!(get.headers().get(name), head.headers().get(name), "{path} {name}");
        }
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn pages_are_compressed_for_clients_that_accept_it() {
    let served = served().await;
    for coding in ["br", "zstd", "gzip"] {
        let headers = [("host", "x"), ("accept", BROWSER), ("accept-encoding", coding)];
        let got = served.visit_with("/extensions", &headers).await;
        assert_eq!(got.header("content-encoding"), coding);
        assert!(got.header("vary").contains("accept-encoding"));
    }
}

#[tokio::test]
async fn a_change_is_shown_at_once() {
    let backend = sample();
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    for path in ["/", "/extensions", "/provider/aws", "/provider/aws/versions"] {
        assert!(!served.visit(path).await.text().contains("7.7.7"), "{path}");
    }
    let at = "2026-02-01T00:00:00Z".parse().ok();
    backend.publish(&id("provider/aws"), tag("7.7.7"), about("New words", &[]), "new");
    backend.date(&id("provider/aws"), &tag("7.7.7"), at);
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    for path in ["/", "/extensions", "/provider/aws", "/provider/aws/versions"] {
        assert_shows(path, &served.visit(path).await.text(), &["7.7.7"]);
    }
}

#[tokio::test]
async fn a_kept_page_asks_no_backend() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served.visit("/provider/aws").await;
    let before = backend.questions();
    for path in ["/", "/extensions", "/provider/aws", "/provider/aws", "/provider/aws/versions"] {
        assert_eq!(served.visit(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(backend.questions(), before);
}
