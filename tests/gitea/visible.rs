//! How soon a release is visible after its webhook.

use std::sync::Arc;
use std::time::Duration;

use registry_catalog::{Catalog, Merge};
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::fake_gitea::{FakeGitea, State};

use super::{asked, backend, id};
use crate::support::served::rules;

fn kept(fake: &FakeGitea) -> Arc<Catalog> {
    let backends: Vec<Arc<dyn Backend>> = vec![Arc::new(backend(fake))];
    Catalog::new(backends, rules(Merge::Owner, Duration::from_mins(5)))
}

/// Waits for a version with its archive; the reads run behind.
async fn seen(catalog: &Arc<Catalog>, version: &str) {
    let is_there = || {
        let view = catalog.store.view();
        let latest = view.get(&id("provider/aws"), Scope::All)?.extension.latest()?.clone();
        (latest.version.as_str() == version).then_some(latest.artifact.chosen()?.size)
    };
    while is_there().is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_release_with_its_asset_is_visible_after_the_first_read_that_its_notice_sets_off() {
    let fake = FakeGitea::start(State::recorded()).await;
    let catalog = kept(&fake);
    let _tasks = catalog.syncer.start();
    catalog.syncer.sync(Scope::All).await.unwrap();
    fake.take_seen();
    fake.edit(|state| state.publish("aws_prov", "9.0.0", &[("aws_prov.tar.gz", b"new")]));
    catalog.syncer.notice(BackendId::GITEA, vec![id("provider/aws")]);
    seen(&catalog, "9.0.0").await;
    assert_eq!(asked(&fake, "/releases"), 1, "at once, not by a later step of the schedule");
}

#[tokio::test]
async fn a_release_whose_asset_follows_is_visible_by_the_next_step() {
    let fake = FakeGitea::start(State::recorded()).await;
    let catalog = kept(&fake);
    let _tasks = catalog.syncer.start();
    catalog.syncer.sync(Scope::All).await.unwrap();
    fake.take_seen();
    fake.edit(|state| state.publish("aws_prov", "9.0.0", &[]));
    catalog.syncer.notice(BackendId::GITEA, vec![id("provider/aws")]);
    while !fake.has_seen("aws_prov/releases") {
        tokio::task::yield_now().await;
    }
    fake.edit(|state| {
        state.repository_mut("aws_prov").releases.remove(0);
        state.publish("aws_prov", "9.0.0", &[("aws_prov.tar.gz", b"uploaded")]);
    });
    seen(&catalog, "9.0.0").await;
    assert!(asked(&fake, "/releases") <= 2, "a second after the notice");
}
