//! Whatever matches the naming and is not served has its reason: report O7.

use registry_core::models::scope::Scope;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::json;

use super::{NAME, both, layer, manifest, reasons, untitled};
use crate::oci::{backend, id};
use crate::support::served::Served;

/// A store whose one extension is not listed, and a word that its reason holds.
fn unlisted() -> Vec<(&'static str, Store, &'static str)> {
    let of = |change: &dyn Fn(&mut Store)| {
        let mut store = Store::default();
        store.blob(NAME, b"");
        change(&mut store);
        store
    };
    vec![
        (
            "no layers",
            of(&|store| drop(store.push_manifest(NAME, "1.0.0", &manifest(&[])))),
            "tag 1.0.0",
        ),
        (
            "an opaque layer",
            of(&|store| {
                let layer = untitled(store, "application/vnd.example.thing");
                store.push_manifest(NAME, "1.0.0", &manifest(&[layer]));
            }),
            "application/vnd.example.thing",
        ),
        (
            "a text",
            of(&|store| {
                let layer = layer(store, "text/plain", "notes.txt");
                store.push_manifest(NAME, "1.0.0", &manifest(&[layer]));
            }),
            "notes.txt",
        ),
        ("only latest", of(&|store| drop(store.push(NAME, "latest", b"x"))), "latest"),
        ("only hidden", of(&|store| drop(store.push(NAME, "1.0.0.sig", b"x"))), "1.0.0.sig"),
        ("only _x", of(&|store| drop(store.push(NAME, "_x", b"x"))), "_x"),
        (
            "schema 1",
            of(&|store| {
                let manifest = json!({
                    "schemaVersion": 1, "name": NAME, "tag": "1.0.0", "architecture": "amd64",
                    "fsLayers": [{"blobSum": "sha256:0"}], "history": [],
                });
                store.push_manifest(NAME, "1.0.0", &manifest);
            }),
            "schema 1",
        ),
        (
            "an artifact manifest",
            of(&|store| {
                let manifest = json!({
                    "mediaType": "application/vnd.oci.artifact.manifest.v1+json",
                    "artifactType": "application/vnd.example",
                    "blobs": [{"mediaType": "application/gzip", "digest": "sha256:0", "size": 1}],
                });
                store.push_manifest(NAME, "1.0.0", &manifest);
            }),
            "blobs",
        ),
        ("no tag", of(&|_| ()), ""),
    ]
}

#[tokio::test]
async fn o07_every_repository_that_is_not_listed_has_its_reason() {
    for (what, store, word) in unlisted() {
        for extension in both(&store).await {
            assert!(extension.releases().is_empty(), "{what}");
            let faults = reasons(&extension);
            assert!(faults.contains(word), "{what}: {word:?} is not in {faults:?}");
        }
    }
}

#[tokio::test]
async fn o07b_health_tells_it_and_forgets_it_once_mended() {
    for (what, store, word) in unlisted() {
        let store = std::sync::Arc::new(parking_lot::Mutex::new(store));
        let played = std::sync::Arc::clone(&store);
        let server = ScriptedRegistry::start(move |seen| {
            PlayedRegistry::new(Dialect::Zot, played.lock().clone()).answer(seen)
        })
        .await;
        let served = Served::over(vec![std::sync::Arc::new(backend(&server.url()))]).await;
        served.catalog.syncer.sync(Scope::All).await.unwrap();
        let health = served.get("/health").await.json();
        let faults = &health["backends"]["oci"]["faults"];
        let word = if word.is_empty() { "it has no release" } else { word };
        assert!(faults.to_string().contains(word), "{what}: {faults}");
        store.lock().push(NAME, "1.0.0", b"archive");
        served.catalog.reader.refresh(&id("aws-provider"), Scope::All).await.unwrap();
        assert_eq!(served.get("/extensions").await.column("name"), ["aws"], "{what}");
    }
}

#[tokio::test]
async fn o07c_reasons_are_bounded() {
    let mut store = Store::default();
    for number in 0..300 {
        store.push_manifest(NAME, &format!("1.0.{number}"), &manifest(&[]));
        store.push(NAME, &format!("_{number}"), b"x");
    }
    for extension in both(&store).await {
        assert!(extension.faults().len() <= 22, "{}", extension.faults().len());
        let length = reasons(&extension).len();
        assert!(length < 20 * 600, "{length}");
    }
}

#[tokio::test]
async fn o07d_what_is_not_served_beside_what_is_has_its_reason_too() {
    let mut store = Store::default();
    store.push(NAME, "1.0.0", b"archive");
    store.push_manifest(NAME, "2.0.0", &manifest(&[]));
    store.push(NAME, "_odd", b"x");
    store.push(NAME, "latest", b"x");
    for extension in both(&store).await {
        assert_eq!(crate::oci::versions(&extension), ["1.0.0"]);
        let faults = reasons(&extension);
        assert!(faults.contains("tag 2.0.0") && faults.contains("_odd"), "{faults}");
        assert!(!faults.contains("latest"), "{faults}");
    }
}
