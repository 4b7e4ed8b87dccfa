//! What a backend may take up of memory: what there is no room for is refused, said, and never 404.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_catalog::health::status::Status;
use registry_catalog::{Catalog, Merge, Rules};
use registry_core::backend::Backend;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::Scripted;
use tokio::time::Instant;

use super::{TTL, backend, listed, pass};
use crate::support::served::{Served, Setup, rules};

const AB: [&str; 2] = ["provider/a:1.0.0", "provider/b:1.0.0"];

fn bounded(backends: Vec<Arc<dyn Backend>>, max_bytes: usize) -> Arc<Catalog> {
    Catalog::new(backends, Rules { max_bytes, ..rules(Merge::Owner, TTL) })
}

fn status(catalog: &Catalog) -> Status {
    catalog.health.statuses().remove(0).1
}

fn said(catalog: &Catalog) -> Vec<String> {
    status(catalog).faults.into_iter().map(|fault| fault.reason).collect()
}

/// What these take up where there is room for everything.
async fn weight_of(releases: &[&str]) -> usize {
    let catalog = bounded(vec![backend(releases)], usize::MAX);
    catalog.syncer.sync(Scope::All).await.unwrap();
    status(&catalog).capacity.bytes
}

#[track_caller]
fn assert_no_room(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{error}");
    assert!(error.message().contains("catalog.max_bytes"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_room_for_is_refused_and_said_and_never_absent() {
    let backend = backend(&AB);
    let catalog = bounded(vec![backend.clone()], weight_of(&AB).await);
    let _tasks = catalog.syncer.start();
    catalog.reader.ready(Scope::All).await.unwrap();
    assert_eq!(said(&catalog), [""; 0]);
    assert_eq!(catalog.health.freshness(Scope::All, None, Instant::now()).degraded, []);

    backend.inner.publish(&id("provider/c"), tag("1.0.0"), about("d", &[]), "c");
    backend.inner.publish(&id("provider/a"), tag("1.1.0"), about("d", &[]), "a");
    pass(TTL).await;
    assert_eq!(listed(&catalog), ["provider/a", "provider/b"]);
    assert_eq!(said(&catalog), ["catalog.max_bytes leaves no room for 2 extensions of gitea"]);
    assert_eq!(
        catalog.health.freshness(Scope::All, None, Instant::now()).degraded,
        [BackendId::GITEA]
    );
    // Within the budget and beyond it, by its own source and by none.
    for number in 0..20 {
        let source = if number % 2 == 0 { BackendId::GITEA.into() } else { Scope::All };
        assert_no_room(&catalog.reader.find(&id("provider/c"), source).await.unwrap_err());
        let newer = catalog.reader.find_release(&id("provider/a"), &tag("1.1.0"), source).await;
        assert_no_room(&newer.unwrap_err());
    }
    let known = catalog.reader.find_release(&id("provider/a"), &tag("1.0.0"), Scope::All).await;
    assert!(known.is_ok(), "what was known stays");
    pass(Duration::from_secs(1)).await;
    let made_up = catalog.reader.find(&id("provider/x"), Scope::All).await.unwrap_err();
    assert!(made_up.is_not_found(), "the backend itself says no: {made_up}");
}

#[tokio::test(start_paused = true)]
async fn when_an_extension_goes_the_next_sweep_takes_in_what_was_refused() {
    let backend = backend(&AB);
    let catalog = bounded(vec![backend.clone()], weight_of(&AB).await);
    let _tasks = catalog.syncer.start();
    catalog.reader.ready(Scope::All).await.unwrap();
    backend.inner.publish(&id("provider/c"), tag("1.0.0"), about("d", &[]), "c");
    pass(TTL).await;
    assert_eq!(said(&catalog), ["catalog.max_bytes leaves no room for 1 extension of gitea"]);
    backend.inner.remove(&id("provider/b"));
    pass(Duration::from_hours(1) + TTL).await;
    assert_eq!(listed(&catalog), ["provider/a", "provider/c"]);
    assert_eq!(said(&catalog), [""; 0]);
    assert_eq!(catalog.health.freshness(Scope::All, None, Instant::now()).degraded, []);
    assert!(catalog.reader.find(&id("provider/b"), Scope::All).await.unwrap_err().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_names_others_in_each_round_stays_within_its_bound() {
    let mut scripted = Scripted::new(BackendId::GITEA, &AB);
    scripted.tells_changes = false;
    scripted.cuts_listings.store(true, Ordering::SeqCst);
    let backend = Arc::new(scripted);
    let max = weight_of(&AB).await * 10;
    let catalog = bounded(vec![backend.clone()], max);
    for round in 0..10 {
        for number in 0..20 {
            let name = id(&format!("provider/p{round}-{number}"));
            backend.inner.publish(&name, tag("1.0.0"), about("d", &[]), "p");
        }
        catalog.syncer.sync(Scope::All).await.unwrap();
        // Its listing is cut short, so that nothing is lost of what it named before.
        for number in 0..20 {
            backend.inner.remove(&id(&format!("provider/p{round}-{number}")));
        }
    }
    let held = status(&catalog).capacity;
    assert!(held.bytes <= max && held.bytes > max / 2, "{held:?} of {max}");
    assert_eq!(held.refused, 20, "nothing that the last sweep named did fit");
    assert_eq!(listed(&catalog)[..2], ["provider/a", "provider/b"], "the first stay");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_refused_passes_to_no_later_backend() {
    let gitea = backend(&AB);
    let oci = Arc::new(Scripted::new(BackendId::OCI, &["provider/c:9.0.0", "provider/d:9.0.0"]));
    let max = weight_of(&AB).await;
    let catalog = bounded(vec![gitea.clone(), oci], max);
    catalog.syncer.sync(Scope::All).await.unwrap();
    assert!(catalog.reader.find(&id("provider/c"), Scope::All).await.is_ok());
    gitea.inner.publish(&id("provider/c"), tag("1.0.0"), about("d", &[]), "c");
    catalog.syncer.sync(Scope::All).await.unwrap();
    let refused = catalog.reader.find(&id("provider/c"), Scope::All).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::BackendUnavailable { .. }), "{refused}");
    assert!(refused.message().contains("?source=oci"), "{refused}");
    assert!(catalog.reader.find(&id("provider/c"), BackendId::OCI).await.is_ok());
    let other = catalog.reader.find(&id("provider/d"), Scope::All).await.unwrap_err();
    assert!(!other.is_not_found(), "gitea may have any name: {other}");
    gitea.inner.remove(&id("provider/c"));
    catalog.syncer.sync(Scope::All).await.unwrap();
    let refused = catalog.reader.find(&id("provider/c"), Scope::All).await.unwrap_err();
    assert!(!refused.is_not_found(), "until everything fits into a sweep: {refused}");
    tokio::time::advance(Duration::from_hours(1)).await;
    catalog.syncer.sync(Scope::All).await.unwrap();
    assert!(
        catalog.reader.find(&id("provider/c"), Scope::All).await.is_ok(),
        "it is nobody else's"
    );
}

#[tokio::test]
async fn callers_and_operators_are_told_what_there_is_no_room_for() {
    let setup = Setup { max_bytes: weight_of(&AB[..1]).await, ..Setup::default() };
    let served = Served::with(vec![backend(&AB[..1])], setup).await;
    let list = served.get("/extensions").await;
    assert_eq!(
        (list.column("name"), list.header("extension-registry-degraded")),
        (vec!["a".into()], "")
    );

    let setup = Setup { max_bytes: 10, ..Setup::default() };
    let served = Served::with(vec![backend(&AB)], setup).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let list = served.get("/extensions").await;
    assert_eq!((list.status.as_u16(), list.text().as_str()), (200, "[]"));
    assert_eq!(list.header("extension-registry-degraded"), "gitea");
    for path in [
        "/extensions/provider/a",
        "/extensions/provider/a/versions",
        "/extensions/provider/a/1.0.0",
    ] {
        let refused = served.get(path).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "60"), "{path}");
        assert!(refused.text().contains("catalog.max_bytes"), "{}", refused.text());
    }
    let health = served.get("/health").await.json();
    let faults = &health["backends"]["gitea"]["faults"];
    assert_eq!(faults[0]["reason"], "catalog.max_bytes leaves no room for 2 extensions of gitea");
    let metrics = served.get("/metrics").await.text();
    let series = "extension_registry_catalogue_refused_extensions{backend=\"gitea\"} 2";
    assert!(metrics.lines().any(|line| line == series), "{metrics}");
}
