//! Release notes, which a manifest's annotation holds.

use std::sync::Arc;

use parking_lot::Mutex;
use registry_core::backend::Backend as _;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::{Store, manifest_of};
use registry_testing::scripted_registry::ScriptedRegistry;

use super::{backend, id};

const REPOSITORY: &str = "provisioning/aws-provider";

fn push(store: &mut Store, tag: &str, notes: &str) {
    store.blob(REPOSITORY, b"{}");
    let layer = store.blob(REPOSITORY, b"bytes");
    let mut manifest = manifest_of(&[(layer, 5, "archive.tar.gz")]);
    manifest["annotations"]["io.artifacthub.package.changes"] = notes.into();
    store.push_manifest(REPOSITORY, tag, &manifest);
}

#[tokio::test]
async fn notes_are_told_of_one_version_and_again_when_it_is_remembered() {
    let store = Arc::new(Mutex::new(Store::default()));
    push(&mut store.lock(), "1.0.0", "- first");
    push(&mut store.lock(), "1.1.0", "- second");
    let played = Arc::clone(&store);
    let server = ScriptedRegistry::start(move |seen| {
        PlayedRegistry::new(Dialect::Zot, played.lock().clone()).answer(seen)
    })
    .await;
    let backend = backend(&server.url());
    let notes = async |tag: &str| {
        let release = backend.version(&id("aws-provider"), &tag.parse().unwrap()).await.unwrap();
        release.notes.map(|notes| notes.to_string())
    };
    for _ in 0..2 {
        assert_eq!(notes("1.0.0").await.as_deref(), Some("- first"));
        assert_eq!(notes("1.1.0").await.as_deref(), Some("- second"));
    }
    push(&mut store.lock(), "1.1.0", "- second, corrected");
    assert_eq!(notes("1.1.0").await.as_deref(), Some("- second, corrected"));
    let extension = backend.releases(&id("aws-provider")).await.unwrap();
    assert!(extension.releases().iter().all(|release| release.notes.is_none()), "not kept");
}
