//! Files that a Forgejo only points at, of which it says that they are 0 bytes long.

use std::sync::Arc;

use registry_core::backend::Backend as _;
use registry_core::models::scope::Scope;
use registry_testing::fake_gitea::recorded::FORGEJO_9;
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};
use serde_json::{Value, json};

use super::{backend_of, id, settings};
use crate::support::served::Served;

const BYTES: &[u8] = b"the bytes of an archive elsewhere";
const PATH: &str = "/extensions/provider/x";

/// A Forgejo whose `x_prov` 1.0.0 is a file of the other server.
async fn pointing_elsewhere() -> (FakeGitea, FakeGitea) {
    let elsewhere = FakeGitea::start(State::empty()).await;
    let kind = vec![("Content-Type", "application/octet-stream".to_owned())];
    elsewhere.fault("/files/", Fault::Answer(200, kind, BYTES.to_vec()));
    let mut state = State::empty_as(&FORGEJO_9);
    state.create_released("x_prov", "1.0.0", b"");
    let asset = &mut state.repository_mut("x_prov").releases[0]["assets"][0];
    asset["type"] = json!("external");
    asset["browser_download_url"] = json!(format!("{}files/x_prov.tar.gz", elsewhere.url()));
    (FakeGitea::start(state).await, elsewhere)
}

fn allowing(fake: &FakeGitea) -> registry_backends::gitea::backend::GiteaBackend {
    let mut settings = settings(fake);
    settings.external_asset_hosts = vec!["127.0.0.1".to_owned()];
    settings.upstream.allow_private_redirects = true;
    backend_of(settings)
}

async fn size(served: &Served) -> (Value, Value) {
    let listed = served.get("/extensions").await.json()[0]["size"].clone();
    let metadata = served.get(&format!("{PATH}/1.0.0/metadata")).await.json();
    assert_eq!(metadata["size"], metadata["assets"][0]["size"]);
    (listed, metadata["size"].clone())
}

#[tokio::test]
async fn g11_the_size_of_an_external_file_is_unknown_until_it_is_downloaded() {
    let (fake, _elsewhere) = pointing_elsewhere().await;
    let served = Served::over(vec![Arc::new(allowing(&fake))]).await;
    assert_eq!(size(&served).await, (Value::Null, Value::Null));
    let got = served.get(&format!("{PATH}/1.0.0")).await;
    assert_eq!((got.status.as_u16(), got.body.as_slice()), (200, BYTES));
    assert_eq!(got.header("content-length"), BYTES.len().to_string());
    let known = json!(BYTES.len());
    assert_eq!(size(&served).await, (known.clone(), known));
    let got = served.get(&format!("{PATH}/1.0.0")).await;
    assert_eq!(got.body, BYTES, "again");
}

#[tokio::test]
async fn g11b_a_file_elsewhere_of_unknown_length_or_none_is_an_error_and_others_are_left_alone() {
    let (fake, elsewhere) = pointing_elsewhere().await;
    let not_allowed = backend_of(settings(&fake));
    let extension = not_allowed.extension(&id("provider/x")).await.unwrap();
    assert_eq!(extension.releases().len(), 0, "its host is not named");

    let backend = allowing(&fake);
    let extension = backend.extension(&id("provider/x")).await.unwrap();
    let file = extension.latest().unwrap().artifact.chosen().unwrap().clone();
    assert_eq!(file.known_size(), None);
    elsewhere.heal();
    let page = backend.open(extension.id(), &file, None).await;
    assert!(page.is_err(), "the other server has no such file");
    let empty = vec![("Content-Type", "text/html".to_owned())];
    elsewhere.fault("/files/", Fault::Answer(200, empty, b"<html>".to_vec()));
    assert!(backend.open(extension.id(), &file, None).await.is_err(), "a page");
}

#[tokio::test]
async fn g14c_a_checksum_that_cannot_be_read_is_named_until_it_is_mended() {
    let mut state = State::empty();
    state.create("x_prov", "made for a test");
    let sum = b"this is no checksum".as_slice();
    let files = [("x_prov.tar.gz", b"good".as_slice()), ("x_prov.tar.gz.sha256", sum)];
    let sum = state.publish("x_prov", "1.0.0", &files).remove(1);
    let fake = FakeGitea::start(state).await;
    let served = Served::over(vec![Arc::new(super::backend(&fake))]).await;
    let status = async || {
        let metadata = served.get(&format!("{PATH}/1.0.0/metadata")).await.json();
        let health = served.get("/health").await.json();
        let faults = health["backends"]["gitea"]["faults"].to_string();
        (metadata["digest_status"].as_str().unwrap().to_owned(), faults)
    };
    let (told, faults) = status().await;
    assert_eq!(told, "unverified");
    assert!(faults.contains("x_prov.tar.gz.sha256 holds no checksum"), "{faults}");
    let got = served.get(&format!("{PATH}/1.0.0")).await;
    assert_eq!(got.body, b"good");
    let (told, faults) = status().await;
    assert_eq!(told, "unverified", "a download verifies nothing");
    assert!(faults.contains("holds no checksum"), "{faults}");

    let right = registry_core::models::digest::Digest::sha256(b"good");
    fake.edit(|state| state.files.insert(sum, format!("{:19}", right.hex()).into_bytes()));
    let asset = 1;
    fake.edit(|state| {
        let files = &mut state.repository_mut("x_prov").releases[0]["assets"];
        files[asset]["size"] = json!(64);
    });
    served.catalog.reader.refresh(&id("provider/x"), Scope::All).await.unwrap();
    let (told, faults) = status().await;
    assert_eq!((told.as_str(), faults.contains("checksum")), ("known", false), "{faults}");
}
