//! Manifests that publishers stored as files of their releases.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use registry_core::error::Error;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use reqwest::StatusCode;
use serde_json::json;

use crate::pull::stock::Stock;
use crate::pull::{REPOSITORY, code};
use crate::support::served::Served;

const ARCHIVE: &[u8] = b"provider/aws:1.0.0@gitea";
const README: &[u8] = b"# aws";

fn manifest(archive: &[u8]) -> Bytes {
    let manifest = json!({
        "schemaVersion": 2,
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
             "digest": Digest::sha256(archive).to_string(), "size": archive.len()},
            {"mediaType": "text/markdown", "digest": Digest::sha256(README).to_string(),
             "size": README.len(), "annotations": {"org.opencontainers.image.title": "README.md"}},
        ],
    });
    manifest.to_string().into()
}

fn stock() -> Stock {
    let stock = Stock::of_releases(BackendId::GITEA, &["provider/aws:1.0.0"]);
    stock.put_beside("1.0.0", "aws.tar.gz.manifest.json", manifest(ARCHIVE));
    stock.put_beside("1.0.0", "README.md", README);
    stock
}

#[tokio::test]
async fn the_manifest_of_the_publisher_costs_one_small_read() {
    let stock = stock();
    stock.published.lock().insert("1.0.0".to_owned(), Ok(manifest(ARCHIVE)));
    let stock = Arc::new(stock);
    let served = Served::over(vec![stock.clone()]).await;
    let path = format!("{REPOSITORY}/manifests/1.0.0");
    for _ in 0..3 {
        assert_eq!(served.visit(&path).await.body, manifest(ARCHIVE));
    }
    assert_eq!(stock.published_reads.load(Ordering::SeqCst), 1);
    assert_eq!(stock.opens.load(Ordering::SeqCst), 0, "the archive is not needed");
    let digest = Digest::sha256(&manifest(ARCHIVE));
    let by_digest = served.visit(&format!("{REPOSITORY}/manifests/{digest}")).await;
    assert_eq!(by_digest.body, manifest(ARCHIVE));
    for bytes in [ARCHIVE, README] {
        let digest = Digest::sha256(bytes);
        let got = served.visit(&format!("{REPOSITORY}/blobs/{digest}")).await;
        assert_eq!((got.status, &*got.body), (StatusCode::OK, bytes));
    }
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_now_is_no_reason_to_make_another() {
    let stock = stock();
    let down = Error::unavailable("status 500", Duration::from_secs(1));
    stock.published.lock().insert("1.0.0".to_owned(), Err(down));
    let stock = Arc::new(stock);
    let served = Served::over(vec![stock.clone()]).await;
    let path = format!("{REPOSITORY}/manifests/1.0.0");
    assert_eq!(code(&served.visit(&path).await), (503, "UNKNOWN".to_owned()));
    stock.published.lock().insert("1.0.0".to_owned(), Ok(manifest(ARCHIVE)));
    assert_eq!(served.visit(&path).await.body, manifest(ARCHIVE));
    assert_eq!(stock.opens.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_a_valid_manifest_one_is_made() {
    let stock = Arc::new(stock());
    let served = Served::over(vec![stock.clone()]).await;
    let got = served.visit(&format!("{REPOSITORY}/manifests/1.0.0")).await;
    assert_eq!(got.json()["layers"][0]["digest"], Digest::sha256(ARCHIVE).to_string());
    assert_eq!(stock.published_reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_archive_that_is_not_what_the_manifest_says_is_not_served() {
    let stock = stock();
    let wrong: &[u8] = b"provider/aws:1.0.0@other";
    stock.published.lock().insert("1.0.0".to_owned(), Ok(manifest(wrong)));
    let served = Served::over(vec![Arc::new(stock)]).await;
    let path = format!("{REPOSITORY}/manifests/1.0.0");
    assert_eq!(served.visit(&path).await.body, manifest(wrong));
    let got = served.visit(&format!("{REPOSITORY}/blobs/{}", Digest::sha256(wrong))).await;
    assert_eq!(code(&got), (502, "UNKNOWN".to_owned()));
}
