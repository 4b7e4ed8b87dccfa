//! Which version a range picks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use registry_core::models::backend_id::BackendId;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::served::Served;

const RELEASES: [&str; 6] = [
    "provider/aws:1.2.0",
    "provider/aws:v1.10",
    "provider/aws:2.0.0-rc.1",
    "provider/aws:nightly",
    "provider/aws:18446744073709551616.0.0",
    "taskserv/next:nightly",
];

async fn served() -> Served {
    let other = memory(BackendId::OCI, &["provider/aws:9.0.0"]);
    Served::over(vec![memory(BackendId::LOCAL, &RELEASES), other]).await
}

#[tokio::test]
async fn the_highest_match_is_told_with_its_digest() {
    let served = served().await;
    let versions = served.get("/extensions/provider/aws/versions").await.json();
    for (query, tag) in [
        ("constraint=^1.2", "v1.10"),
        ("constraint=1", "v1.10"),
        ("constraint=%3E%3D1.2,%20%3C1.10", "1.2.0"),
        ("constraint=%20=1.2.0%20", "1.2.0"),
        ("constraint=*&prerelease=false", "v1.10"),
        ("constraint=*&prerelease=true", "2.0.0-rc.1"),
        ("constraint=*&source=oci", "9.0.0"),
    ] {
        let got = served.get(&format!("/extensions/provider/AWS/resolve?{query}")).await;
        assert_eq!((got.status, &got.json()["tag"]), (StatusCode::OK, &json!(tag)), "{query}");
        assert!(got.json()["digest"].as_str().unwrap().starts_with("sha256:"), "{query}");
        if !query.contains("source") {
            assert!(versions.as_array().unwrap().contains(&got.json()), "the same Version JSON");
        }
    }
}

#[tokio::test]
async fn without_a_match_the_nearest_is_named() {
    let served = served().await;
    let none = "Extension provider/aws has no version that matches";
    for (path, message) in [
        ("provider/aws/resolve?constraint=^3", format!("{none} ^3; the nearest is 1.10")),
        ("provider/aws/resolve?constraint=%3C1", format!("{none} <1; the nearest is 1.2.0")),
        (
            "provider/aws/resolve?constraint=%3D2.0.0-rc.1",
            format!(
                "{none} =2.0.0-rc.1; the nearest is 2.0.0-rc.1, a pre-release, which \
                 prerelease=true admits"
            ),
        ),
        (
            "taskserv/next/resolve?constraint=*",
            "Extension taskserv/next has no version that matches *; no other version is near"
                .to_owned(),
        ),
        ("provider/gcp/resolve?constraint=*", "Extension provider/gcp not found".to_owned()),
    ] {
        let got = served.get(&format!("/extensions/{path}")).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(got.json(), json!({"error": "not_found", "message": message}));
    }
}

#[tokio::test]
async fn a_digest_that_is_known_asks_nobody() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    let served = Served::over(vec![backend.clone()]).await;
    let path = "/extensions/provider/aws/resolve?constraint=^1";
    let first = served.get(path).await;
    assert_eq!(first.header("cache-status"), "extension-registry; fwd=miss");
    backend.down.store(true, Ordering::SeqCst);
    let second = served.get(path).await;
    assert_eq!((second.status, &second.body), (StatusCode::OK, &first.body));
    assert_eq!(second.header("cache-status"), "extension-registry; hit");
    assert_eq!(backend.versions.load(Ordering::SeqCst), 0);
    let released = served.get("/extensions/provider/aws/resolve?constraint=2").await;
    assert_eq!(released.status, StatusCode::SERVICE_UNAVAILABLE, "there may be one by now");
}

#[tokio::test]
async fn a_range_that_nothing_lies_in_is_asked_for_once() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    let served = Served::over(vec![backend.clone()]).await;
    served.get("/extensions").await;
    let before = backend.asked().extensions;
    for _ in 0..10 {
        let got = served.get("/extensions/provider/aws/resolve?constraint=^3").await;
        assert_eq!(got.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(backend.asked().extensions, before + 1, "the no is remembered");
}
