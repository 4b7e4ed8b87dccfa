//! What a backend stores is passed through byte for byte.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::pull::stock::Stock;
use crate::pull::{REPOSITORY, code, head};
use crate::support::served::{Served, Setup};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A backend with an index of one child, whose layer is not the archive of a release.
fn stock() -> (Stock, [Digest; 3]) {
    let stock = Stock::of_manifests(BackendId::OCI, &["provider/aws:1.0.0", "provider/aws:1.1.0"]);
    let layer = stock.store_blob("a layer of an image");
    let child = format!("{{ \"layers\": [ {{\"digest\":\"{layer}\",\"size\":19}} ]\n}}");
    let child = stock.store("child", child, MANIFEST);
    let index = format!("{{\"manifests\":[{{\"digest\":\"{child}\",\"size\":2}}] }}");
    let index = stock.store("1.0.0", index, INDEX);
    stock.store("1.1.0", "{\"not\":\"ours\"}", "application/x.other+json");
    (stock, [index, child, layer])
}

#[tokio::test]
async fn stored_bytes_are_not_changed_and_asked_for_once() {
    let (stock, [index, child, layer]) = stock();
    let stock = Arc::new(stock);
    let served = Served::over(vec![stock.clone()]).await;
    for (reference, media_type) in [
        ("1.0.0".to_owned(), INDEX),
        (index.to_string(), INDEX),
        (child.to_string(), MANIFEST),
        ("1.1.0".to_owned(), "application/x.other+json"),
        ("latest".to_owned(), "application/x.other+json"),
    ] {
        for _ in 0..2 {
            let path = format!("{REPOSITORY}/manifests/{reference}");
            let got = served.visit_with(&path, &[("host", "x"), ("accept", "text/html")]).await;
            assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, media_type));
            let digest = Digest::sha256(&got.body).to_string();
            assert_eq!(got.header("docker-content-digest"), digest, "{reference}");
            let head = head(&served, Method::HEAD, &path).await;
            assert_eq!(head.header("docker-content-digest"), digest, "{reference}");
        }
    }
    assert_eq!(stock.manifest_reads.load(Ordering::SeqCst), 3, "three different manifests");
    let blob = format!("{REPOSITORY}/blobs/{layer}");
    let known = head(&served, Method::HEAD, &blob).await;
    assert_eq!(known.header("content-length"), "19");
    assert_eq!(stock.blob_reads.load(Ordering::SeqCst), 0, "the manifest says the size");
    assert_eq!(served.visit(&blob).await.text(), "a layer of an image");
    let part = served.visit_with(&blob, &[("host", "x"), ("range", "bytes=2-6")]).await;
    assert_eq!((part.status, part.text().as_str()), (StatusCode::PARTIAL_CONTENT, "layer"));
    let outside = served.visit_with(&blob, &[("host", "x"), ("range", "bytes=19-")]).await;
    assert_eq!(code(&outside), (416, "RANGE_INVALID".to_owned()));
    assert_eq!(outside.header("content-range"), "bytes */19");
}

#[tokio::test]
async fn made_up_digests_cost_the_backend_little() {
    let (stock, _) = stock();
    let stock = Arc::new(stock);
    let served = Served::over(vec![stock.clone()]).await;
    let mut statuses = Vec::new();
    for at in 0..40_u32 {
        let digest = Digest::sha256(&at.to_be_bytes());
        for kind in ["manifests", "blobs", "referrers"] {
            let got = served.visit(&format!("{REPOSITORY}/{kind}/{digest}")).await;
            statuses.push(got.status);
        }
    }
    let reads = [&stock.manifest_reads, &stock.blob_reads, &stock.referrer_reads];
    let reads: usize = reads.map(|counter| counter.load(Ordering::SeqCst)).iter().sum();
    assert!(reads <= 20, "{reads} questions");
    assert!(statuses.contains(&StatusCode::NOT_FOUND));
    assert!(statuses.contains(&StatusCode::SERVICE_UNAVAILABLE), "never guessed");
    let again = format!("{REPOSITORY}/manifests/{}", Digest::sha256(&0_u32.to_be_bytes()));
    assert_eq!(code(&served.visit(&again).await), (404, "MANIFEST_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn content_of_a_shadowed_backend_is_not_to_be_had() {
    let (stock, [index, child, layer]) = stock();
    let owner = Stock::of_releases(BackendId::GITEA, &["provider/aws:1.0.0"]);
    let owner = Stock { hides_digests: false, ..owner };
    let served = Served::over(vec![Arc::new(owner), Arc::new(stock)]).await;
    assert_eq!(
        served.visit(&format!("{REPOSITORY}/tags/list")).await.json()["tags"],
        json!(["1.0.0"])
    );
    let archive = Digest::sha256(b"provider/aws:1.1.0@oci");
    for (kind, digest) in
        [("manifests", &index), ("manifests", &child), ("blobs", &layer), ("blobs", &archive)]
    {
        let got = served.visit(&format!("{REPOSITORY}/{kind}/{digest}")).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{kind} {digest}");
    }
}

#[tokio::test]
async fn a_union_passes_or_makes_each_version() {
    let (stock, [index, ..]) = stock();
    let gitea = Stock::of_releases(BackendId::GITEA, &["provider/aws:2.0.0"]);
    let setup = Setup { merge: registry_catalog::Merge::Union, ..Setup::default() };
    let served = Served::with(vec![Arc::new(gitea), Arc::new(stock)], setup).await;
    let tags = served.visit(&format!("{REPOSITORY}/tags/list")).await;
    assert_eq!(tags.json()["tags"], json!(["1.0.0", "1.1.0", "2.0.0"]));
    let passed = served.visit(&format!("{REPOSITORY}/manifests/1.0.0")).await;
    assert_eq!(passed.header("docker-content-digest"), index.to_string());
    let made = served.visit(&format!("{REPOSITORY}/manifests/2.0.0")).await;
    let layer = made.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(layer, Digest::sha256(b"provider/aws:2.0.0@gitea").to_string());
    for digest in [made.header("docker-content-digest"), &index.to_string()] {
        let got = served.visit(&format!("{REPOSITORY}/manifests/{digest}")).await;
        assert_eq!(got.status, StatusCode::OK, "{digest}");
    }
}

#[tokio::test]
async fn a_moved_tag_is_seen_as_soon_as_the_api_sees_it() {
    let (stock, [before, ..]) = stock();
    let stock = Arc::new(stock);
    let served = Served::over(vec![stock.clone()]).await;
    let path = format!("{REPOSITORY}/manifests/1.0.0");
    let digest = async || served.visit(&path).await.header("docker-content-digest").to_owned();
    assert_eq!(digest().await, before.to_string());
    let after = stock.store("1.0.0", "{\"moved\":1}", MANIFEST);
    assert_eq!(digest().await, before.to_string(), "not read again yet");
    served.catalog.reader.refresh(&"provider/aws".parse().unwrap(), Scope::All).await.unwrap();
    assert_eq!(digest().await, after.to_string());
}

#[tokio::test]
async fn referrers_are_those_of_the_backend_and_old_while_it_fails() {
    let (stock, [index, child, _]) = stock();
    let both = json!({"manifests": [
        {"artifactType": "sig", "digest": child.to_string(), "size": 1},
        {"artifactType": "sbom", "digest": child.to_string(), "size": 2},
    ]});
    stock.referring.lock().insert(index.to_string(), both.to_string().into());
    let signature = stock.store(&format!("sha256-{}", index.hex()), "{}", INDEX);
    let stock = Arc::new(stock);
    let setup = Setup { ttl: Duration::from_millis(1), ..Setup::default() };
    let served = Served::with(vec![stock.clone()], setup).await;
    let path = format!("{REPOSITORY}/referrers/{index}");
    let all = served.visit(&path).await;
    assert_eq!(all.header("content-type"), INDEX);
    assert_eq!(all.json()["manifests"], both["manifests"]);
    assert_eq!(all.json()["schemaVersion"], 2);
    assert_eq!(all.header("oci-filters-applied"), "");
    let one = served.visit(&format!("{path}?artifactType=sbom&ns=x")).await;
    assert_eq!(one.json()["manifests"], json!([both["manifests"][1]]));
    assert_eq!(one.header("oci-filters-applied"), "artifactType");
    let absent = Digest::sha256(b"absent");
    let none = served.visit(&format!("{REPOSITORY}/referrers/{absent}")).await;
    assert_eq!((none.status, none.json()["manifests"].clone()), (StatusCode::OK, json!([])));
    for wrong in ["sha256:abc", "1.0.0", "sha512:00"] {
        let got = served.visit(&format!("{REPOSITORY}/referrers/{wrong}")).await;
        assert_eq!(code(&got), (400, "DIGEST_INVALID".to_owned()), "{wrong}");
    }
    let by_tag = format!("{REPOSITORY}/manifests/sha256-{}", index.hex());
    let fallback = served.visit(&by_tag).await;
    assert_eq!(fallback.header("docker-content-digest"), signature.to_string());
    stock.fail(true);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let old = served.visit(&path).await;
    assert_eq!(old.json()["manifests"], both["manifests"]);
    assert_eq!(old.header("extension-registry-degraded"), "oci");
}

#[tokio::test]
async fn made_manifests_have_no_referrers() {
    let stock = Arc::new(Stock::of_releases(BackendId::GITEA, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![stock.clone()]).await;
    let manifest = served.visit(&format!("{REPOSITORY}/manifests/1.0.0")).await;
    let digest = manifest.header("docker-content-digest");
    let got = served.visit(&format!("{REPOSITORY}/referrers/{digest}")).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, INDEX));
    assert_eq!(got.json()["manifests"], json!([]));
    assert_eq!(stock.referrer_reads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn sha512_digests_are_passed_through() {
    let (stock, _) = stock();
    let sha512 = format!("sha512:{}", "a".repeat(128));
    let objects = stock.objects.as_ref().unwrap();
    let bytes = bytes::Bytes::from_static(b"{\"by\":\"sha512\"}");
    objects.lock().insert(sha512.clone(), (bytes.clone(), MANIFEST.to_owned()));
    let served = Served::over(vec![Arc::new(stock)]).await;
    let got = served.visit(&format!("{REPOSITORY}/manifests/{sha512}")).await;
    assert_eq!((got.status, &*got.body), (StatusCode::OK, &*bytes));
}
