//! One version in full.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_testing::ids::{id, tag};
use registry_testing::memory::MemoryBackend;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::layouts;
use crate::support::served::{Served, Setup};

const PATH: &str = "/extensions/provider/aws/1.2.0/metadata";

fn backend() -> Arc<MemoryBackend> {
    let releases = ["provider/aws:v1.2.0", "provider/aws:1.1.0", "provider/aws:versions"];
    let backend = memory(BackendId::LOCAL, &releases);
    backend.write_notes(&id("provider/aws"), &tag("v1.2.0"), "# 1.2.0\r\n- faster");
    backend
}

#[tokio::test]
async fn a_version_is_told_in_full() {
    let got = Served::over(vec![backend()]).await.get(PATH).await;
    let bytes = "provider/aws:v1.2.0@local";
    let digest = Digest::sha256(bytes.as_bytes()).to_string();
    let href = "/api/v1/extensions/provider/aws/1.2.0";
    let asset = digest.replace(':', "%3A");
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(
        got.json(),
        json!({
            "name": "aws", "type": "provider", "version": "1.2.0", "tag": "v1.2.0",
            "prerelease": false, "source": "local", "backend": "local", "published_at": null, "href": href,
            "download_url": href, "size": bytes.len(), "digest": digest,
            "description": "The provider/aws", "author": null, "repository": null,
            "keywords": [], "license": null, "notes": "# 1.2.0\n- faster",
            "digest_status": "known", "manifest_digest": digest, "change": null, "pin": null,
            "assets": [{
                "id": digest, "name": "aws.tar.gz", "size": bytes.len(), "digest": digest,
                "href": format!("{href}?asset={asset}"),
            }],
        })
    );
    assert_eq!(got.header("cache-status"), "extension-registry; fwd=miss");
}

#[tokio::test]
async fn the_first_download_pins_the_archive_and_ends_the_cached_answer() {
    let served = Served::over(vec![backend()]).await;
    for expected in ["extension-registry; fwd=miss", "extension-registry; hit"] {
        let got = served.get(PATH).await;
        assert_eq!((got.header("cache-status"), &got.json()["pin"]), (expected, &json!(null)));
    }
    let revision = served.catalog.store.view().revision;
    served.get("/extensions/provider/aws/1.2.0").await;
    served.get("/extensions/provider/aws/latest?tag=versions").await;
    let metadata = served.get(PATH).await.json();
    let pin = &metadata["pin"];
    assert_eq!((&pin["file"], &pin["digest"]), (&json!("aws.tar.gz"), &metadata["digest"]));
    assert_eq!(pin["origin"], "registry");
    let since: Timestamp = pin["since"].as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(since).as_secs() < 3600, "{since}");
    assert_eq!(served.get(PATH).await.header("cache-status"), "extension-registry; hit");
    assert_eq!(served.catalog.store.view().revision, revision, "lists stay cached");
    let tag = served.get("/extensions/provider/aws/latest/metadata?tag=versions").await.json();
    assert_eq!(tag["pin"], json!(null), "a tag that is not a version has no pin");
}

#[tokio::test]
async fn its_files_are_downloaded_by_their_href() {
    let served = Served::over(vec![backend()]).await;
    for path in [PATH, "/extensions/provider/aws/latest/metadata?tag=versions&source=local"] {
        let href = served.get(path).await.json()["assets"][0]["href"].as_str().unwrap().to_owned();
        let got = served.get(href.strip_prefix("/api/v1").unwrap()).await;
        assert_eq!(got.status, StatusCode::OK, "{href}");
        assert!(got.text().ends_with("@local"), "{href}");
    }
}

#[tokio::test]
async fn versions_are_named_as_for_downloads() {
    let served =
        Served::over(vec![backend(), memory(BackendId::OCI, &["provider/aws:9.0.0"])]).await;
    for (version, tag) in [
        ("latest/metadata", "v1.2.0"),
        ("v1.2.0/metadata", "v1.2.0"),
        ("1.1.0/metadata", "1.1.0"),
        ("latest/metadata?tag=versions", "versions"),
        ("latest/metadata?source=oci", "9.0.0"),
    ] {
        let got = served.get(&format!("/extensions/provider/AWS/{version}")).await;
        assert_eq!(got.json()["tag"], tag, "{version}");
    }
    let missing = served.get("/extensions/provider/aws/3.0.0/metadata").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(missing.json()["message"], "Extension provider/aws has no version 3.0.0");
}

#[tokio::test]
async fn the_backend_is_asked_once() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    let served = Served::over(vec![backend.clone()]).await;
    let first = served.get(PATH).await;
    let second = served.get(PATH).await;
    assert_eq!(second.header("cache-status"), "extension-registry; hit");
    assert_eq!(second.header("etag"), first.header("etag"));
    assert_eq!(second.body, first.body);
    assert_eq!(backend.versions.load(Ordering::SeqCst), 1);
    let setup = Setup { metadata: false, ..Setup::default() };
    let served = Served::with(vec![backend.clone()], setup).await;
    for _ in 0..2 {
        assert_eq!(served.get(PATH).await.header("cache-status"), "extension-registry; fwd=miss");
    }
    assert_eq!(backend.versions.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_is_known_is_told_while_the_backend_is_down() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    backend.inner.write_notes(&id("provider/aws"), &tag("1.2.0"), "notes");
    let served = Served::over(vec![backend.clone()]).await;
    served.get("/extensions").await;
    backend.down.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let got = served.get(PATH).await;
        assert_eq!((got.status, &got.json()["notes"]), (StatusCode::OK, &json!(null)));
        assert_eq!(got.json()["version"], "1.2.0");
        assert_eq!(got.header("extension-registry-degraded"), "local");
        assert_eq!(got.header("cache-status"), "extension-registry; fwd=miss; detail=stale");
    }
    assert_eq!(backend.versions.load(Ordering::SeqCst), 1, "it is not asked again while it fails");
}

#[tokio::test]
async fn notes_of_a_layout_are_its_annotation() {
    let dir = tempfile::tempdir().unwrap();
    layouts::publish(dir.path(), &id("provider/aws"), "1.0.0", "d", b"bytes");
    let changes = ("io.artifacthub.package.changes", "- now with notes");
    layouts::publish_annotated(dir.path(), &id("provider/aws"), "1.2.0", changes);
    let served = Served::local(dir.path()).await;
    assert_eq!(served.get(PATH).await.json()["notes"], "- now with notes");
    let without = served.get("/extensions/provider/aws/1.0.0/metadata").await.json();
    assert_eq!(without["notes"], json!(null));
    assert!(without["manifest_digest"].as_str().unwrap().starts_with("sha256:"));
}
