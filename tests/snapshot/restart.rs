//! A service that starts with what an earlier one knew.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_catalog::state::persister::Persister;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::{Asked, Scripted};
use tokio::time::{Instant, sleep};

use super::{FILE, after, catalog, noon, others, persister, prints, written};
use crate::support::served::{Served, Setup};

#[tokio::test(start_paused = true)]
async fn ten_thousand_extensions_answer_before_any_question_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..10_000).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    written(dir.path(), &names).await;
    let down = Scripted::down(BackendId::GITEA);
    let known = catalog(vec![down.clone()]);
    assert_eq!(persister(&known, dir.path()).read(after(60)).await.unwrap(), [BackendId::GITEA]);
    let view = known.reader.ready(Scope::All).await.unwrap();
    assert_eq!(view.list(None, Scope::All).count(), 10_000);
    let (_, release) =
        known.reader.find_release(&id("provider/p7"), &tag("1.0.0"), Scope::All).await.unwrap();
    assert_eq!(release.version.as_str(), "1.0.0");
    assert_eq!(down.asked(), Asked::default());
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_as_old_as_its_round_and_degraded_once_it_is_stale() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["provider/a:1.0.0"]).await;
    for (seconds, degraded) in [(600, vec![]), (601, vec![BackendId::GITEA])] {
        let known = catalog(vec![Scripted::down(BackendId::GITEA)]);
        persister(&known, dir.path()).read(after(seconds)).await.unwrap();
        let freshness = known.health.freshness(Scope::All, None, Instant::now());
        assert_eq!(freshness.age.as_secs(), u64::try_from(seconds).unwrap());
        assert_eq!(freshness.degraded, degraded, "after {seconds} s");
    }
}

#[tokio::test]
async fn the_api_answers_from_the_last_run_while_nothing_is_reachable() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["provider/a:1.0.0", "provider/a:1.1.0"]).await;
    let state = Some((dir.path().to_owned(), prints(), after(7200)));
    let served =
        Served::with(vec![Scripted::down(BackendId::GITEA)], Setup { state, ..Setup::default() })
            .await;
    for path in ["/extensions", "/extensions/provider/a", "/extensions/provider/a/versions"] {
        let got = served.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        assert_eq!(got.header("extension-registry-degraded"), "gitea", "{path}");
        assert!(got.header("age").parse::<u64>().unwrap() >= 7200, "{path}");
    }
    assert_eq!(
        served.get("/extensions/provider/a/versions").await.json().as_array().unwrap().len(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn rounds_go_on_where_they_were_if_that_is_recent_enough() {
    let dir = tempfile::tempdir().unwrap();
    let backend = written(dir.path(), &["provider/a:1.0.0", "provider/b:1.0.0"]).await;
    backend.inner.publish(&id("provider/c"), tag("1.0.0"), about("d", &[]), "c");
    for (seconds, questions) in [
        (60, Asked { listings: 0, changes: 1, extensions: 1 }),
        (3601, Asked { listings: 1, changes: 1, extensions: 3 }),
    ] {
        let before = backend.asked();
        let known = catalog(vec![backend.clone()]);
        persister(&known, dir.path()).read(after(seconds)).await.unwrap();
        known.syncer.sync(Scope::All).await.unwrap();
        let now = backend.asked();
        let asked = Asked {
            listings: now.listings - before.listings,
            changes: now.changes - before.changes,
            extensions: now.extensions - before.extensions,
        };
        assert_eq!(asked, questions, "after {seconds} s");
        assert_eq!(known.store.view().entries(Scope::All).len(), 3);
        assert!(known.health.freshness(Scope::All, None, Instant::now()).age.is_zero());
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_whose_owner_lost_it_stays_orphaned() {
    let dir = tempfile::tempdir().unwrap();
    let gitea = Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]));
    let oci = Arc::new(Scripted::new(BackendId::OCI, &["provider/a:9.0.0"]));
    let backends: Vec<Arc<dyn Backend>> = vec![gitea.clone(), oci];
    let first = catalog(backends.clone());
    let tasks = first.syncer.start();
    sleep(Duration::from_secs(1)).await;
    gitea.inner.remove(&id("provider/a"));
    sleep(Duration::from_secs(400)).await;
    assert!(first.reader.find(&id("provider/a"), Scope::All).await.unwrap_err().is_not_found());
    drop(tasks);
    persister(&first, dir.path()).save(noon()).await.unwrap();

    let second = catalog(backends.clone());
    persister(&second, dir.path()).read(after(60)).await.unwrap();
    second.syncer.sync(Scope::All).await.unwrap();
    let error = second.reader.find(&id("provider/a"), Scope::All).await.unwrap_err();
    assert!(error.is_not_found() && error.message().contains("removed from gitea"), "{error}");

    let persist_error = catalog(backends);
    persist_error.syncer.sync(Scope::All).await.unwrap();
    assert!(
        persist_error.reader.find(&id("provider/a"), Scope::All).await.is_ok(),
        "only the file knows it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_another_one_now_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["provider/a:1.0.0"]).await;
    let known = catalog(vec![Scripted::down(BackendId::GITEA)]);
    let elsewhere = vec![(BackendId::GITEA, "another".to_owned())];
    let moved = Persister::new(known.clone(), dir.path(), elsewhere);
    assert_eq!(moved.read(after(60)).await.unwrap(), []);
    assert!(known.store.view().entries(Scope::All).is_empty() && !known.health.can_answer());
    let other = catalog(vec![Scripted::down(BackendId::OCI)]);
    assert_eq!(persister(&other, dir.path()).read(after(60)).await.unwrap(), []);
    assert_eq!(others(dir.path()), Vec::<String>::new(), "it is no damage");
}

#[tokio::test(start_paused = true)]
async fn changes_are_written_within_seconds_and_quiet_rounds_each_minute() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]));
    let known = catalog(vec![backend.clone()]);
    let mut tasks = known.syncer.start();
    tasks.spawn(persister(&known, dir.path()).run());
    let read = || std::fs::read(dir.path().join(FILE)).unwrap_or_default();
    sleep(Duration::from_secs(6)).await;
    let first = read();
    assert!(!first.is_empty());
    sleep(Duration::from_secs(100)).await;
    assert_eq!(read(), first, "nothing is new");
    backend.inner.publish(&id("provider/b"), tag("1.0.0"), about("d", &[]), "b");
    known.syncer.notice(BackendId::GITEA, vec![id("provider/b")]);
    sleep(Duration::from_secs(6)).await;
    assert!(String::from_utf8(read()).unwrap().contains("provider/b"));
    assert_eq!(others(dir.path()), Vec::<String>::new());
    backend.down.store(true, Ordering::SeqCst);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_settled_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(Scripted::new(
        BackendId::GITEA,
        &["provider/a:1.0.0", "provider/b:1.0.0", "provider/c:1.0.0"],
    ));
    let first = catalog(vec![backend.clone()]);
    first.syncer.sync(Scope::All).await.unwrap();
    persister(&first, dir.path()).save(noon()).await.unwrap();
    // One is said to be gone, another is noticed; then the process ends.
    backend.inner.remove(&id("provider/a"));
    first.reader.refresh(&id("provider/a"), Scope::All).await.unwrap();
    first.syncer.notice(BackendId::GITEA, vec![id("provider/b")]);
    persister(&first, dir.path()).save(after(1)).await.unwrap();

    // It comes up by a clock that is an hour ahead: a "no" does not get older by that.
    let second = catalog(vec![backend.clone()]);
    persister(&second, dir.path()).read(after(3600)).await.unwrap();
    let before = backend.asked().extensions;
    let _tasks = second.syncer.start();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(backend.asked().extensions, before + 3, "the notice, the deletion, and changes");
    second.reader.refresh(&id("provider/a"), Scope::All).await.unwrap();
    assert!(
        second.reader.find(&id("provider/a"), Scope::All).await.is_ok(),
        "the second no came too soon"
    );
    sleep(Duration::from_secs(10)).await;
    second.reader.refresh(&id("provider/a"), Scope::All).await.unwrap();
    assert!(
        second.store.view().get(&id("provider/a"), Scope::All).is_none(),
        "one no was known already"
    );
}

#[tokio::test(start_paused = true)]
async fn a_notice_alone_is_reason_enough_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]));
    let known = catalog(vec![backend]);
    known.syncer.sync(Scope::All).await.unwrap();
    let persister = persister(&known, dir.path());
    persister.save(noon()).await.unwrap();
    let read = || std::fs::read_to_string(dir.path().join(FILE)).unwrap();
    assert!(!read().contains("dirty"));
    known.syncer.notice(BackendId::GITEA, vec![id("provider/a")]);
    persister.save(after(1)).await.unwrap();
    assert!(read().contains(r#""dirty":["provider/a"]"#), "{}", read());
}

#[tokio::test(start_paused = true)]
async fn row_23_a_clock_that_is_an_hour_wrong_costs_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let backend = written(dir.path(), &["provider/a:1.0.0"]).await;
    for (wrong, age) in [(-3600, 86_400), (3600, 3600)] {
        let known = catalog(vec![backend.clone()]);
        let persister = persister(&known, dir.path());
        assert_eq!(persister.read(after(wrong)).await.unwrap(), [BackendId::GITEA]);
        assert!(known.reader.find(&id("provider/a"), Scope::All).await.is_ok());
        let freshness = known.health.freshness(Scope::All, None, Instant::now());
        assert_eq!((freshness.age.as_secs(), freshness.degraded.len()), (age, 1), "{wrong}");
        known.syncer.sync(Scope::All).await.unwrap();
        let freshness = known.health.freshness(Scope::All, None, Instant::now());
        assert_eq!((freshness.age.as_secs(), freshness.degraded.len()), (0, 0), "{wrong}");
        // Written by the wrong clock, read by the right one.
        persister.save(after(wrong)).await.unwrap();
        let next = catalog(vec![Scripted::down(BackendId::GITEA)]);
        super::persister(&next, dir.path()).read(noon()).await.unwrap();
        assert!(next.reader.find(&id("provider/a"), Scope::All).await.is_ok());
        assert!(
            next.health.freshness(Scope::All, None, Instant::now()).age.as_secs() >= 3600,
            "never younger than it is"
        );
        written(dir.path(), &["provider/a:1.0.0"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_were_lost_stay_lost_over_many_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let gitea =
        Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0", "provider/b:1.0.0"]));
    let first = catalog(vec![gitea.clone()]);
    first.syncer.sync(Scope::All).await.unwrap();
    gitea.inner.remove(&id("provider/a"));
    for _ in 0..2 {
        first.reader.refresh(&id("provider/a"), Scope::All).await.unwrap();
        sleep(Duration::from_secs(11)).await;
    }
    persister(&first, dir.path()).save(noon()).await.unwrap();
    let oci = Arc::new(Scripted::new(BackendId::OCI, &["provider/a:9.0.0"]));
    for restart in 1..4 {
        let backends: Vec<Arc<dyn Backend>> = vec![gitea.clone(), oci.clone()];
        let next = catalog(backends);
        persister(&next, dir.path()).read(after(restart * 60)).await.unwrap();
        next.syncer.sync(Scope::All).await.unwrap();
        let error = next.reader.find(&id("provider/a"), Scope::All).await.unwrap_err();
        assert!(error.message().contains("removed from gitea"), "restart {restart}: {error}");
        persister(&next, dir.path()).save(after(restart * 60)).await.unwrap();
    }
}
