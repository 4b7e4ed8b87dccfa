//! The whole service over Gitea and OCI: lists, downloads, outages and notices, as callers see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::gitea::webhook::GiteaWebhooks;
use registry_backends::local::backend::LocalBackend;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::canary::WEBHOOK as SECRET;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::{FakeGitea, Fault};
use registry_testing::ids::id;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sha2::Sha256;

use crate::support::served::{Served, Setup};

fn gitea(fake: &FakeGitea) -> Arc<dyn Backend> {
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    let settings = GiteaSettings { token: Some(fake.token("<read>")), ..settings };
    Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap())
}

fn oci(url: &str) -> Arc<dyn Backend> {
    let settings = OciSettings::new(url.parse().unwrap(), "provisioning".parse().unwrap());
    Arc::new(OciBackend::new(settings, Arc::new(())).unwrap())
}

async fn zot() -> ScriptedRegistry {
    let played = PlayedRegistry::zot();
    ScriptedRegistry::start(move |seen| played.answer(seen)).await
}

/// A zot whose content changes, and that answers everything with a status while one is set.
struct Zot {
    store: Arc<Mutex<Store>>,
    failing: Arc<AtomicU16>,
    server: ScriptedRegistry,
}

impl Zot {
    async fn new() -> Self {
        let store = Arc::new(Mutex::new(Store::of_recorded_zot()));
        let failing = Arc::new(AtomicU16::new(0));
        let (played, status) = (Arc::clone(&store), Arc::clone(&failing));
        let server = ScriptedRegistry::start(move |seen| match status.load(Ordering::SeqCst) {
            0 => PlayedRegistry::new(Dialect::Zot, played.lock().clone()).answer(seen),
            401 => Reply::new(401).header("www-authenticate", "Basic realm=\"zot\""),
            status => Reply::new(status),
        })
        .await;
        Self { store, failing, server }
    }

    fn fail(&self, status: u16) {
        self.failing.store(status, Ordering::SeqCst);
    }
}

fn signature(body: &str) -> String {
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let code = key.chain_update(body).finalize().into_bytes();
    code.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Downloads what a row of a list or of versions names; its bytes fit its size and digest.
async fn download(served: &Served, row: &Value) -> Vec<u8> {
    let href = row["href"].as_str().unwrap().strip_prefix("/api/v1").unwrap();
    let got = served.get(href).await;
    assert_eq!(got.status, StatusCode::OK, "{href}: {}", String::from_utf8_lossy(&got.body));
    assert_eq!(row["size"], got.body.len(), "{href}");
    if let Some(digest) = row["digest"].as_str() {
        assert_eq!(digest, Digest::sha256(&got.body).to_string(), "{href}");
    }
    got.body
}

#[tokio::test]
async fn a_release_of_gitea_is_listed_and_downloaded() {
    let mut state = State::empty();
    state.create_released("hello_prov", "v1.2.0", b"hello bytes");
    let fake = FakeGitea::start(state).await;
    let served = Served::over(vec![gitea(&fake)]).await;
    let list = served.get("/extensions").await;
    assert_eq!(list.column("name"), ["hello"]);
    let row = &list.json()[0];
    assert_eq!((&row["version"], &row["tag"]), (&"1.2.0".into(), &"v1.2.0".into()));
    assert_eq!(row["source"], "gitea");
    let url = fake.url();
    let base = url.as_str().trim_end_matches('/');
    assert_eq!(row["repository"], format!("{base}/{ORGANIZATION}/hello_prov"));
    let path = "releases/download/v1.2.0/hello_prov.tar.gz";
    assert_eq!(row["download_url"], format!("{base}/{ORGANIZATION}/hello_prov/{path}"));
    assert_eq!(download(&served, row).await, b"hello bytes");
    let part = served.get_with("/extensions/provider/hello/latest", &[("range", "bytes=6-")]).await;
    assert_eq!((part.status, part.text().as_str()), (StatusCode::PARTIAL_CONTENT, "bytes"));
}

#[tokio::test]
async fn a_signed_notice_of_gitea_shows_the_release_that_it_tells_of() {
    let mut state = State::empty();
    state.create_released("hello_prov", "1.0.0", b"first");
    let fake = FakeGitea::start(state).await;
    let organization = ORGANIZATION.parse().unwrap();
    let receiver = GiteaWebhooks::new(&SECRET.to_owned().into(), organization).unwrap();
    let receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)> =
        vec![(BackendId::GITEA, Arc::new(receiver))];
    let served = Served::with(vec![gitea(&fake)], Setup { receivers, ..Setup::default() }).await;
    assert_eq!(served.get("/extensions/provider/hello").await.json()["version"], "1.0.0");
    fake.edit(|state| state.publish("hello_prov", "1.1.0", &[("hello_prov.tar.gz", b"second")]));
    let body = format!(
        r#"{{"action":"published","release":{{"tag_name":"1.1.0"}},"repository":{{"id":1,"name":"hello_prov","full_name":"{ORGANIZATION}/hello_prov","owner":{{"login":"{ORGANIZATION}"}}}}}}"#
    );
    let signature = signature(&body);
    let headers = [("x-gitea-event", "release"), ("x-gitea-signature", signature.as_str())];
    let got = served.send_body(Method::POST, "/webhooks/gitea", &headers, body.into_bytes()).await;
    assert_eq!(got.status, StatusCode::ACCEPTED);
    while served.get("/extensions/provider/hello").await.json()["version"] != "1.1.0" {
        tokio::task::yield_now().await;
    }
    assert_eq!(served.get("/extensions/provider/hello/latest").await.text(), "second");
}

#[tokio::test]
async fn a_registry_answers_as_its_storage_does_as_a_directory() {
    let zot = zot().await;
    let remote = Served::over(vec![oci(&zot.url())]).await;
    let dir = tempfile::tempdir().unwrap();
    let archive = include_bytes!("fixtures/zot-storage.tar.gz");
    let tar = flate2::read::GzDecoder::new(archive.as_slice());
    tar::Archive::new(tar).unpack(dir.path()).unwrap();
    let storage = LocalBackend::new(BackendId::LOCAL, dir.path().join("provisioning"));
    let local = Served::over(vec![Arc::new(storage)]).await;
    // What names the place differs, and nothing else.
    let placeless = |mut rows: Value| {
        for row in rows.as_array_mut().unwrap() {
            for field in ["source", "sources", "backend", "backends", "repository", "download_url"]
            {
                row.as_object_mut().unwrap().remove(field);
            }
        }
        rows
    };
    let rows = remote.get("/extensions").await.json();
    assert_eq!(rows.as_array().unwrap().len(), 11);
    assert_eq!(placeless(rows.clone()), placeless(local.get("/extensions").await.json()));
    for row in rows.as_array().unwrap() {
        let path = format!(
            "/extensions/{}/{}/versions",
            row["type"].as_str().unwrap(),
            row["name"].as_str().unwrap()
        );
        let versions = remote.get(&path).await.json();
        assert_eq!(placeless(versions), placeless(local.get(&path).await.json()), "{path}");
        download(&remote, row).await;
    }
}

#[tokio::test]
async fn what_is_known_stays_when_a_backend_goes_away() {
    let mut state = State::empty();
    state.create_released("hello_prov", "1.0.0", b"bytes");
    let fake = FakeGitea::start(state).await;
    let zot = zot().await;
    let served = Served::over(vec![gitea(&fake), oci(&zot.url())]).await;
    let before = served.get("/extensions").await;
    assert_eq!(before.column("name").len(), 12);
    fake.fault("/", Fault::Answer(503, Vec::new(), Vec::new()));
    assert!(served.catalog.syncer.sync(Scope::All).await.is_err());
    assert_eq!(served.get("/extensions").await.body, before.body);
    assert_eq!(served.get("/extensions/provider/hello").await.status, StatusCode::OK);
    let health = served.get("/health").await.json();
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["backends"]["gitea"]["healthy"], false);
    assert_eq!(health["backends"]["oci"]["healthy"], true);
    let unknown = served.get("/extensions/provider/nonexistent").await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE, "gitea could have it");
    let others = served.get("/extensions/provider/nonexistent?source=oci").await;
    assert_eq!(others.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_backend_that_refuses_us_is_an_error_and_never_an_absence() {
    let fake = FakeGitea::start(State::empty()).await;
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    let settings = GiteaSettings { token: Some(fake.token("<bad>")), ..settings };
    let backend = GiteaBackend::new(settings, Arc::new(())).unwrap();
    let served = Served::over(vec![Arc::new(backend)]).await;
    for path in ["/extensions", "/extensions/provider/hello"] {
        let got = served.get(path).await;
        assert_eq!(got.status, StatusCode::BAD_GATEWAY, "{path}");
        assert_eq!(got.json()["error"], "backend_error");
    }
    let health = served.get("/health").await.json();
    let error = health["backends"]["gitea"]["last_error"].as_str().unwrap().to_owned();
    assert!(!error.contains("<bad>"), "{error}");
    assert_eq!(health["status"], "unhealthy");
}

#[tokio::test]
async fn versions_that_cannot_be_read_now_are_marked_and_not_kept() {
    let zot = Zot::new().await;
    let served = Served::over(vec![oci(&zot.server.url())]).await;
    served.get("/extensions").await;
    zot.fail(503);
    let partial = served.get("/extensions/taskserv/many/versions").await;
    assert_eq!(partial.status, StatusCode::OK);
    assert_eq!(partial.json().as_array().unwrap().len(), 250);
    assert_eq!(partial.header("extension-registry-degraded"), "oci");
    zot.fail(0);
    // The next who asks makes the read begin, and does not wait for a backend that was away.
    let mut whole = served.get("/extensions/taskserv/many/versions").await;
    while !whole.header("extension-registry-degraded").is_empty() {
        whole = served.get("/extensions/taskserv/many/versions").await;
    }
    assert!(whole.json().as_array().unwrap().iter().all(|row| row["size"].is_u64()));
    assert_eq!(whole.header("cache-status"), "extension-registry; fwd=miss", "not kept before");
}

#[tokio::test]
async fn a_password_that_is_refused_takes_nothing_away() {
    let zot = Zot::new().await;
    let served = Served::over(vec![oci(&zot.server.url())]).await;
    let before = served.get("/extensions").await;
    zot.fail(401);
    // Known, and its manifest was not read yet.
    let got = served.get("/extensions/provider/aws/1.0.0").await;
    assert_eq!(got.status, StatusCode::BAD_GATEWAY);
    assert_eq!(got.json()["error"], "backend_error");
    let unknown = served.get("/extensions/provider/nonexistent").await;
    assert_eq!(unknown.status, StatusCode::BAD_GATEWAY);
    assert!(served.catalog.syncer.sync(Scope::All).await.is_err());
    for _ in 0..3 {
        assert!(served.catalog.reader.refresh(&id("provider/aws"), Scope::All).await.is_err());
    }
    assert_eq!(served.get("/extensions").await.body, before.body);
    let health = served.get("/health").await.json();
    assert_eq!(health["backends"]["oci"]["healthy"], false, "{health}");
    zot.fail(0);
    let unknown = served.get("/extensions/provider/nonexistent2").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_tag_that_moved_is_seen_when_its_extension_is_read_again() {
    let zot = Zot::new().await;
    let served = Served::over(vec![oci(&zot.server.url())]).await;
    let path = "/extensions/provider/aws/versions";
    let row = |rows: Value| rows.as_array().unwrap().iter().find(|r| r["tag"] == "1.0.0").cloned();
    let before = row(served.get(path).await.json()).unwrap();
    zot.store.lock().push("provisioning/aws-provider", "1.0.0", b"other bytes");
    served.catalog.reader.refresh(&id("provider/aws"), Scope::All).await.unwrap();
    let after = row(served.get(path).await.json()).unwrap();
    assert_ne!(before["digest"], after["digest"]);
    assert_eq!(download(&served, &after).await, b"other bytes");
}
