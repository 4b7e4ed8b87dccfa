//! Archives: whole, in parts, and only their headers.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use registry_testing::memory::memory;
use reqwest::{Method, StatusCode};

use crate::support::layouts;
use crate::support::served::Served;

const PATH: &str = "/extensions/provider/aws/1.2.0";
const BYTES: &str = "provider/aws:1.2.0@local";

async fn served() -> Served {
    let releases = [
        "provider/aws:1.2.0",
        "provider/aws:1.0.0_build.1",
        "provider/aws:nightly",
        "provider/aws:versions",
    ];
    Served::over(vec![memory(BackendId::LOCAL, &releases)]).await
}

#[tokio::test]
async fn an_archive_comes_whole_with_all_that_is_known_of_it() {
    let got = served().await.get(PATH).await;
    assert_eq!((got.status, got.text().as_str()), (StatusCode::OK, BYTES));
    assert_eq!(got.header("content-type"), "application/octet-stream");
    assert_eq!(got.header("content-length"), BYTES.len().to_string());
    assert_eq!(got.header("accept-ranges"), "bytes");
    assert_eq!(got.header("cache-control"), "public, max-age=3600");
    assert_eq!(got.header("content-disposition"), "attachment; filename=\"aws.tar.gz\"");
    let digest = Digest::sha256(BYTES.as_bytes());
    assert_eq!(got.header("etag"), format!("\"{digest}\""));
    assert!(got.header("repr-digest").starts_with("sha-256=:"));
    assert!(got.header("repr-digest").ends_with("=:"));
}

#[tokio::test]
async fn head_tells_the_same_without_opening_it() {
    let served = served().await;
    let (get, head) = (served.get(PATH).await, served.send(Method::HEAD, PATH, &[]).await);
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    for name in ["content-length", "etag", "content-type", "repr-digest", "content-disposition"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[tokio::test]
async fn parts_are_served() {
    let served = served().await;
    for (range, expected, part) in [
        ("bytes=0-7", "provider", "bytes 0-7/24"),
        ("bytes=9-11", "aws", "bytes 9-11/24"),
        ("bytes=-5", "local", "bytes 19-23/24"),
        ("bytes=19-", "local", "bytes 19-23/24"),
    ] {
        let got = served.get_with(PATH, &[("range", range)]).await;
        assert_eq!(got.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!((got.text().as_str(), got.header("content-range")), (expected, part));
        assert_eq!(got.header("content-length"), expected.len().to_string());
    }
    let outside = served.get_with(PATH, &[("range", "bytes=24-")]).await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.header("content-range"), "bytes */24");
    assert_eq!(outside.json()["error"], "range_not_satisfiable");
    let several = served.get_with(PATH, &[("range", "bytes=0-1,3-4")]).await;
    assert_eq!((several.status, several.text().as_str()), (StatusCode::OK, BYTES));
}

#[tokio::test]
async fn a_client_goes_on_only_with_the_same_archive() {
    let served = served().await;
    let etag = served.get(PATH).await.header("etag").to_owned();
    let range = ("range", "bytes=19-");
    let same = served.get_with(PATH, &[range, ("if-range", &etag)]).await;
    assert_eq!((same.status, same.text().as_str()), (StatusCode::PARTIAL_CONTENT, "local"));
    let other = served.get_with(PATH, &[range, ("if-range", "\"other\"")]).await;
    assert_eq!((other.status, other.text().as_str()), (StatusCode::OK, BYTES));
    let has = served.get_with(PATH, &[("if-none-match", &etag)]).await;
    assert_eq!((has.status, has.body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn versions_are_named_by_tag_version_or_latest() {
    let served = served().await;
    for (path, bytes) in [
        ("/extensions/provider/aws/latest", BYTES),
        ("/extensions/provider/AWS/1.2.0", BYTES),
        ("/extensions/provider/aws/1.0.0+build.1", "provider/aws:1.0.0_build.1@local"),
        ("/extensions/provider/aws/1.0.0%2Bbuild.1", "provider/aws:1.0.0_build.1@local"),
        ("/extensions/provider/aws/1.0.0_build.1", "provider/aws:1.0.0_build.1@local"),
        ("/extensions/provider/aws/nightly", "provider/aws:nightly@local"),
        ("/extensions/provider/aws/latest?tag=versions", "provider/aws:versions@local"),
    ] {
        let got = served.get(path).await;
        assert_eq!((got.status, got.text().as_str()), (StatusCode::OK, bytes), "{path}");
    }
}

#[tokio::test]
async fn what_moves_is_not_kept() {
    let served = served().await;
    for path in ["/extensions/provider/aws/latest", "/extensions/provider/aws/nightly"] {
        assert_eq!(served.get(path).await.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_tag_with_a_slash_is_downloaded() {
    let backend = MemoryBackend::new(BackendId::GITEA);
    backend.publish(&id("provider/aws"), tag("rel/2025"), about("d", &[]), "slashed");
    let served = Served::over(vec![Arc::new(backend)]).await;
    let href = served.get("/extensions/provider/aws").await.json()["href"].clone();
    assert_eq!(href, "/api/v1/extensions/provider/aws/rel%2F2025");
    assert_eq!(served.get("/extensions/provider/aws/rel%2F2025").await.text(), "slashed");
}

#[tokio::test]
async fn an_empty_archive_is_an_archive() {
    let backend = MemoryBackend::new(BackendId::LOCAL);
    backend.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), "");
    let served = Served::over(vec![Arc::new(backend)]).await;
    let got = served.get("/extensions/provider/aws/1.0.0").await;
    assert_eq!((got.status, got.header("content-length")), (StatusCode::OK, "0"));
    let part = served.get_with("/extensions/provider/aws/1.0.0", &[("range", "bytes=0-")]).await;
    assert_eq!(part.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn bytes_that_fail_their_digest_are_an_error_and_named_in_health() {
    let dir = tempfile::tempdir().unwrap();
    layouts::publish(dir.path(), &id("provider/aws"), "1.0.0", "d", b"original bytes");
    let digest = Digest::sha256(b"original bytes");
    let blob = dir.path().join("aws-provider/blobs/sha256").join(digest.hex());
    std::fs::write(&blob, b"tampered bytes").unwrap();
    let served = Served::local(dir.path()).await;
    let got = served.get("/extensions/provider/aws/1.0.0").await;
    assert_eq!(got.status, StatusCode::BAD_GATEWAY);
    assert_eq!(got.json()["error"], "backend_error");
    assert!(!got.text().contains("tampered"));
    let health = served.get("/health").await.json();
    let fault = &health["backends"]["local"]["faults"][0];
    assert_eq!(fault["repository"], "provider/aws");
    assert!(fault["reason"].as_str().unwrap().contains("digest"), "{fault}");
}

#[tokio::test]
async fn row_09_large_bytes_that_fail_their_digest_never_arrive_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = vec![7_u8; 1_000_000];
    layouts::publish(dir.path(), &id("provider/aws"), "1.0.0", "d", &bytes);
    let blob = dir.path().join("aws-provider/blobs/sha256").join(Digest::sha256(&bytes).hex());
    bytes[999_999] = 8;
    std::fs::write(&blob, &bytes).unwrap();
    let served = Served::local(dir.path()).await;
    served.get("/extensions").await;
    let url = format!("{}/api/v1{}", served.base, "/extensions/provider/aws/1.0.0");
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err(), "the connection is cut before the last piece");
    let health = served.get("/health").await.json();
    let reason = &health["backends"]["local"]["faults"][0]["reason"];
    assert!(reason.as_str().unwrap().contains("digest"), "{health}");
}
