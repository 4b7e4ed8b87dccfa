//! Cases of downloads: stores elsewhere, encodings, pages, cut bodies, hostile names.

use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_core::models::artifact::ArtifactChoice;
use registry_testing::fake_gitea::state::State;
use registry_testing::fake_gitea::{FakeGitea, Fault};
use serde_json::json;

use super::{archive, backend, backend_of, download, id, settings};

async fn with_one(bytes: &[u8]) -> (FakeGitea, String) {
    let mut state = State::empty();
    let uuid = state.create_released("x_prov", "1.0.0", bytes);
    (FakeGitea::start(state).await, uuid)
}

#[tokio::test]
async fn case_23_a_store_elsewhere_sees_no_token() {
    let (fake, _) = with_one(b"bytes").await;
    let store = FakeGitea::start(State::empty()).await;
    let kind = vec![("Content-Type", "application/octet-stream".to_owned())];
    store.fault("/presigned/", Fault::Answer(200, kind, b"bytes".to_vec()));
    fake.edit(|state| state.store = Some(store.url().as_str().trim_end_matches('/').to_owned()));

    let error = download(&backend(&fake), "provider/x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty, "private, and nobody allowed it");
    assert_eq!(store.take_seen().len(), 0);

    let mut allowing = settings(&fake);
    allowing.upstream.allow_private_redirects = true;
    assert_eq!(download(&backend_of(allowing), "provider/x").await.unwrap(), b"bytes");
    let seen = store.take_seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].method, "GET");
    for secret in ["authorization", "cookie", "referer"] {
        assert!(!seen[0].headers.contains_key(secret), "{secret}");
    }
    let own = fake.take_seen();
    let ours = format!("token {}", fake.token::<String>("<read>"));
    assert!(own.iter().all(|seen| seen.headers["authorization"] == ours));
}

#[tokio::test]
async fn case_24_artifacts_are_asked_for_as_they_are() {
    let bytes = b"tape archive ".repeat(500);
    let mut state = State::empty();
    state.gzip = true;
    state.create("x_prov", "made for a test");
    state.publish("x_prov", "1.0.0", &[("x.tgz", &bytes)]);
    let fake = FakeGitea::start(state).await;
    assert_eq!(download(&backend(&fake), "provider/x").await.unwrap(), bytes);

    // A proxy that encodes all the same is found out.
    let coded = vec![("Content-Encoding", "gzip".to_owned())];
    fake.fault("/attachments/", Fault::Answer(200, coded, bytes));
    let error = download(&backend(&fake), "provider/x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
}

#[tokio::test]
async fn case_25_a_page_is_never_an_answer_nor_an_artifact() {
    let (fake, _) = with_one(b"bytes").await;
    let backend = backend(&fake);
    for (status, at) in [
        (200, "/attachments/"),
        (200, "/releases"),
        (200, "/repos/"),
        (401, "/repos/"),
        (403, "/repos/"),
        (404, "/repos/"),
    ] {
        fake.fault(at, Fault::html(status));
        let error = download(&backend, "provider/x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendFaulty, "{status} at {at}: {error}");
        fake.heal();
    }
    fake.edit(|state| state.sign_in_required = true);
    let release = backend.extension(&id("provider/x")).await.unwrap();
    let mut nobody = settings(&fake);
    nobody.token = None;
    let nobody = backend_of(nobody);
    let artifact = archive(release.latest().unwrap());
    let error = nobody.open(release.id(), artifact, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty, "the login page");
    let error = nobody.listing().await.unwrap_err();
    assert_eq!(error.message(), "Gitea requires a token here");
}

/// Going on where it broke off is the artifact store's half, in its issue.
#[tokio::test]
async fn case_26_a_cut_body_and_an_error_with_a_tag_are_no_artifacts() {
    let bytes = b"0123456789".repeat(100);
    let (fake, uuid) = with_one(&bytes).await;
    let backend = backend(&fake);
    fake.fault("/attachments/", Fault::Cut(400));
    let error = download(&backend, "provider/x").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{error}");
    fake.heal();

    fake.edit(|state| state.files.insert(uuid.clone(), bytes[..400].to_vec()));
    let error = download(&backend, "provider/x").await.unwrap_err();
    assert_eq!(error.message(), "The artifact's length differs from its release");

    let etag = vec![("Etag", format!("\"{uuid}\"")), ("Content-Type", "text/html".to_owned())];
    fake.fault("/attachments/", Fault::Answer(500, etag, b"<html>".to_vec()));
    let error = download(&backend, "provider/x").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{error}");
}

#[tokio::test]
async fn case_27_hostile_names_choose_nothing_and_reach_no_address() {
    let fake = FakeGitea::start(State::recorded()).await;
    let backend = backend(&fake);
    let evil = backend.extension(&id("taskserv/evil")).await.unwrap();
    let release = evil.latest().unwrap();
    assert_eq!(&*archive(release).file_name, "evil_taskserv.tar.gz");
    assert_eq!(release.assets.len(), 4, "all can be asked for");
    for asset in &release.assets {
        let url = asset.url.as_deref().unwrap();
        assert!(!url.contains("..") || url.contains("..%2F..%2F"), "{url}");
        assert!(!url.contains(['\r', '\n', '"', ' ']), "{url}");
    }
    let description = release.about.description.as_deref().unwrap();
    assert!(!description.contains('\u{202e}'), "{description}");

    let twins = backend.extension(&id("taskserv/twins")).await.unwrap();
    let ArtifactChoice::Ambiguous(names) = &twins.latest().unwrap().artifact else {
        panic!("two assets of the right name are no choice")
    };
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
    let second = &twins.latest().unwrap().assets[1];
    let bytes = backend.open(twins.id(), second, None).await.unwrap().collect().await.unwrap();
    assert_eq!(bytes.len() as u64, second.size);
}

#[tokio::test]
async fn case_28_addresses_are_built_and_external_assets_left_alone() {
    let mut state = State::empty();
    "https://public.example/git".clone_into(&mut state.root_url);
    state.create_released("x_prov", "1.0.0", b"bytes");
    state.create_released("y_prov", "1.0.0", b"bytes");
    let asset = &mut state.repository_mut("y_prov").releases[0]["assets"][0];
    asset["type"] = json!("external");
    asset["browser_download_url"] = json!("https://cdn.example/y_prov.tar.gz");
    let fake = FakeGitea::start(state).await;
    let home = backend(&fake);
    assert_eq!(download(&home, "provider/x").await.unwrap(), b"bytes");
    let extension = home.extension(&id("provider/x")).await.unwrap();
    let release = extension.latest().unwrap();
    let base = fake.url();
    let page = format!("{base}provisioning-extensions/x_prov");
    assert_eq!(release.about.repository.as_deref(), Some(page.as_str()));
    let url = format!("{page}/releases/download/1.0.0/x_prov.tar.gz");
    assert_eq!(archive(release).url.as_deref(), Some(url.as_str()));

    assert!(home.extension(&id("provider/y")).await.unwrap().releases().is_empty());
    let mut allowing = settings(&fake);
    allowing.external_asset_hosts = vec!["cdn.example".to_owned()];
    let allowing = backend_of(allowing);
    assert_eq!(allowing.extension(&id("provider/y")).await.unwrap().releases().len(), 1);
}
