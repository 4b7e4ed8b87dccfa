//! Manifests of releases that no registry stores: what they cost, and that they stay the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::{join, join_all};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::pull::stock::Stock;
use crate::pull::{REPOSITORY, code, head};
use crate::support::served::{Served, Setup};

const RELEASES: [&str; 3] = ["provider/aws:v1.0.0", "provider/aws:v1.1.0", "provider/aws:v1.2.0"];

fn stock() -> Stock {
    Stock::of_releases(BackendId::GITEA, &RELEASES)
}

async fn with_store(stock: &Arc<Stock>, dir: &std::path::Path) -> Served {
    let setup = Setup { store: Some((dir.to_owned(), u64::MAX)), ..Setup::default() };
    Served::with(vec![stock.clone()], setup).await
}

/// Waits until so many archives were asked for.
async fn opened(stock: &Stock, count: usize) {
    while stock.opens.load(Ordering::SeqCst) < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lists_cost_no_archive() {
    let stock = Arc::new(stock());
    let served = Served::over(vec![stock.clone()]).await;
    let tags = served.visit(&format!("{REPOSITORY}/tags/list")).await;
    assert_eq!(tags.json()["tags"], json!(["1.0.0", "1.1.0", "1.2.0"]));
    assert_eq!(served.visit("/v2/_catalog").await.status, StatusCode::OK);
    assert_eq!(stock.opens.load(Ordering::SeqCst), 0);
    assert_eq!(stock.versions.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_thousand_first_questions_fetch_one_archive() {
    for has_store in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let stock = Arc::new(Stock { gate: Some(Semaphore::new(0)), ..stock() });
        let served = if has_store {
            with_store(&stock, dir.path()).await
        } else {
            Served::over(vec![stock.clone()]).await
        };
        let path = format!("{REPOSITORY}/manifests/1.2.0");
        let heads = (0..1000).map(|at| {
            let method = if at % 2 == 0 { Method::HEAD } else { Method::GET };
            head(&served, method, &path)
        });
        let gate = async {
            // All are polled, and so wait, before the archive is there.
            opened(&stock, 1).await;
            stock.gate.as_ref().unwrap().add_permits(1000);
        };
        let (heads, ()) = join(join_all(heads), gate).await;
        let digests: Vec<String> = heads
            .into_iter()
            .map(|got| {
                assert_eq!(got.status, StatusCode::OK);
                got.header("docker-content-digest").to_owned()
            })
            .collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]));
        assert_eq!(stock.opens.load(Ordering::SeqCst), 1);
        let again = served.visit(&path).await;
        assert_eq!(again.header("docker-content-digest"), digests[0]);
        let layer = again.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
        let blob = served.visit(&format!("{REPOSITORY}/blobs/{layer}")).await;
        assert_eq!(blob.text(), "provider/aws:v1.2.0@gitea");
        let opens = stock.opens.load(Ordering::SeqCst);
        assert_eq!(opens, if has_store { 1 } else { 2 }, "the blob is in the store");
    }
}

#[tokio::test]
async fn a_restart_and_a_second_replica_make_the_same_bytes() {
    let mut bodies = Vec::new();
    for prefix in ["", "other-name-of-the-file-"] {
        let stock = Stock { prefix: prefix.to_owned(), ..stock() };
        let served = Served::over(vec![Arc::new(stock)]).await;
        bodies.push(served.visit(&format!("{REPOSITORY}/manifests/1.1.0")).await.body);
    }
    assert_eq!(bodies[0], bodies[1]);
    assert!(String::from_utf8_lossy(&bodies[0]).contains("aws-1.1.0.tar.gz"));
}

#[tokio::test]
async fn an_edited_description_changes_no_digest() {
    let stock = Arc::new(stock());
    let served = Served::over(vec![stock.clone()]).await;
    let path = format!("{REPOSITORY}/manifests/1.2.0");
    let before = served.visit(&path).await.header("docker-content-digest").to_owned();
    let edited = about("edited", &["new"]);
    stock.inner.publish(&id("provider/aws"), tag("v1.2.0"), edited, "provider/aws:v1.2.0@gitea");
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served.catalog.store.published().await;
    let shown = served.get("/extensions/provider/aws").await;
    assert_eq!(shown.json()["description"], "edited");
    let after = served.visit(&path).await;
    assert_eq!(after.header("docker-content-digest"), before);
    let by_digest = served.visit(&format!("{REPOSITORY}/manifests/{before}")).await;
    assert_eq!(by_digest.body, after.body);
}

#[tokio::test]
async fn known_manifests_and_stored_blobs_outlive_their_backend() {
    let dir = tempfile::tempdir().unwrap();
    let stock = Arc::new(stock());
    let served = with_store(&stock, dir.path()).await;
    let known = format!("{REPOSITORY}/manifests/1.2.0");
    let manifest = served.visit(&known).await;
    let layer = manifest.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
    served.artifacts.settle().await;
    stock.fail(true);
    let _ = served.catalog.syncer.sync(Scope::All).await;
    let digest = manifest.header("docker-content-digest");
    for path in [&known, &format!("{REPOSITORY}/manifests/{digest}")] {
        assert_eq!(served.visit(path).await.body, manifest.body, "{path}");
    }
    let blob = served.visit(&format!("{REPOSITORY}/blobs/{layer}")).await;
    assert_eq!(blob.text(), "provider/aws:v1.2.0@gitea");
    let unknown = served.visit(&format!("{REPOSITORY}/manifests/1.0.0")).await;
    assert_eq!(code(&unknown), (503, "UNKNOWN".to_owned()));
    assert!(!unknown.header("retry-after").is_empty());
    let absent = Digest::sha256(b"absent");
    let unknown = served.visit(&format!("{REPOSITORY}/manifests/{absent}")).await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE, "it may be of another version");
}

#[tokio::test]
async fn an_unknown_digest_reads_two_versions_and_is_no_guess() {
    let stock = Arc::new(stock());
    let served = Served::over(vec![stock.clone()]).await;
    let absent = Digest::sha256(b"absent");
    for (kind, expected) in [("manifests", "MANIFEST_UNKNOWN"), ("blobs", "BLOB_UNKNOWN")] {
        let path = format!("{REPOSITORY}/{kind}/{absent}");
        if kind == "manifests" {
            let first = served.visit(&path).await;
            assert_eq!(code(&first), (503, "UNKNOWN".to_owned()), "one is not read");
            assert!(!first.header("retry-after").is_empty());
            assert_eq!(stock.opens.load(Ordering::SeqCst), 2);
        }
        let second = served.visit(&path).await;
        assert_eq!(code(&second), (404, expected.to_owned()), "all are read");
        assert_eq!(stock.opens.load(Ordering::SeqCst), 3);
    }
    let other = Digest::sha256(b"provider/aws:v1.0.0@gitea");
    let blob = served.visit(&format!("{REPOSITORY}/blobs/{other}")).await;
    assert_eq!(blob.text(), "provider/aws:v1.0.0@gitea");
}

#[tokio::test]
async fn head_of_a_blob_fetches_nothing() {
    let stock = Arc::new(stock());
    let served = Served::over(vec![stock.clone()]).await;
    let digest = Digest::sha256(b"provider/aws:v1.2.0@gitea");
    let path = format!("{REPOSITORY}/blobs/{digest}");
    let unknown = head(&served, Method::HEAD, &path).await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stock.opens.load(Ordering::SeqCst), 0);
    served.visit(&format!("{REPOSITORY}/manifests/1.2.0")).await;
    let known = head(&served, Method::HEAD, &path).await;
    assert_eq!((known.status, known.header("content-length")), (StatusCode::OK, "25"));
    assert_eq!(stock.opens.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn fetches_have_four_places_and_then_clients_retry() {
    let tags = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"];
    let releases = tags.map(|tag| format!("provider/aws:{tag}"));
    let releases: Vec<&str> = releases.iter().map(String::as_str).collect();
    let stock = Stock::of_releases(BackendId::GITEA, &releases);
    let stock = Arc::new(Stock { gate: Some(Semaphore::new(0)), ..stock });
    let served = Served::over(vec![stock.clone()]).await;
    let paths = tags.map(|tag| format!("{REPOSITORY}/manifests/{tag}"));
    let waiting = join_all(paths[..4].iter().map(|path| served.visit(path)));
    let refused = async {
        opened(&stock, 4).await;
        for path in &paths[4..] {
            let refused = served.visit(path).await;
            assert_eq!(code(&refused), (503, "UNKNOWN".to_owned()));
            assert_eq!(refused.header("retry-after"), "1");
        }
        assert_eq!(stock.opens.load(Ordering::SeqCst), 4);
        stock.gate.as_ref().unwrap().add_permits(100);
    };
    let (waited, ()) = join(waiting, refused).await;
    assert!(waited.iter().all(|got| got.status == StatusCode::OK));
    for path in &paths[4..] {
        assert_eq!(served.visit(path).await.status, StatusCode::OK, "a place is free again");
    }
}

#[tokio::test]
async fn an_archive_that_was_replaced_keeps_its_manifest_while_it_is_stored() {
    for has_store in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let stock = Arc::new(stock());
        let served = if has_store {
            with_store(&stock, dir.path()).await
        } else {
            Served::over(vec![stock.clone()]).await
        };
        let path = format!("{REPOSITORY}/manifests/1.2.0");
        let first = served.visit(&path).await;
        served.artifacts.settle().await;
        stock.inner.publish(&id("provider/aws"), tag("v1.2.0"), about("x", &[]), "other bytes");
        served.catalog.syncer.sync(Scope::All).await.unwrap();
        served.catalog.store.published().await;
        let now = served.visit(&path).await;
        if has_store {
            assert_eq!(now.body, first.body);
        } else {
            assert_eq!(code(&now), (404, "MANIFEST_UNKNOWN".to_owned()));
            let detail = &now.json()["errors"][0]["detail"];
            let archive = Digest::sha256(b"provider/aws:v1.2.0@gitea").to_string();
            assert_eq!(detail["first"], archive);
        }
    }
}
