//! The bound on memory, and what a listing lacked, over a restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_catalog::state::catalog_state::CatalogState;
use registry_catalog::{Catalog, Merge, Rules};
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use registry_testing::scripted::Scripted;
use tokio::time::Instant;

use super::{TTL, after, noon, persister, prints, written};
use crate::support::served::rules;

fn bounded(backend: &Arc<Scripted>, max_bytes: usize) -> Arc<Catalog> {
    let backends: Vec<Arc<dyn Backend>> = vec![backend.clone()];
    Catalog::new(backends, Rules { max_bytes, ..rules(Merge::Owner, TTL) })
}

fn held(catalog: &Catalog) -> (usize, usize) {
    let held = catalog.health.statuses()[0].1.capacity;
    (catalog.store.view().entries(Scope::All).len(), held.refused)
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_obeys_the_bound_and_what_was_refused_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let backend = written(dir.path(), &["provider/a:1", "provider/b:1", "provider/c:1"]).await;
    let all = bounded(&backend, usize::MAX);
    persister(&all, dir.path()).read(noon()).await.unwrap();
    assert_eq!(held(&all), (3, 0));
    let max = all.health.statuses()[0].1.capacity.bytes - 1;
    let some = bounded(&backend, max);
    persister(&some, dir.path()).read(noon()).await.unwrap();
    assert_eq!(held(&some), (2, 1));
    assert_eq!(
        some.health.freshness(Scope::All, None, Instant::now()).degraded,
        [BackendId::GITEA]
    );

    // The kept catalog lacks what was refused; that it was is kept.
    persister(&some, dir.path()).save(noon()).await.unwrap();
    let again = bounded(&backend, max);
    persister(&again, dir.path()).read(noon()).await.unwrap();
    assert_eq!(held(&again), (2, 1));
    backend.down.store(true, Ordering::SeqCst);
    let error = again.reader.find(&id("provider/c"), Scope::All).await.unwrap_err();
    assert!(!error.is_not_found(), "{error}");
    backend.down.store(false, Ordering::SeqCst);

    let wide = bounded(&backend, usize::MAX);
    persister(&wide, dir.path()).read(after(3600)).await.unwrap();
    assert_eq!(held(&wide), (2, 1), "until it is swept");
    wide.syncer.sync(Scope::All).await.unwrap();
    assert_eq!(held(&wide), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_as_complete_after_a_restart_as_before() {
    for (cut, noes) in [(false, 10), (true, 5)] {
        let dir = tempfile::tempdir().unwrap();
        let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1"]));
        backend.cuts_listings.store(cut, Ordering::SeqCst);
        let before = bounded(&backend, usize::MAX);
        before.syncer.sync(Scope::All).await.unwrap();
        persister(&before, dir.path()).save(noon()).await.unwrap();
        let catalog = bounded(&backend, usize::MAX);
        persister(&catalog, dir.path()).read(after(200)).await.unwrap();
        for quiet_rounds in 0..2 {
            let mut said = 0;
            for number in 0..10 {
                let name = id(&format!("provider/x{quiet_rounds}-{number}"));
                said += usize::from(
                    catalog.reader.find(&name, Scope::All).await.unwrap_err().is_not_found(),
                );
            }
            assert_eq!(said, noes, "cut: {cut}, after {quiet_rounds} rounds");
            tokio::time::advance(Duration::from_mins(1)).await;
            catalog.syncer.sync(Scope::All).await.unwrap();
        }
        assert_eq!(backend.asked().listings, 1, "those were rounds of changes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_was_bounded_degrades_no_list_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let backend = written(dir.path(), &["provider/a:1"]).await;
    for (listing, degraded) in [
        (Coverage::Bounded("the newest".into()), vec![]),
        (Coverage::Partial("page 2 is missing".into()), vec![BackendId::GITEA]),
    ] {
        let first = bounded(&backend, usize::MAX);
        persister(&first, dir.path()).read(noon()).await.unwrap();
        let mut snapshot = CatalogState::new(Arc::clone(&first), prints()).snapshot(noon());
        snapshot.backends.get_mut(&BackendId::GITEA).unwrap().listing = listing;
        let second = bounded(&backend, usize::MAX);
        let _ = CatalogState::new(Arc::clone(&second), prints()).restore(snapshot, noon());
        persister(&second, dir.path()).save(noon()).await.unwrap();
        let third = bounded(&backend, usize::MAX);
        persister(&third, dir.path()).read(noon()).await.unwrap();
        assert_eq!(third.health.freshness(Scope::All, None, Instant::now()).degraded, degraded);
    }
}
