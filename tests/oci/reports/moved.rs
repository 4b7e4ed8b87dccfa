//! One answer about one version is one digest: report O9.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_backends::local::backend::LocalBackend;
use registry_core::backend::Backend as _;
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;
use tempfile::TempDir;

use super::{NAME, manifest};
use crate::oci::{backend, id, versions};
use crate::support::served::{Served, Setup};

async fn play(store: Store) -> (ScriptedRegistry, Arc<Mutex<Store>>) {
    let store = Arc::new(Mutex::new(store));
    let played = Arc::clone(&store);
    let server = ScriptedRegistry::start(move |seen| {
        PlayedRegistry::new(Dialect::Distribution, played.lock().clone()).answer(seen)
    });
    (server.await, store)
}

/// A registry with 2.0.0 and then 1.0.0, behind the service.
async fn behind(setup: Setup) -> (Served, ScriptedRegistry, Arc<Mutex<Store>>) {
    let mut store = Store::default();
    store.push(NAME, "2.0.0", b"newest");
    store.push(NAME, "1.0.0", b"first");
    store.push(NAME, "1.1.0", b"untouched");
    let (server, store) = play(store).await;
    let setup = Setup { accept_changes: true, ..setup };
    let served = Served::with(vec![Arc::new(backend(&server.url()))], setup).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    (served, server, store)
}

/// The digest of 1.0.0 by each way to ask for it.
async fn digests(served: &Served, ways: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for way in ways {
        let path = "/extensions/provider/aws";
        found.push(match *way {
            "download" => {
                let got = served.get(&format!("{path}/1.0.0")).await;
                Digest::sha256(&got.body).to_string()
            }
            "metadata" => text(&served.get(&format!("{path}/1.0.0/metadata")).await.json()),
            "resolve" => {
                text(&served.get(&format!("{path}/resolve?constraint==1.0.0")).await.json())
            }
            _ => {
                let rows = served.get(&format!("{path}/versions")).await.json();
                let rows = rows.as_array().unwrap();
                text(rows.iter().find(|row| row["version"] == "1.0.0").unwrap())
            }
        });
    }
    found
}

fn text(row: &serde_json::Value) -> String {
    row["digest"].as_str().unwrap_or_else(|| panic!("no digest: {row}")).to_owned()
}

fn all_are(found: &[String], bytes: &[u8]) -> bool {
    let digest = Digest::sha256(bytes).to_string();
    found.iter().all(|found| *found == digest)
}

/// Whether nothing of these bytes follows once something else was answered.
fn never_goes_back(found: &[String], old: &[u8]) -> bool {
    let old = Digest::sha256(old).to_string();
    found.iter().skip_while(|found| **found == old).all(|found| *found != old)
}

const WAYS: [&[&str]; 5] = [
    &["metadata", "resolve"],
    &["resolve", "versions"],
    &["versions", "metadata"],
    &["download"],
    &["metadata", "resolve", "versions", "download"],
];
const ALL: [&str; 4] = ["metadata", "resolve", "versions", "download"];

#[tokio::test]
async fn o09_after_a_notice_every_answer_is_of_what_a_tag_stands_for_now() {
    for asked_before in WAYS {
        let (served, _server, store) = behind(Setup::default()).await;
        assert!(all_are(&digests(&served, asked_before).await, b"first"));
        for bytes in [&b"second"[..], b"third", b"first"] {
            store.lock().push(NAME, "1.0.0", bytes);
            // What a notice does.
            served.catalog.reader.refresh(&id("aws-provider"), Scope::All).await.unwrap();
            let found = digests(&served, &ALL).await;
            assert!(all_are(&found, bytes), "{asked_before:?}: {found:?}");
        }
    }
}

#[tokio::test]
async fn o09b_after_a_download_nothing_older_is_answered() {
    for asked_before in WAYS {
        let (served, _server, store) = behind(Setup::default()).await;
        digests(&served, asked_before).await;
        store.lock().push(NAME, "1.0.0", b"second");
        let found = digests(&served, &["download", "metadata", "resolve", "versions"]).await;
        assert!(never_goes_back(&found, b"first"), "{asked_before:?}: {found:?}");
        let after = digests(&served, &ALL).await;
        assert!(after.iter().all(|digest| *digest == found[3]), "{asked_before:?}: {after:?}");
    }
}

#[tokio::test]
async fn o09c_whatever_is_asked_first_after_a_change_nothing_older_follows() {
    for first in ALL {
        for asked_before in WAYS {
            let (served, _server, store) = behind(Setup::default()).await;
            digests(&served, asked_before).await;
            store.lock().push(NAME, "1.0.0", b"second");
            let mut found = digests(&served, &[first]).await;
            found.extend(digests(&served, &ALL).await);
            // The pin of a first download makes the metadata be read again, which may find the change.
            let after = digests(&served, &ALL).await;
            assert!(after.iter().all(|digest| *digest == after[0]), "{first}: {after:?}");
            found.extend(after);
            assert!(never_goes_back(&found, b"first"), "{first} after {asked_before:?}: {found:?}");
        }
    }
}

#[tokio::test]
async fn o09d_a_read_past_the_time_to_live_brings_what_a_tag_stands_for() {
    let setup = Setup { ttl: Duration::ZERO, ..Setup::default() };
    let (served, server, store) = behind(setup).await;
    digests(&served, &ALL).await;
    store.lock().push(NAME, "1.0.0", b"second");
    // The reads behind answers have no end that could be waited for: each answer begins another.
    let mut answers = 0;
    while !all_are(&digests(&served, &ALL).await, b"second") {
        answers += 1;
        assert!(answers < 1_000, "{:?}", server.take());
    }
}

#[tokio::test]
async fn o09e_an_older_release_that_is_mended_is_seen_with_the_next_read() {
    let (server, store) = play(Store::default()).await;
    store.lock().push(NAME, "2.0.0", b"newest");
    store.lock().push_manifest(NAME, "1.0.0", &manifest(&[]));
    let gone = format!("sha256:{}", "0".repeat(64));
    let index = serde_json::json!({"manifests": [{"digest": gone}]});
    store.lock().push_manifest(NAME, "1.1.0", &index);
    let asked = backend(&server.url());
    let aws = id("aws-provider");
    let before = asked.releases(&aws).await.unwrap();
    assert_eq!((versions(&before), before.faults().len()), (vec!["2.0.0".to_owned()], 2));
    store.lock().push(NAME, "1.0.0", b"mended");
    store.lock().push(NAME, "1.1.0", b"mended too");
    let after = asked.extension(&aws).await.unwrap();
    assert_eq!(versions(&after), ["2.0.0", "1.1.0", "1.0.0"]);
    assert_eq!(after.faults(), []);
}

#[tokio::test]
async fn o09f_what_a_tag_that_moved_stands_for_is_known_before_it_is_read() {
    let (server, store) = play(Store::default()).await;
    store.lock().push(NAME, "2.0.0", b"newest");
    store.lock().push(NAME, "1.0.0", b"first");
    let asked = backend(&server.url());
    let aws = id("aws-provider");
    asked.releases(&aws).await.unwrap();
    let digest = store.lock().push(NAME, "1.0.0", b"second");
    let extension = asked.extension(&aws).await.unwrap();
    let release = extension.find(&"1.0.0".parse().unwrap()).unwrap();
    assert_eq!(release.artifact, ArtifactChoice::Unread);
    assert_eq!(release.manifest_digest.as_ref().unwrap().to_string(), digest);
}

#[tokio::test]
async fn o09g_layouts_answer_alike_too() {
    let dir = TempDir::new().unwrap();
    let aws = registry_testing::ids::id("provider/aws");
    let push = |bytes: &[u8]| {
        crate::support::layouts::publish(dir.path(), &aws, "2.0.0", "described", b"newest");
        crate::support::layouts::publish(dir.path(), &aws, "1.0.0", "described", bytes);
    };
    push(b"first");
    let setup = Setup { accept_changes: true, ..Setup::default() };
    let served =
        Served::with(vec![Arc::new(LocalBackend::new(BackendId::LOCAL, dir.path()))], setup).await;
    assert!(all_are(&digests(&served, &ALL).await, b"first"));
    let mut before = b"first".to_vec();
    for first in ALL {
        let bytes = format!("before {first}").into_bytes();
        push(&bytes);
        let mut found = digests(&served, &[first]).await;
        found.extend(digests(&served, &ALL).await);
        assert!(never_goes_back(&found, &before), "{first}: {found:?}");
        let after = digests(&served, &ALL).await;
        assert!(after.iter().all(|digest| *digest == found[4]), "{first}: {after:?}");
        served.catalog.reader.refresh(&aws, Scope::All).await.unwrap();
        assert!(all_are(&digests(&served, &ALL).await, &bytes), "{first}");
        before = bytes;
    }
}
