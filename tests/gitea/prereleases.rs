//! A release that its publisher marks as a pre-release is one, however its tag reads.

use std::sync::Arc;

use registry_catalog::Merge;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::State;
use registry_testing::memory::MemoryBackend;
use registry_testing::memory::memory;
use serde_json::{Value, json};

use super::{backend, id};
use crate::support::served::{Served, Setup};

/// A release of this tag whose publisher says this of it.
fn publish(state: &mut State, name: &str, tag: &str, marked: Value) {
    state.publish(name, tag, &[(&format!("{name}.tar.gz"), tag.as_bytes())]);
    state.repository_mut(name).releases[0]["prerelease"] = marked;
}

async fn fake(releases: &[(&str, Value)]) -> FakeGitea {
    let mut state = State::empty();
    state.create("aws_prov", "made for a test");
    for (tag, marked) in releases {
        publish(&mut state, "aws_prov", tag, marked.clone());
    }
    FakeGitea::start(state).await
}

async fn resolved(served: &Served, query: &str) -> Value {
    served.get(&format!("/extensions/provider/aws/resolve?constraint={query}")).await.json()
}

#[tokio::test]
async fn g08_a_release_marked_as_a_prerelease_is_one_everywhere() {
    let fake = fake(&[("v1.0.0", json!(false)), ("v2.0.0", json!(true))]).await;
    let served = Served::over(vec![Arc::new(backend(&fake))]).await;
    let list = served.get("/extensions").await.json();
    assert_eq!((&list[0]["tag"], &list[0]["prerelease"]), (&json!("v1.0.0"), &json!(false)));
    let versions = served.get("/extensions/provider/aws/versions").await.json();
    assert_eq!(versions[0]["tag"], "v2.0.0");
    assert_eq!(versions[0]["prerelease"], true);
    assert_eq!(versions[1]["prerelease"], false);
    let of = async |version: &str| {
        served.get(&format!("/extensions/provider/aws/{version}/metadata")).await.json()
    };
    assert_eq!(of("latest").await["tag"], "v1.0.0");
    assert_eq!(of("2.0.0").await["prerelease"], true);
    assert_eq!(resolved(&served, "*").await["tag"], "v1.0.0");
    assert_eq!(resolved(&served, "*&prerelease=true").await["tag"], "v2.0.0");
    let none = resolved(&served, "^2").await["message"].to_string();
    assert!(none.contains("2.0.0, a pre-release, which prerelease=true admits"), "{none}");
}

#[tokio::test]
async fn g08b_where_all_are_marked_the_highest_is_the_latest_and_a_missing_mark_is_none() {
    for (releases, latest, prerelease) in [
        (vec![("2.0.0", json!(true)), ("3.0.0", json!(true))], "3.0.0", true),
        (vec![("2.0.0", json!(true)), ("1.0.0-rc.1", json!(false))], "2.0.0", true),
        (vec![("2.0.0", Value::Null), ("1.0.0", json!(true))], "2.0.0", false),
        (vec![("nightly", json!(true))], "nightly", true),
        (vec![("nightly", json!(false)), ("1.0.0", json!(true))], "1.0.0", true),
    ] {
        let fake = fake(&releases).await;
        let extension = backend(&fake).extension(&id("provider/aws")).await.unwrap();
        let found = extension.latest().unwrap();
        assert_eq!((found.tag.as_str(), found.is_prerelease()), (latest, prerelease));
    }
}

#[tokio::test]
async fn g08c_a_mark_that_is_taken_away_is_no_more() {
    let fake = fake(&[("1.0.0", json!(false)), ("2.0.0", json!(true))]).await;
    let backend = backend(&fake);
    let latest = async || {
        let extension = backend.extension(&id("provider/aws")).await.unwrap();
        extension.latest().unwrap().tag.to_string()
    };
    assert_eq!(latest().await, "1.0.0");
    fake.edit(|state| state.repository_mut("aws_prov").releases[0]["prerelease"] = json!(false));
    assert_eq!(latest().await, "2.0.0");
}

#[tokio::test]
async fn g08d_pooled_versions_keep_the_mark_of_the_backend_that_they_come_from() {
    let fake = fake(&[("1.0.0", json!(false)), ("3.0.0", json!(true))]).await;
    let others: Arc<MemoryBackend> =
        memory(BackendId::OCI, &["provider/aws:3.0.0", "provider/aws:2.0.0"]);
    let backends: Vec<Arc<dyn Backend>> = vec![Arc::new(backend(&fake)), others];
    let served = Served::with(backends, Setup { merge: Merge::Union, ..Setup::default() }).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served.catalog.store.published().await;
    let got = resolved(&served, "*").await;
    assert_eq!(got["tag"], "2.0.0", "{got}");
    assert_eq!(resolved(&served, "*&prerelease=true").await["source"], "gitea");
    assert_eq!(served.get("/extensions").await.json()[0]["version"], "2.0.0");
}
