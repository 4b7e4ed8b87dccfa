//! Archives that change under their version, and digests that are learned by downloading.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_catalog::state::persister::Persister;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use reqwest::StatusCode;

use super::ROOM;
use crate::support::served::{Got, Served, Setup};

const AWS: &str = "/extensions/provider/aws/1.0.0";

fn setup(dir: Option<&Path>, accept_changes: bool) -> Setup {
    let store = dir.map(|dir| (dir.join("artifacts"), ROOM));
    let state = dir.map(|dir| (dir.to_owned(), Vec::new(), Timestamp::UNIX_EPOCH));
    Setup { state, store, accept_changes, ..Setup::default() }
}

/// A service over a registry whose version was downloaded once and then replaced.
async fn replaced(dir: Option<&Path>, accept_changes: bool) -> Served {
    let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
    backend.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), "first");
    backend.publish(&id("provider/aws"), tag("nightly"), about("d", &[]), "first");
    let served = Served::with(vec![backend.clone()], setup(dir, accept_changes)).await;
    for version in ["1.0.0", "nightly"] {
        let got = served.get(&format!("/extensions/provider/aws/{version}")).await;
        assert_eq!(got.text(), "first");
        backend.publish(&id("provider/aws"), tag(version), about("d", &[]), "second");
    }
    served.artifacts.settle().await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served.catalog.store.published().await;
    let nightly = served.get("/extensions/provider/aws/nightly").await;
    assert_eq!(nightly.text(), "second", "a tag that is no version moves");
    let change = served.get(&format!("{AWS}/metadata")).await.json()["change"].clone();
    assert_eq!(change["first_digest"], Digest::sha256(b"first").to_string());
    assert_eq!(change["current_digest"], Digest::sha256(b"second").to_string());
    let metrics = served.get("/metrics").await.text();
    assert!(metrics.contains("extension_registry_changed_versions 1\n"), "{metrics}");
    served
}

#[tokio::test]
async fn row_43_a_replaced_archive_stays_the_first_as_long_as_that_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let served = replaced(Some(dir.path()), false).await;
    let got = served.get(AWS).await;
    assert_eq!((got.text().as_str(), got.header("cache-status")), ("first", HIT));
    let digest = Digest::sha256(b"first").to_string();
    assert_eq!(got.header("etag"), format!("\"{digest}\""));
    assert_eq!(served.get(&format!("{AWS}/metadata")).await.json()["digest"], digest);
    assert_eq!(served.get("/extensions/provider/aws").await.json()["size"], 5);
}

const HIT: &str = "extension-registry; hit";

#[tokio::test]
async fn row_43_a_replaced_archive_is_refused_where_the_first_is_not_stored() {
    let served = replaced(None, false).await;
    let got = served.get(AWS).await;
    assert_eq!(got.status, StatusCode::BAD_GATEWAY);
    assert_eq!(got.json()["error"], "backend_error");
    for bytes in [b"first".as_slice(), b"second"] {
        assert!(got.text().contains(&Digest::sha256(bytes).to_string()), "{}", got.text());
    }
    let faults = &served.get("/health").await.json()["backends"]["oci"]["faults"];
    let mut reasons = faults.as_array().unwrap().iter().map(|fault| fault["reason"].to_string());
    assert!(reasons.any(|reason| reason.contains("replaced")), "{faults}");
}

#[tokio::test]
async fn a_replaced_archive_is_served_where_changes_are_accepted() {
    let dir = tempfile::tempdir().unwrap();
    for dir in [None, Some(dir.path())] {
        let got = replaced(dir, true).await.get(AWS).await;
        assert_eq!(got.text(), "second");
        assert_eq!(got.header("etag"), format!("\"{}\"", Digest::sha256(b"second")));
    }
}

fn gitea(fake: &FakeGitea) -> Arc<GiteaBackend> {
    let settings = GiteaSettings {
        token: Some(fake.token("<read>")),
        ..GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap())
    };
    Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap())
}

async fn digest_of(served: &Served) -> String {
    served.catalog.store.published().await;
    served.get("/extensions/provider/x").await.json()["digest"].to_string()
}

async fn download(served: &Served) -> Got {
    served.get("/extensions/provider/x/1.0.0").await
}

#[tokio::test]
async fn a_digest_is_learned_by_the_first_download_and_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::empty();
    let uuid = state.create_released("x_prov", "1.0.0", b"bytes");
    let fake = FakeGitea::start(state).await;
    let served = Served::with(vec![gitea(&fake)], setup(Some(dir.path()), false)).await;
    assert_eq!(digest_of(&served).await, "null");
    let first = download(&served).await;
    assert_eq!(first.text(), "bytes");
    assert_eq!(first.header("etag"), format!("\"{uuid}\""));
    let digest = Digest::sha256(b"bytes");
    assert_eq!(digest_of(&served).await, format!("\"{digest}\""));
    assert_eq!(download(&served).await.header("etag"), format!("\"{digest}\""));
    served.artifacts.settle().await;
    let persister = Persister::new(Arc::clone(&served.catalog), dir.path(), Vec::new());
    persister.save(Timestamp::UNIX_EPOCH).await.unwrap();

    let served = Served::with(vec![gitea(&fake)], setup(Some(dir.path()), false)).await;
    assert_eq!(digest_of(&served).await, format!("\"{digest}\""));
    fake.take_seen();
    let again = download(&served).await;
    assert_eq!((again.text().as_str(), again.header("cache-status")), ("bytes", HIT));
    assert!(!fake.has_seen("/attachments/"), "it came from the store");
}

#[tokio::test]
async fn row_43_a_file_replaced_in_gitea_is_read_once_and_then_refused_or_accepted() {
    for (stored, accept, expected) in [
        (true, false, Some("first")),
        (false, false, None),
        (true, true, Some("second, and longer")),
        (false, true, Some("second, and longer")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::empty();
        state.create_released("x_prov", "1.0.0", b"first");
        let fake = FakeGitea::start(state).await;
        let setup = setup(stored.then(|| dir.path()), accept);
        let served = Served::with(vec![gitea(&fake)], setup).await;
        assert_eq!(download(&served).await.text(), "first");
        served.artifacts.settle().await;
        served.catalog.store.published().await;
        fake.edit(|state| {
            state.repository_mut("x_prov").releases.clear();
            state.publish("x_prov", "1.0.0", &[("x_prov.tar.gz", b"second, and longer")]);
        });
        served.catalog.reader.refresh(&id("provider/x"), Scope::All).await.unwrap();
        served.catalog.store.published().await;
        for _ in 0..2 {
            let got = download(&served).await;
            if let Some(bytes) = expected {
                assert_eq!(got.text(), bytes);
            } else {
                assert_eq!(got.status, StatusCode::BAD_GATEWAY);
                let second = Digest::sha256(b"second, and longer").to_string();
                assert!(got.text().contains(&second), "{}", got.text());
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_state_log_is_set_aside_and_downloads_go_on() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("state.log"), "nonsense").unwrap();
    let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
    backend.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), "bytes");
    let served = Served::with(vec![backend], setup(Some(dir.path()), false)).await;
    assert_eq!(served.get(AWS).await.text(), "bytes");
    assert!(dir.path().join("state.log.damaged-0").exists());
}
