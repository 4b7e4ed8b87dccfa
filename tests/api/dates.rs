//! `published_at` has whole seconds in every answer, whatever a backend or a state file tells.

use std::sync::Arc;

use jiff::Timestamp;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::local::backend::LocalBackend;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_catalog::state::Fingerprints;
use registry_catalog::state::persister::Persister;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::ids::id;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::{Store, manifest_of};
use registry_testing::scripted_registry::ScriptedRegistry;
use serde_json::{Value, json};

use crate::support::layouts::publish_annotated;
use crate::support::served::{Served, Setup};

const CREATED: &str = "org.opencontainers.image.created";

/// Every `published_at` within a document.
fn dates(json: &Value, found: &mut Vec<Value>) {
    match json {
        Value::Array(rows) => rows.iter().for_each(|row| dates(row, found)),
        Value::Object(fields) => {
            found.extend(fields.get("published_at").cloned());
            fields.values().for_each(|value| dates(value, found));
        }
        _ => {}
    }
}

async fn expect(served: &Served, extension: &str, expected: &str) {
    let one = format!("/extensions/{extension}");
    let name = extension.split_once('/').unwrap().1;
    for path in [
        "/extensions".to_owned(),
        format!("/extensions/search?q={name}"),
        one.clone(),
        format!("{one}/versions"),
        format!("{one}/1.0.0/metadata"),
        format!("{one}/resolve?constraint=*"),
    ] {
        let mut found = Vec::new();
        dates(&served.get(&path).await.json(), &mut found);
        assert_eq!(found, [json!(expected)], "{path}");
    }
}

#[tokio::test]
async fn fractions_of_a_second_of_a_directory_are_cut_off_also_after_a_restart() {
    for (told, shown) in [
        ("2025-10-06T12:00:00.999999999Z", "2025-10-06T12:00:00Z"),
        ("2025-10-06T14:00:59.5+02:00", "2025-10-06T12:00:59Z"),
        ("2025-12-31T23:59:59.9Z", "2025-12-31T23:59:59Z"),
        ("2025-10-06T12:00:00Z", "2025-10-06T12:00:00Z"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (layouts, state) = (dir.path().join("layouts"), dir.path().join("state"));
        std::fs::create_dir(&state).unwrap();
        publish_annotated(&layouts, &id("provider/aws"), "1.0.0", (CREATED, told));
        let served = Served::local(&layouts).await;
        expect(&served, "provider/aws", shown).await;
        let prints: Fingerprints = vec![(BackendId::LOCAL, "here".to_owned())];
        let now = Timestamp::now();
        let persister = Persister::new(Arc::clone(&served.catalog), &state, prints.clone());
        persister.save(now).await.unwrap();
        std::fs::rename(&layouts, dir.path().join("away")).unwrap();
        let setup = Setup { state: Some((state, prints, now)), ..Setup::default() };
        let backend: Arc<dyn Backend> = Arc::new(LocalBackend::new(BackendId::LOCAL, &layouts));
        let restarted = Served::with(vec![backend], setup).await;
        expect(&restarted, "provider/aws", shown).await;
    }
}

#[tokio::test]
async fn fractions_of_a_second_of_gitea_are_cut_off() {
    let mut state = State::empty();
    state.create_released("aws_prov", "1.0.0", b"bytes");
    let release = &mut state.repository_mut("aws_prov").releases[0];
    release["published_at"] = json!("2025-10-06T21:00:00.987+09:00");
    let fake = FakeGitea::start(state).await;
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    let settings = GiteaSettings { token: Some(fake.token("<read>")), ..settings };
    let backend = Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap());
    let served = Served::over(vec![backend]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    expect(&served, "provider/aws", "2025-10-06T12:00:00Z").await;
}

#[tokio::test]
async fn fractions_of_a_second_of_a_registry_are_cut_off() {
    let mut store = Store::default();
    let layer = store.blob("provisioning/aws-provider", b"bytes");
    let mut manifest = manifest_of(&[(layer, 5, "aws.tar.gz")]);
    manifest["annotations"][CREATED] = json!("2025-10-06T12:00:00.000000001Z");
    store.push_manifest("provisioning/aws-provider", "1.0.0", &manifest);
    let played = PlayedRegistry::new(Dialect::Zot, store);
    let registry = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let namespace = "provisioning".parse().unwrap();
    let settings = OciSettings::new(registry.url().parse().unwrap(), namespace);
    let backend = Arc::new(OciBackend::new(settings, Arc::new(())).unwrap());
    let served = Served::over(vec![backend]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    expect(&served, "provider/aws", "2025-10-06T12:00:00Z").await;
}
