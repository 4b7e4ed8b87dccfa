//! How changes become visible: soon, seldom enough, and without a touch to what did not change.

use std::sync::Arc;
use std::time::Duration;

use registry_catalog::{Catalog, Merge};
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::Scripted;
use tokio::time::Instant;

use super::{TTL, backend, kept, listed, pass};
use crate::support::served::rules;

#[tokio::test(start_paused = true)]
async fn a_sweep_of_thousands_shows_at_most_ten_views_a_second() {
    let names: Vec<String> = (0..5000).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scripted = Scripted::new(BackendId::GITEA, &names);
    scripted.latency = Duration::from_millis(10);
    let backend = Arc::new(scripted);
    let begun = Instant::now();
    let (catalog, _tasks) = kept(backend).await;
    let mut shown = Vec::new();
    while begun.elapsed() < Duration::from_secs(10) {
        let view = catalog.store.view();
        if shown.last().is_none_or(|(revision, _)| *revision != view.revision) {
            shown.push((view.revision, view.entries(Scope::All).len()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (revisions, last) = *shown.last().unwrap();
    assert_eq!(last, 5000);
    // The sweep takes 6.25 s.
    assert!((20..=63).contains(&revisions), "{revisions} views");
    assert!(shown.len() > 20, "it is seen on its way: {shown:?}");
    assert!(shown.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_did_not_change_is_the_same_in_the_next_view() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0", "provider/c:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let before = catalog.store.view();
    backend.inner.publish(&id("provider/B"), tag("2.0.0"), about("d", &[]), "b");
    catalog.reader.refresh(&id("provider/b"), Scope::All).await.unwrap();
    let after = catalog.store.view();
    for source in [Scope::All, BackendId::GITEA.into()] {
        let same = before.entries(source).iter().zip(after.entries(source));
        let same: Vec<bool> = same.map(|(before, after)| Arc::ptr_eq(before, after)).collect();
        assert_eq!(same, [true, false, true], "{source:?}");
    }
    catalog.reader.refresh(&id("provider/b"), Scope::All).await.unwrap();
    assert_eq!(catalog.store.view().revision, after.revision, "the same again is no news");
}

#[tokio::test(start_paused = true)]
async fn reading_many_unread_versions_in_a_row_waits_for_no_view() {
    let releases: Vec<String> = (0..30).map(|n| format!("provider/a:1.{n}.0")).collect();
    let releases: Vec<&str> = releases.iter().map(String::as_str).collect();
    let mut scripted = Scripted::new(BackendId::OCI, &releases);
    scripted.leaves_unread = true;
    let (catalog, _tasks) = kept(Arc::new(scripted)).await;
    let begun = Instant::now();
    for number in 0..29 {
        let version = tag(&format!("1.{number}.0"));
        let found = catalog.reader.find_download(&id("provider/a"), &version, Scope::All).await;
        assert!(found.unwrap().1.manifest_digest.is_some());
    }
    // Five views follow each other at once, and then there are five a second.
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_the_merged_list_shares_with_an_owners_is_held_once() {
    let first = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    let (catalog, _tasks) = kept(first.clone()).await;
    let view = catalog.store.view();
    let lists = [Scope::All, BackendId::GITEA.into()].map(|source| view.entries(source).as_ptr());
    assert_eq!(lists[0], lists[1], "one backend: one list");

    let second = Arc::new(Scripted::new(BackendId::OCI, &["provider/b:2.0.0", "provider/c:1.0.0"]));
    for (merge, shared) in [(Merge::Owner, [true; 3]), (Merge::Union, [true, false, true])] {
        let catalog = Catalog::new(vec![first.clone(), second.clone()], rules(merge, TTL));
        catalog.syncer.sync(Scope::All).await.unwrap();
        let view = catalog.store.view();
        let same = |(merged, backend): (_, BackendId)| {
            view.entries(backend.into()).iter().any(|own| Arc::ptr_eq(own, merged))
        };
        let owners = [BackendId::GITEA, BackendId::GITEA, BackendId::OCI];
        let held: Vec<bool> = view.entries(Scope::All).iter().zip(owners).map(same).collect();
        assert_eq!(held, shared, "{merge:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_hangs_keeps_no_other_from_being_read() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    *backend.hangs.lock() = Some(id("provider/a"));
    catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    pass(Duration::from_millis(100)).await;
    backend.inner.publish(&id("provider/c"), tag("1.0.0"), about("d", &[]), "c");
    catalog.syncer.notice(BackendId::GITEA, vec![id("provider/c")]);
    pass(Duration::from_millis(100)).await;
    assert_eq!(listed(&catalog), ["provider/a", "provider/b", "provider/c"]);
}
