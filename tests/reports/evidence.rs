//! An answer counts as complete, absent or empty only if it proves that.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted::Scripted;
use registry_testing::scripted_registry::ScriptedRegistry;

use super::{TTL, error_of, faults, health, list, oci, pass, scripted, served, set, versions};
use crate::support::served::{Served, Setup};

/// A registry whose content the test changes while it runs.
async fn registry(store: Store) -> (ScriptedRegistry, Arc<Mutex<PlayedRegistry>>) {
    let played = Arc::new(Mutex::new(PlayedRegistry::new(Dialect::Distribution, store)));
    let answering = Arc::clone(&played);
    let server = ScriptedRegistry::start(move |seen| answering.lock().answer(seen)).await;
    (server, played)
}

fn store_of(repositories: &[&str]) -> Store {
    let mut store = Store::default();
    for name in repositories {
        store.push(&format!("provisioning/{name}"), "1.0.0", name.as_bytes());
    }
    store
}

#[tokio::test]
async fn o01_an_empty_registry_is_ready_and_shows_what_is_pushed() {
    let (server, played) = registry(Store::default()).await;
    let served = Served::over(vec![oci(&server.url())]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let got = served.get("/extensions").await;
    assert_eq!((got.status.as_u16(), got.column("name")), (200, Vec::new()), "{}", got.text());
    assert_eq!(got.header("extension-registry-degraded"), "");
    assert_eq!(served.get("/health/ready").await.status, 200);
    let missing = served.get("/extensions/provider/aws").await;
    assert_eq!(error_of(&missing), "404 Extension provider/aws not found");

    *played.lock() = PlayedRegistry::new(Dialect::Distribution, store_of(&["gcp-provider"]));
    let got = served.get("/extensions/provider/gcp/1.0.0").await;
    assert_eq!((got.status.as_u16(), got.text().as_str()), (200, "gcp-provider"));
    let store = store_of(&["gcp-provider", "aws-provider"]);
    *played.lock() = PlayedRegistry::new(Dialect::Distribution, store);
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    assert_eq!(served.get("/extensions").await.column("name"), ["aws", "gcp"]);
}

#[tokio::test(start_paused = true)]
async fn o01b_an_extension_of_a_notice_is_served_while_the_list_fails() {
    let backend = scripted(BackendId::OCI, &["provider/a:1.0.0"]);
    *backend.listing_fails.lock() = Some(ErrorKind::BackendFaulty);
    let served = served(backend.clone()).await;
    served.catalog.syncer.notice(BackendId::OCI, vec![id("provider/a")]);
    pass(Duration::from_secs(5)).await;
    assert_eq!(list(&served).await, (vec!["a".to_owned()], "oci".to_owned()));
    assert_eq!(served.call("/extensions/provider/a/1.0.0", &[]).await.status, 200);
    assert_eq!(served.call("/health/ready", &[]).await.status, 200);
    assert_eq!(health(&served, "oci").await["healthy"], false);
}

#[tokio::test(start_paused = true)]
async fn o04c_releases_that_are_suddenly_gone_are_confirmed_ten_seconds_later() {
    let backend = scripted(BackendId::OCI, &["provider/a:1.0.0", "provider/b:1.0.0"]);
    let served = served(backend.clone()).await;
    list(&served).await;
    backend.inner.remove(&id("provider/a"));
    backend.inner.create(&id("provider/a"));
    pass(TTL).await;
    assert_eq!(versions(&served, "provider/a").await, ["1.0.0"], "one empty answer is no proof");
    assert!(faults(&served, "oci").await[0].contains("suddenly empty"));
    pass(Duration::from_secs(12)).await;
    let got = served.call("/extensions/provider/a", &[]).await;
    assert!(
        error_of(&got).starts_with("404 Extension provider/a has no release"),
        "{}",
        got.text()
    );
    assert_eq!(list(&served).await.0, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn o04d_releases_that_vanish_everywhere_at_once_are_not_believed() {
    let backend = scripted(BackendId::OCI, &["provider/a:1.0.0", "provider/b:1.0.0"]);
    let served = served(backend.clone()).await;
    list(&served).await;
    for name in ["provider/a", "provider/b"] {
        backend.inner.remove(&id(name));
        backend.inner.create(&id(name));
    }
    pass(Duration::from_hours(24)).await;
    assert_eq!(list(&served).await, (vec!["a".to_owned(), "b".to_owned()], "oci".to_owned()));
    assert!(faults(&served, "oci").await.iter().any(|fault| fault.starts_with("*: ")));
}

#[tokio::test(start_paused = true)]
async fn o02b_a_partial_list_of_releases_removes_none_and_is_marked() {
    let backend =
        scripted(BackendId::OCI, &["provider/a:1.0.0", "provider/a:2.0.0", "provider/b:1.0.0"]);
    let served = served(backend.clone()).await;
    list(&served).await;
    *backend.partial.lock() = Some((id("provider/a"), 1));
    backend.inner.publish(&id("provider/a"), tag("3.0.0"), about("d", &[]), "3");
    pass(TTL).await;
    assert_eq!(versions(&served, "provider/a").await, ["3.0.0", "2.0.0", "1.0.0"]);
    let marked = served.call("/extensions/provider/a", &[]).await;
    assert_eq!(marked.header("extension-registry-degraded"), "oci");
    let whole = served.call("/extensions/provider/b", &[]).await;
    assert_eq!(whole.header("extension-registry-degraded"), "", "another one is whole");
    assert_eq!(list(&served).await.1, "oci");
    assert_eq!(faults(&served, "oci").await, ["provider/a: page 2 is missing"]);
    *backend.partial.lock() = None;
    pass(TTL).await;
    assert_eq!(list(&served).await.1, "");
    assert_eq!(faults(&served, "oci").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn o14b_a_partial_list_of_repositories_is_marked_until_it_is_whole() {
    let backend = scripted(BackendId::OCI, &["provider/a:1.0.0"]);
    set(&backend.cuts_listings, true);
    let served = served(backend.clone()).await;
    assert_eq!(list(&served).await, (vec!["a".to_owned()], "oci".to_owned()));
    assert_eq!(faults(&served, "oci").await, ["*: page 2 is missing"]);
    let one = served.call("/extensions/provider/a", &[]).await;
    assert_eq!(one.header("extension-registry-degraded"), "", "the one that is known is whole");
    set(&backend.cuts_listings, false);
    pass(Duration::from_hours(1) + TTL).await;
    assert_eq!(list(&served).await, (vec!["a".to_owned()], String::new()));
    assert_eq!(faults(&served, "oci").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn g01b_a_sweep_that_fails_half_way_goes_on_where_it_was() {
    let names: Vec<String> = (0..60).map(|n| format!("provider/p{n:02}:1.0.0")).collect();
    let releases: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scripted = Scripted::new(BackendId::GITEA, &releases);
    // Seventeen answers, then nothing but refusals until the next round.
    scripted.answers_per_round = Some(17);
    let backend = Arc::new(scripted);
    let served = served(backend.clone()).await;
    let (known, marked) = list(&served).await;
    assert!(known.len() >= 17 && marked == "gitea", "{} known, marked {marked:?}", known.len());
    pass(Duration::from_mins(1)).await;
    assert_eq!(list(&served).await.0.len(), 60);
    let asked = backend.asked().extensions;
    assert!(asked < 60 + 4 * 20, "what was read is not read again: {asked} reads");
}

#[tokio::test(start_paused = true)]
async fn g06_one_failed_read_of_a_sweep_is_made_good_in_the_next_round() {
    for kind in [
        ErrorKind::BackendUnavailable { retry_after: Duration::from_secs(1) },
        ErrorKind::BackendFaulty,
        ErrorKind::BackendTimeout,
        ErrorKind::BackendRefused,
    ] {
        let backend = scripted(BackendId::GITEA, &["provider/a:1.0.0", "provider/b:1.0.0"]);
        *backend.fails_once.lock() = Some((id("provider/a"), Error::new(kind, "status 429")));
        let served = served(backend.clone()).await;
        assert_eq!(list(&served).await, (vec!["b".to_owned()], "gitea".to_owned()), "{kind:?}");
        assert_eq!(faults(&served, "gitea").await, ["provider/a: status 429"], "{kind:?}");
        pass(TTL).await;
        let all = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(list(&served).await, (all, String::new()), "{kind:?}");
        assert_eq!(faults(&served, "gitea").await, Vec::<String>::new(), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g02b_a_refused_repository_stays_and_does_not_make_the_backend_unhealthy() {
    let backend = scripted(BackendId::GITEA, &["provider/a:1.0.0", "provider/b:1.0.0"]);
    let served = served(backend.clone()).await;
    list(&served).await;
    *backend.refused.lock() = vec![id("provider/a")];
    served.catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    pass(Duration::from_secs(30)).await;
    assert_eq!(list(&served).await, (vec!["a".to_owned(), "b".to_owned()], "gitea".to_owned()));
    assert_eq!(faults(&served, "gitea").await, ["provider/a: lacks the unit Releases"]);
    assert_eq!(served.call("/extensions/provider/a/1.0.0", &[]).await.status, 200);
    pass(TTL).await;
    assert_eq!(health(&served, "gitea").await["healthy"], true, "the others can be read");
    backend.refused.lock().clear();
    pass(TTL).await;
    assert_eq!(list(&served).await.1, "");
    assert_eq!(faults(&served, "gitea").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn g06b_made_up_names_are_no_evidence() {
    let backend = scripted(BackendId::GITEA, &["provider/a:1.0.0"]);
    let served = Served::with(vec![backend.clone()], Setup { ttl: TTL, ..Setup::default() }).await;
    list(&served).await;
    *backend.refused.lock() = vec![id("provider/made-up")];
    let got = served.call("/extensions/provider/made-up", &[]).await;
    assert_eq!(got.status, 502);
    assert_eq!(faults(&served, "gitea").await, Vec::<String>::new());
    assert_eq!(list(&served).await.1, "");
}
