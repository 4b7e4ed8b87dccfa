//! How the catalog stays true over time. The clock is virtual; questions are counted.

mod faults;
mod pages;
mod publishing;
mod removal;
mod replica;
mod room;
mod storm;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_catalog::deadline::Deadline;
use registry_catalog::{Catalog, Merge};
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::{Asked, Scripted};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::served::rules;

const TTL: Duration = Duration::from_mins(5);

/// A catalog that is kept current, its first round made.
async fn kept(backend: Arc<Scripted>) -> (Arc<Catalog>, JoinSet<()>) {
    let backends: Vec<Arc<dyn Backend>> = vec![backend];
    let catalog = Catalog::new(backends, rules(Merge::Owner, TTL));
    let tasks = catalog.syncer.start();
    // An outage is no failure of the test: some begin with one.
    let _ = catalog.reader.ready(Scope::All).await;
    (catalog, tasks)
}

fn backend(releases: &[&str]) -> Arc<Scripted> {
    Arc::new(Scripted::new(BackendId::GITEA, releases))
}

fn listed(catalog: &Catalog) -> Vec<String> {
    catalog.store.view().entries(Scope::All).iter().map(|entry| entry.id().to_string()).collect()
}

/// Lets the clock run a little past a moment, so that what happens at it has happened.
async fn pass(duration: Duration) {
    sleep(duration + Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_round_asks_one_question_once_per_time_to_live() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    let (_catalog, _tasks) = kept(backend.clone()).await;
    assert_eq!(backend.asked(), Asked { listings: 1, changes: 1, extensions: 2 });
    pass(TTL).await;
    assert_eq!(backend.asked(), Asked { listings: 1, changes: 2, extensions: 2 });
    pass(TTL * 3).await;
    assert_eq!(backend.asked(), Asked { listings: 1, changes: 5, extensions: 2 });
}

#[tokio::test(start_paused = true)]
async fn a_round_reads_only_what_changed() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    backend.inner.publish(&id("provider/c"), tag("1.0.0"), about("d", &[]), "c");
    pass(TTL).await;
    assert_eq!(backend.asked(), Asked { listings: 1, changes: 2, extensions: 3 });
    assert_eq!(listed(&catalog), ["provider/a", "provider/b", "provider/c"]);
}

#[tokio::test(start_paused = true)]
async fn everything_is_swept_again_once_an_hour() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (_catalog, _tasks) = kept(backend.clone()).await;
    pass(TTL * 11).await;
    assert_eq!(backend.asked().listings, 1);
    pass(TTL * 2).await;
    assert_eq!(backend.asked().listings, 2);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_cannot_tell_changes_is_swept_each_time() {
    let mut scripted = Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]);
    scripted.tells_changes = false;
    let backend = Arc::new(scripted);
    let (_catalog, _tasks) = kept(backend.clone()).await;
    pass(TTL * 2).await;
    assert_eq!(backend.asked().listings, 3);
}

#[tokio::test(start_paused = true)]
async fn row_44_a_removed_repository_goes_after_two_answers_ten_seconds_apart() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    backend.inner.remove(&id("provider/a"));
    pass(TTL).await;
    assert_eq!(listed(&catalog), ["provider/a", "provider/b"], "once is not enough");
    pass(Duration::from_secs(9)).await;
    assert_eq!(listed(&catalog), ["provider/a", "provider/b"]);
    pass(Duration::from_secs(1)).await;
    assert_eq!(listed(&catalog), ["provider/b"]);
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_comes_back_in_between_stays() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    backend.inner.remove(&id("provider/a"));
    pass(TTL + Duration::from_secs(5)).await;
    backend.inner.publish(&id("provider/a"), tag("1.0.1"), about("d", &[]), "a");
    pass(Duration::from_mins(10)).await;
    assert_eq!(listed(&catalog), ["provider/a"]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_listing_deletes_nothing_and_is_tried_again_soon() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    backend.down.store(true, Ordering::SeqCst);
    pass(TTL * 3).await;
    assert_eq!(listed(&catalog), ["provider/a"]);
    let status = &catalog.health.statuses()[0].1;
    assert!(!status.healthy);
    assert!(status.last_error.as_ref().unwrap().contains("connection refused"));
    assert_eq!(
        catalog.health.freshness(Scope::All, None, Instant::now()).degraded,
        [BackendId::GITEA]
    );
    backend.down.store(false, Ordering::SeqCst);
    pass(Duration::from_secs(31)).await;
    assert!(catalog.health.statuses()[0].1.healthy);
    assert_eq!(catalog.health.freshness(Scope::All, None, Instant::now()).degraded, []);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_was_down_at_the_start_is_known_a_second_after_it_is_back() {
    let backend = backend(&["provider/a:1.0.0"]);
    backend.down.store(true, Ordering::SeqCst);
    let (catalog, _tasks) = kept(backend.clone()).await;
    assert!(catalog.reader.ready(Scope::All).await.is_err());
    backend.down.store(false, Ordering::SeqCst);
    pass(Duration::from_secs(1)).await;
    assert_eq!(listed(&catalog), ["provider/a"]);
}

#[tokio::test(start_paused = true)]
async fn a_notice_is_read_at_once_and_any_number_of_them_once() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    backend.inner.publish(&id("provider/a"), tag("1.1.0"), about("d", &[]), "a");
    for _ in 0..10_000 {
        catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    }
    pass(Duration::ZERO).await;
    let view = catalog.store.view();
    let entry = view.get(&id("provider/a"), Scope::All).unwrap();
    assert_eq!(entry.extension.latest().unwrap().version.as_str(), "1.1.0");
    assert_eq!(backend.asked().extensions, 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_read_does_not_undo_what_a_later_one_has_found() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let versions = || {
        let entry = catalog.store.view().get(&id("provider/a"), Scope::All).cloned();
        entry.map(|entry| entry.extension.releases().len())
    };
    *backend.late_once.lock() = Some(Duration::from_secs(5));
    catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    pass(Duration::from_secs(1)).await;
    backend.inner.publish(&id("provider/a"), tag("1.1.0"), about("d", &[]), "a");
    let failed =
        catalog.syncer.force_refresh(&id("provider/a"), Scope::All, Deadline::of_a_read()).await;
    assert_eq!((failed, versions()), (Vec::new(), Some(2)));
    // The answer of the first read, with one release, arrives before that of the next read.
    *backend.late_once.lock() = Some(Duration::from_secs(5));
    pass(Duration::from_millis(4500)).await;
    assert_eq!(versions(), Some(2));
    pass(Duration::from_mins(1)).await;
    assert_eq!(versions(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_comes_before_its_tag_is_followed_for_three_seconds() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    pass(Duration::from_millis(500)).await;
    backend.inner.publish(&id("provider/a"), tag("1.1.0"), about("d", &[]), "late");
    pass(Duration::from_millis(500)).await;
    let entry = catalog.store.view().get(&id("provider/a"), Scope::All).cloned().unwrap();
    assert_eq!(entry.extension.latest().unwrap().version.as_str(), "1.1.0");
    pass(Duration::from_mins(1)).await;
    assert_eq!(backend.asked().extensions, 1 + 3, "at 0, 1 and 3 seconds, and no more");
}

#[tokio::test(start_paused = true)]
async fn a_notice_of_a_removal_is_followed_until_it_is_certain() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    backend.inner.remove(&id("provider/a"));
    catalog.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    let begun = Instant::now();
    while listed(&catalog).len() == 2 {
        sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(
        backend.asked().extensions,
        2 + 4 + 1,
        "at 0, 1, 3 and 10 seconds, and b as witness"
    );
}

#[tokio::test(start_paused = true)]
async fn an_extension_that_was_read_long_ago_is_read_again_behind_the_answer() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    pass(TTL.checked_sub(Duration::from_secs(1)).unwrap()).await;
    catalog.reader.find(&id("provider/a"), Scope::All).await.unwrap();
    pass(Duration::ZERO).await;
    assert_eq!(backend.asked().extensions, 2, "it is current");
    pass(Duration::from_secs(1)).await;
    for _ in 0..5 {
        catalog.reader.find(&id("provider/a"), Scope::All).await.unwrap();
    }
    pass(Duration::ZERO).await;
    assert_eq!(backend.asked().extensions, 3, "five readers, one question");
    catalog.reader.find(&id("provider/a"), Scope::All).await.unwrap();
    pass(Duration::ZERO).await;
    assert_eq!(backend.asked().extensions, 3, "it is current again");
}

#[tokio::test(start_paused = true)]
async fn callers_who_want_a_round_share_one() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let before = backend.asked().changes;
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let catalog = Arc::clone(&catalog);
        callers.spawn(async move { catalog.syncer.sync(Scope::All).await });
    }
    while let Some(outcome) = callers.join_next().await {
        outcome.unwrap().unwrap();
    }
    let rounds = backend.asked().changes - before;
    assert!((1..=2).contains(&rounds), "{rounds} rounds for 100 callers");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_goes_away_within_a_sweep_is_not_asked_for_everything() {
    let names: Vec<String> = (0..1000).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scripted = Scripted::new(BackendId::GITEA, &names);
    scripted.listing_survives = true;
    let backend = Arc::new(scripted);
    backend.down.store(true, Ordering::SeqCst);
    let catalog = Catalog::new(vec![backend.clone() as Arc<dyn Backend>], rules(Merge::Owner, TTL));
    assert!(catalog.syncer.sync(Scope::All).await.is_err());
    let asked = backend.asked().extensions;
    assert!(asked < 50, "{asked} questions");
    assert!(!catalog.health.statuses()[0].1.healthy);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_name_is_asked_for_once_and_the_no_is_remembered() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let before = backend.asked().extensions;
    let mut callers = JoinSet::new();
    for _ in 0..10_000 {
        let catalog = Arc::clone(&catalog);
        callers.spawn(async move { catalog.reader.find(&id("provider/none"), Scope::All).await });
    }
    while let Some(outcome) = callers.join_next().await {
        assert!(outcome.unwrap().unwrap_err().is_not_found());
    }
    assert_eq!(backend.asked().extensions, before + 1, "10,000 callers, one question");
    pass(Duration::from_secs(9)).await;
    assert!(catalog.reader.find(&id("provider/none"), Scope::All).await.is_err());
    assert_eq!(backend.asked().extensions, before + 1, "remembered");
    backend.inner.publish(&id("provider/none"), tag("1.0.0"), about("d", &[]), "x");
    pass(Duration::from_secs(1)).await;
    assert!(catalog.reader.find(&id("provider/none"), Scope::All).await.is_ok(), "asked for again");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_version_is_asked_for_once_and_the_no_is_remembered() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let before = backend.asked().extensions;
    for _ in 0..100 {
        let found = catalog.reader.find_release(&id("provider/a"), &tag("9.9.9"), Scope::All).await;
        assert!(found.unwrap_err().is_not_found());
    }
    assert_eq!(backend.asked().extensions, before + 1);
}

#[tokio::test(start_paused = true)]
async fn row_26_made_up_names_cost_a_backend_five_questions_a_second() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let before = backend.asked().extensions;
    for n in 0..1000 {
        let error =
            catalog.reader.find(&id(&format!("provider/x{n}")), Scope::All).await.unwrap_err();
        assert!(error.is_not_found(), "the listing is complete and current: {error}");
    }
    assert_eq!(backend.asked().extensions, before + 5);
    pass(Duration::from_secs(1)).await;
    catalog.reader.find(&id("provider/y"), Scope::All).await.unwrap_err();
    assert_eq!(backend.asked().extensions, before + 6);
}

#[tokio::test(start_paused = true)]
async fn row_26_a_listing_that_was_cut_short_says_no_to_nobody() {
    let mut scripted = Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]);
    scripted.tells_changes = false;
    let backend = Arc::new(scripted);
    let (catalog, _tasks) = kept(backend.clone()).await;
    let mut number = 0;
    let mut ask = async || {
        let mut noes = 0;
        for _ in 0..10 {
            number += 1;
            let error = catalog.reader.find(&id(&format!("provider/x{number}")), Scope::All).await;
            noes += usize::from(error.unwrap_err().is_not_found());
        }
        noes
    };
    assert_eq!(ask().await, 10, "five were asked for, and the listing is complete");
    backend.cuts_listings.store(true, Ordering::SeqCst);
    pass(TTL).await;
    assert_eq!(ask().await, 5, "the backend's own noes: what was complete is too long ago");
    backend.cuts_listings.store(false, Ordering::SeqCst);
    pass(TTL).await;
    assert_eq!(ask().await, 10);
}

#[tokio::test(start_paused = true)]
async fn rounds_of_changes_make_no_listing_complete_that_was_not() {
    let backend = backend(&["provider/a:1.0.0"]);
    for (cut, noes) in [(true, 5), (false, 10)] {
        backend.cuts_listings.store(cut, Ordering::SeqCst);
        let (catalog, _tasks) = kept(backend.clone()).await;
        pass(TTL * 3).await;
        let mut said = 0;
        for number in 0..10 {
            let error = catalog.reader.find(&id(&format!("provider/x{number}")), Scope::All).await;
            said += usize::from(error.unwrap_err().is_not_found());
        }
        assert_eq!(said, noes, "cut: {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_and_cannot_be_read_is_not_absent() {
    let backend = backend(&["provider/a:1.0.0", "provider/b:1.0.0"]);
    *backend.faulty.lock() = Some(id("provider/b"));
    let (catalog, _tasks) = kept(backend.clone()).await;
    for number in 0..5 {
        catalog.reader.find(&id(&format!("provider/x{number}")), Scope::All).await.unwrap_err();
    }
    let error = catalog.reader.find(&id("provider/B"), Scope::All).await.unwrap_err();
    assert!(!error.is_not_found(), "{error}");
    let error = catalog.reader.find(&id("provider/y"), Scope::All).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn errors_are_never_remembered_as_absence() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    backend.down.store(true, Ordering::SeqCst);
    let error = catalog.reader.find(&id("provider/b"), Scope::All).await.unwrap_err();
    assert!(!error.is_not_found(), "{error}");
    backend.down.store(false, Ordering::SeqCst);
    backend.inner.publish(&id("provider/b"), tag("1.0.0"), about("d", &[]), "x");
    assert!(catalog.reader.find(&id("provider/b"), Scope::All).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn made_up_versions_never_remove_an_extension() {
    let backend = backend(&["provider/a:1.0.0"]);
    let (catalog, _tasks) = kept(backend.clone()).await;
    for second in 0..30 {
        // These use up the budget, so that the version below is never asked for.
        for n in 0..5 {
            let made_up = id(&format!("provider/x{second}-{n}"));
            assert!(catalog.reader.find(&made_up, Scope::All).await.unwrap_err().is_not_found());
        }
        let version = tag(&format!("9.{second}.0"));
        let found = catalog.reader.find_release(&id("provider/a"), &version, Scope::All).await;
        assert!(found.unwrap_err().is_not_found());
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(listed(&catalog), ["provider/a"]);
}
