//! One answer about one version is one digest, whatever was replaced meanwhile.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use registry_catalog::state::persister::Persister;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;
use registry_testing::ids::id;
use serde_json::Value;

use super::gitea;
use crate::support::served::{Served, Setup};

const X: &str = "/extensions/provider/x";

async fn served(fake: &FakeGitea, dir: Option<&Path>) -> Served {
    let store = dir.map(|dir| (dir.join("artifacts"), 1 << 20));
    let state = dir.map(|dir| (dir.to_owned(), Vec::new(), Timestamp::UNIX_EPOCH));
    let served = Served::with(vec![gitea(fake)], Setup { state, store, ..Setup::default() }).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served
}

async fn read_again(served: &Served) {
    served.artifacts.settle().await;
    served.catalog.reader.refresh(&id("provider/x"), Scope::All).await.unwrap();
    served.catalog.store.published().await;
}

async fn metadata(served: &Served, version: &str) -> Value {
    served.get(&format!("{X}/{version}/metadata")).await.json()
}

/// Replaces the files of a release, as "delete and upload again" does.
fn replace(fake: &FakeGitea, version: &str, files: &[(&str, &[u8])]) {
    fake.edit(|state| {
        state.repository_mut("x_prov").releases.retain(|one| one["tag_name"] != version);
        state.publish("x_prov", version, files);
    });
}

fn released(version: &str, files: &[(&str, &[u8])]) -> State {
    let mut state = State::empty();
    state.create("x_prov", "made for a test");
    state.publish("x_prov", version, files);
    state
}

#[tokio::test]
async fn g04_a_file_that_was_uploaded_again_is_found_under_its_new_handle() {
    let file = |bytes: &'static [u8]| [("x_prov.tar.gz", bytes)];
    let fake = FakeGitea::start(released("nightly", &file(b"monday"))).await;
    let served = served(&fake, None).await;
    replace(&fake, "nightly", &file(b"tuesday, and longer"));
    let got = served.get(&format!("{X}/nightly")).await;
    assert_eq!((got.status.as_u16(), got.text().as_str()), (200, "tuesday, and longer"));
    assert_eq!(got.header("content-length"), "19");
    replace(&fake, "nightly", &file(b"wednesday"));
    let range = served.get_with(&format!("{X}/nightly"), &[("Range", "bytes=0-2")]).await;
    assert_eq!((range.status.as_u16(), range.text().as_str()), (206, "wed"));
    let listed = served.get(X).await.json();
    assert_eq!(listed["size"], 9, "the lists have learned it too");
}

#[tokio::test]
async fn g04b_a_file_that_its_release_names_and_lacks_is_a_fault_and_no_absence() {
    let fake = FakeGitea::start(released("1.0.0", &[("x_prov.tar.gz", b"bytes")])).await;
    let served = served(&fake, None).await;
    let fault = registry_testing::fake_gitea::Fault::html(404);
    fake.fault("/attachments/", fault);
    let got = served.get(&format!("{X}/1.0.0")).await;
    assert_eq!(got.status.as_u16(), 502, "{}", got.text());
    assert!(got.text().contains("lists x_prov.tar.gz of provider/x 1.0.0 and lacks it"));
    fake.heal();
    assert_eq!(served.get(&format!("{X}/1.0.0")).await.status, 200);
    let faults = served.get("/health").await.json()["backends"]["gitea"]["faults"].clone();
    assert_eq!(faults, serde_json::json!([]), "the download ended the fault");
}

#[tokio::test]
async fn g04c_a_release_that_is_gone_is_absent() {
    let fake = FakeGitea::start(released("1.0.0", &[("x_prov.tar.gz", b"bytes")])).await;
    fake.edit(|state| state.publish("x_prov", "2.0.0", &[("x_prov.tar.gz", b"two")]));
    let served = served(&fake, None).await;
    fake.edit(|state| {
        let releases = &mut state.repository_mut("x_prov").releases;
        let gone = releases.iter().position(|one| one["tag_name"] == "1.0.0").unwrap();
        let uuid = releases.remove(gone)["assets"][0]["uuid"].as_str().unwrap().to_owned();
        state.files.remove(&uuid);
    });
    let got = served.get(&format!("{X}/1.0.0")).await;
    assert_eq!(got.status.as_u16(), 404, "{}", got.text());
    assert!(got.text().contains("has no version 1.0.0"), "{}", got.text());
}

#[tokio::test]
async fn g05_a_pin_belongs_to_a_file_and_not_to_the_choice_among_files() {
    let dir = tempfile::tempdir().unwrap();
    for dir in [None, Some(dir.path())] {
        let fake = FakeGitea::start(released("1.0.0", &[("docs.tar.gz", b"documents")])).await;
        let served = served(&fake, dir).await;
        assert_eq!(served.get(&format!("{X}/1.0.0")).await.text(), "documents");
        fake.edit(|state| {
            let mut other = State::empty();
            other.create("x_prov", "d");
            let uuid = "00000000-0000-4000-8000-000000999999";
            state.files.insert(uuid.to_owned(), b"archive".to_vec());
            let release = &mut state.repository_mut("x_prov").releases[0];
            let mut asset = release["assets"][0].clone();
            asset["name"] = "x_prov.tar.gz".into();
            asset["uuid"] = uuid.into();
            asset["id"] = 999.into();
            asset["size"] = 7.into();
            release["assets"].as_array_mut().unwrap().push(asset);
        });
        read_again(&served).await;
        let got = served.get(&format!("{X}/1.0.0")).await;
        assert_eq!((got.status.as_u16(), got.text().as_str()), (200, "archive"));
        assert!(got.header("content-disposition").contains("x_prov.tar.gz"));
        served.catalog.store.published().await;
        let metadata = metadata(&served, "1.0.0").await;
        assert_eq!(metadata["change"]["first_digest"], Digest::sha256(b"documents").to_string());
        assert_eq!(metadata["change"]["current_digest"], Digest::sha256(b"archive").to_string());
        assert_eq!(metadata["digest"], Digest::sha256(b"archive").to_string());
        let metrics = served.get("/metrics").await.text();
        assert!(metrics.contains("extension_registry_changed_versions 1\n"), "{metrics}");

        // The pinned file of that name is pinned all the same.
        replace(&fake, "1.0.0", &[("docs.tar.gz", b"documents"), ("x_prov.tar.gz", b"evil")]);
        read_again(&served).await;
        let got = served.get(&format!("{X}/1.0.0")).await;
        assert_ne!(got.text(), "evil");
    }
}

#[tokio::test]
async fn g09_a_replaced_file_is_the_pinned_one_in_every_answer() {
    let dir = tempfile::tempdir().unwrap();
    let first = [("x_prov.tar.gz", b"first".as_slice())];
    let fake = FakeGitea::start(released("1.0.0", &first)).await;
    let served = served(&fake, Some(dir.path())).await;
    assert_eq!(served.get(&format!("{X}/1.0.0")).await.text(), "first");
    replace(&fake, "1.0.0", &[("x_prov.tar.gz", b"second, and longer")]);
    read_again(&served).await;
    let digest = Digest::sha256(b"first").to_string();
    let list = served.get("/extensions").await.json()[0].clone();
    let versions = served.get(&format!("{X}/versions")).await.json()[0].clone();
    let resolved = served.get(&format!("{X}/resolve?constraint=1")).await.json();
    let metadata = metadata(&served, "1.0.0").await;
    for answer in [&list, &versions, &resolved, &metadata] {
        assert_eq!((&answer["size"], &answer["digest"]), (&5.into(), &digest.as_str().into()));
    }
    assert_eq!(metadata["change"]["first_digest"], digest);
    assert_eq!(metadata["change"]["current_digest"], Value::Null, "not downloaded yet");
    assert_eq!(served.get(&format!("{X}/1.0.0")).await.text(), "first");
    let metrics = served.get("/metrics").await.text();
    assert!(metrics.contains("extension_registry_changed_versions 1\n"), "{metrics}");
}

#[tokio::test]
async fn g09b_the_same_bytes_uploaded_again_are_no_change() {
    let dir = tempfile::tempdir().unwrap();
    for dir in [None, Some(dir.path())] {
        let file = [("x_prov.tar.gz", b"bytes".as_slice())];
        let fake = FakeGitea::start(released("1.0.0", &file)).await;
        let served = served(&fake, dir).await;
        assert_eq!(served.get(&format!("{X}/1.0.0")).await.text(), "bytes");
        replace(&fake, "1.0.0", &file);
        read_again(&served).await;
        for _ in 0..2 {
            let got = served.get(&format!("{X}/1.0.0")).await;
            assert_eq!((got.status.as_u16(), got.text().as_str()), (200, "bytes"));
        }
        if dir.is_none() {
            served.catalog.store.published().await;
            assert_eq!(metadata(&served, "1.0.0").await["change"], Value::Null);
        }
    }
}

#[tokio::test]
async fn g09c_a_change_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeGitea::start(released("1.0.0", &[("x_prov.tar.gz", b"first")])).await;
    let before = served(&fake, Some(dir.path())).await;
    before.get(&format!("{X}/1.0.0")).await;
    replace(&fake, "1.0.0", &[("x_prov.tar.gz", b"second, and longer")]);
    read_again(&before).await;
    let persister = Persister::new(Arc::clone(&before.catalog), dir.path(), Vec::new());
    persister.save(Timestamp::UNIX_EPOCH).await.unwrap();
    drop(before);
    let after = served(&fake, Some(dir.path())).await;
    let metadata = metadata(&after, "1.0.0").await;
    assert_eq!(metadata["digest"], Digest::sha256(b"first").to_string());
    assert_eq!(metadata["change"]["first_digest"], Digest::sha256(b"first").to_string());
    assert_eq!(after.get(&format!("{X}/1.0.0")).await.text(), "first");
}
