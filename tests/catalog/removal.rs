//! What goes, what stays, and to whom a name belongs afterwards.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_catalog::{Catalog, Merge, Rules};
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::Scripted;

use super::{TTL, backend, kept, listed, pass};
use crate::support::served::rules;

const A_DAY: Duration = Duration::from_hours(24);

fn reasons(catalog: &Catalog) -> Vec<String> {
    let faults = catalog.health.statuses().into_iter().flat_map(|(_, status)| status.faults);
    faults.map(|fault| format!("{}: {}", fault.repository, fault.reason)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_says_no_to_everything_it_had_is_not_believed() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0", "provider/c:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    for name in ["provider/a", "provider/b", "provider/c"] {
        backend.inner.remove(&id(name));
    }
    // Long enough for a round of changes, every step of the schedule, and full sweeps.
    pass(A_DAY).await;
    assert_eq!(listed(&catalog).len(), 3);
    let reasons = reasons(&catalog);
    assert!(
        reasons.iter().any(|reason| reason.starts_with("*: the backend reports")),
        "{reasons:?}"
    );
    backend.inner.publish(&id("provider/b"), tag("1.0.0"), about("d", &[]), "b");
    pass(A_DAY).await;
    assert_eq!(listed(&catalog), ["provider/b"], "it shows one of them again: the others are gone");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_shrinks_to_nothing_removes_nothing_and_costs_nothing() {
    let mut scripted = Scripted::new(BackendId::GITEA, &["provider/a:1.0.0", "provider/b:1.0.0"]);
    scripted.tells_changes = false;
    let backend = Arc::new(scripted);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let before = backend.asked().extensions;
    for name in ["provider/a", "provider/b"] {
        backend.inner.remove(&id(name));
    }
    pass(TTL * 12).await;
    assert_eq!(listed(&catalog), ["provider/a", "provider/b"]);
    assert_eq!(backend.asked().extensions, before, "an empty list is no reason to ask for each");
    assert_eq!(catalog.health.statuses()[0].1.faults.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_only_extension_goes_only_while_our_credentials_work() {
    for (refuses, left) in [(false, 0), (true, 1)] {
        let backend = backend(&["provider/a:1.0.0"]);
        let (catalog, _tasks) = kept(backend.clone()).await;
        backend.refuses.store(refuses, Ordering::SeqCst);
        backend.inner.remove(&id("provider/a"));
        catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
        pass(Duration::from_secs(400)).await;
        assert_eq!(listed(&catalog).len(), left, "refuses: {refuses}");
    }
}

/// Gitea had a name, and lost it; OCI has it too.
async fn lost_by_its_owner(rules: Rules) -> (Arc<Catalog>, Arc<Scripted>, Arc<Scripted>) {
    let gitea =
        Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0", "provider/x:1.0.0"]));
    let oci = Arc::new(Scripted::new(BackendId::OCI, &["provider/a:9.0.0"]));
    let backends: Vec<Arc<dyn Backend>> = vec![gitea.clone(), oci.clone()];
    let catalog = Catalog::new(backends, rules);
    catalog.syncer.sync(Scope::All).await.unwrap();
    gitea.inner.remove(&id("provider/a"));
    for _ in 0..2 {
        catalog.syncer.sync(Scope::All).await.unwrap();
        catalog.reader.refresh(&id("provider/a"), BackendId::GITEA).await.unwrap();
        pass(Duration::from_secs(10)).await;
    }
    (catalog, gitea, oci)
}

#[tokio::test(start_paused = true)]
async fn a_name_passes_on_only_where_takeover_is_allowed() {
    let (catalog, ..) = lost_by_its_owner(rules(Merge::Owner, TTL)).await;
    let error = catalog.reader.find(&id("provider/a"), Scope::All).await.unwrap_err();
    assert!(error.is_not_found() && error.message().contains("?source=oci"), "{error}");
    assert_eq!(listed(&catalog), ["provider/x"]);

    let allowed = Rules { allow_takeover: true, ..rules(Merge::Owner, TTL) };
    let (catalog, gitea, _) = lost_by_its_owner(allowed).await;
    let entry = catalog.reader.find(&id("provider/a"), Scope::All).await.unwrap();
    assert_eq!(entry.extension.latest().unwrap().version.as_str(), "9.0.0");
    assert_eq!(listed(&catalog), ["provider/a", "provider/x"]);
    // The order counts nevertheless: whoever comes first has it again.
    gitea.inner.publish(&id("provider/a"), tag("1.0.1"), about("d", &[]), "back");
    catalog.syncer.sync(Scope::All).await.unwrap();
    let entry = catalog.reader.find(&id("provider/a"), Scope::All).await.unwrap();
    assert_eq!(entry.extension.latest().unwrap().version.as_str(), "1.0.1");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_has_is_still_its_last_owners() {
    let (catalog, gitea, oci) = lost_by_its_owner(rules(Merge::Owner, TTL)).await;
    oci.inner.remove(&id("provider/a"));
    oci.inner.publish(&id("provider/y"), tag("1.0.0"), about("d", &[]), "y");
    for _ in 0..2 {
        catalog.reader.refresh(&id("provider/a"), BackendId::OCI).await.unwrap();
        catalog.syncer.sync(Scope::All).await.unwrap();
        pass(Duration::from_secs(10)).await;
    }
    let error = catalog.reader.find(&id("provider/a"), Scope::All).await.unwrap_err();
    assert_eq!(error.message(), "Extension provider/a not found");
    oci.inner.publish(&id("provider/a"), tag("9.9.9"), about("d", &[]), "again");
    catalog.syncer.sync(Scope::All).await.unwrap();
    let error = catalog.reader.find(&id("provider/a"), Scope::All).await.unwrap_err();
    assert!(error.message().contains("removed from gitea"), "{error}");
    gitea.inner.publish(&id("provider/a"), tag("1.0.1"), about("d", &[]), "back");
    catalog.syncer.sync(Scope::All).await.unwrap();
    assert!(catalog.reader.find(&id("provider/a"), Scope::All).await.is_ok());
}
