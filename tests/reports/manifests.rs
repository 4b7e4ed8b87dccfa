//! Manifests among the files of a Gitea release, as the service shows them.

use std::collections::BTreeMap;

use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::{OciLayer, OciManifest, layer_type};
use registry_core::models::scope::Scope;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;
use registry_testing::ids::id;
use serde_json::{Value, json};

use super::gitea;
use crate::support::served::Served;

const ARCHIVE: &str = "x_prov.tar.gz";
const MANIFEST: &str = "x_prov.tar.gz.manifest.json";
const BYTES: &[u8] = b"the archive";

fn manifest(of: &[u8]) -> Vec<u8> {
    let archive = OciLayer {
        media_type: layer_type(ARCHIVE).unwrap().to_owned(),
        digest: Digest::sha256(of),
        size: of.len() as u64,
        title: "x-1.0.0.tar.gz".to_owned(),
    };
    let text = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    let annotations = BTreeMap::from([
        text("org.opencontainers.image.description", "from the manifest"),
        text("org.opencontainers.image.licenses", "Apache-2.0"),
        text("io.artifacthub.package.changes", "notes of the manifest"),
    ]);
    OciManifest { layers: vec![archive], annotations }.to_bytes()
}

async fn with(manifest: &[u8], sum: Option<&[u8]>) -> FakeGitea {
    let mut state = State::empty();
    state.create("x_prov", "of the repository");
    let sum = sum.map(|of| format!("{}  {ARCHIVE}\n", Digest::sha256(of).hex()));
    let mut files = vec![(ARCHIVE, BYTES), (MANIFEST, manifest)];
    files.extend(sum.as_deref().map(|sum| ("SHA256SUMS", sum.as_bytes())));
    state.publish("x_prov", "1.0.0", &files);
    state.publish("x_prov", "1.1.0", &files);
    FakeGitea::start(state).await
}

async fn served(fake: &FakeGitea) -> Served {
    let served = Served::over(vec![gitea(fake)]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served
}

async fn read_again(served: &Served) {
    served.catalog.reader.refresh(&id("provider/x"), Scope::All).await.unwrap();
    served.catalog.store.published().await;
}

async fn metadata(served: &Served, version: &str) -> Value {
    served.get(&format!("/extensions/provider/x/{version}/metadata")).await.json()
}

async fn faults(served: &Served) -> Value {
    served.get("/health").await.json()["backends"]["gitea"]["faults"].clone()
}

/// The digest of the manifest in the catalog's record of a release.
fn recorded(served: &Served, version: &str) -> Option<Digest> {
    let view = served.catalog.store.view();
    let entry = view.get(&id("provider/x"), Scope::All).unwrap();
    let mut releases = entry.extension.all_releases();
    releases.find(|one| one.tag.as_str() == version).unwrap().manifest_digest.clone()
}

#[tokio::test]
async fn a_manifest_is_shown_and_its_digest_recorded() {
    let bytes = manifest(BYTES);
    let fake = with(&bytes, None).await;
    let served = served(&fake).await;
    let listed = served.get("/extensions/provider/x").await.json();
    assert_eq!(listed["description"], "from the manifest", "{listed}");
    for version in ["1.0.0", "1.1.0"] {
        assert_eq!(recorded(&served, version), None, "it was not read alone yet");
        let told = metadata(&served, version).await;
        assert_eq!(told["description"], "from the manifest");
        assert_eq!(told["license"], "Apache-2.0");
        assert_eq!(told["notes"], "notes of the manifest");
        assert_eq!(told["manifest_digest"], Digest::sha256(&bytes).to_string());
        assert_eq!(told["digest"], Digest::sha256(BYTES).to_string());
        served.catalog.store.published().await;
        assert_eq!(recorded(&served, version), Some(Digest::sha256(&bytes)));
    }
    read_again(&served).await;
    assert_eq!(recorded(&served, "1.0.0"), Some(Digest::sha256(&bytes)), "a sweep keeps it");
    assert_eq!(faults(&served).await, json!([]));
    let got = served.get("/extensions/provider/x/1.0.0").await;
    assert_eq!((got.status.as_u16(), got.text().as_bytes()), (200, BYTES));
}

#[tokio::test]
async fn an_invalid_manifest_is_a_fault_until_its_file_is_replaced() {
    let fake = with(b"<html>", None).await;
    let served = served(&fake).await;
    let told = faults(&served).await.to_string();
    assert!(
        told.contains("1.1.0: the manifest x_prov.tar.gz.manifest.json is no manifest"),
        "{told}"
    );
    assert!(!told.contains("1.0.0:"), "it was not read: {told}");
    let shown = metadata(&served, "1.0.0").await;
    assert_eq!(
        (&shown["description"], &shown["manifest_digest"]),
        (&json!("of the repository"), &Value::Null)
    );
    let told = faults(&served).await.to_string();
    assert!(told.contains("1.0.0: the manifest"), "{told}");
    fake.edit(|state| {
        let good = manifest(BYTES);
        state.repository_mut("x_prov").releases.clear();
        for version in ["1.0.0", "1.1.0"] {
            state.publish("x_prov", version, &[(ARCHIVE, BYTES), (MANIFEST, &good)]);
        }
    });
    read_again(&served).await;
    assert_eq!(faults(&served).await, json!([]));
}

#[tokio::test]
async fn a_manifest_that_the_checksum_contradicts_is_a_fault() {
    let fake = with(&manifest(b"another arc"), Some(BYTES)).await;
    let served = served(&fake).await;
    let shown = metadata(&served, "1.0.0").await;
    assert_eq!(shown["manifest_digest"], Value::Null);
    assert_eq!(shown["digest"], Digest::sha256(BYTES).to_string(), "the checksum goes first");
    let told = faults(&served).await.to_string();
    assert!(told.contains("names the digest"), "{told}");
    let got = served.get("/extensions/provider/x/1.0.0").await;
    assert_eq!((got.status.as_u16(), got.text().as_bytes()), (200, BYTES));
}

#[tokio::test]
async fn a_manifest_that_lies_is_found_out_by_the_download() {
    let fake = with(&manifest(b"another arc"), None).await;
    let served = served(&fake).await;
    let got = served.get("/extensions/provider/x/1.0.0").await;
    assert_eq!(got.status.as_u16(), 502, "as with a wrong checksum: {}", got.text());
}
