//! How an outage is noticed, and how its end is. The clock is virtual.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_catalog::Catalog;
use registry_catalog::Merge;
use registry_core::backend::Backend;
use registry_core::backend::contact::{BreakerState, Contact};
use registry_core::error::ErrorKind;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use registry_testing::log::Lines;
use registry_testing::scripted::Scripted;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::Level;

use super::rig::TTL;
use crate::support::served::rules;

/// A catalog that is kept current, over a backend whose breaker the test plays.
async fn kept() -> (Arc<Scripted>, Arc<Catalog>, JoinSet<()>) {
    let mut scripted = Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]);
    scripted.contact = Some(watch::Sender::new(Contact::default()));
    let scripted = Arc::new(scripted);
    let backends: Vec<Arc<dyn Backend>> = vec![scripted.clone()];
    let catalog = Catalog::new(backends, rules(Merge::Owner, TTL));
    let tasks = catalog.syncer.start();
    catalog.reader.ready(Scope::All).await.unwrap();
    (scripted, catalog, tasks)
}

fn set(backend: &Scripted, contact: Contact) {
    backend.contact.as_ref().unwrap().send_replace(contact);
}

fn open(seconds: u64) -> Contact {
    let until = Instant::now() + Duration::from_secs(seconds);
    Contact { breaker: BreakerState::Open { until }, ..Contact::default() }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds) + Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_asks_when_the_breaker_would_let_a_question_through() {
    let (backend, _catalog, _tasks) = kept().await;
    set(&backend, open(4));
    pass(3).await;
    assert_eq!(backend.probes.load(Ordering::SeqCst), 0);
    pass(1).await;
    // The backend of the test leaves the breaker as it is; a real one would close it or open it anew.
    set(&backend, Contact::default());
    assert!(backend.probes.load(Ordering::SeqCst) >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_round_follows_at_once_when_the_breaker_closes_after_an_outage() {
    let (backend, catalog, _tasks) = kept().await;
    backend.down.store(true, Ordering::SeqCst);
    // The next round fails, and so do some more, ever less often.
    pass(TTL.as_secs() + 20).await;
    set(&backend, open(3600));
    pass(60).await;
    backend.down.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    set(&backend, Contact::default());
    pass(0).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(
        catalog.health.freshness(Scope::All, None, Instant::now()).age.as_secs(),
        0,
        "within two seconds all is current"
    );
    assert!(catalog.health.statuses()[0].1.healthy);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_thousand_failures_is_one_warning_and_its_end_one_line() {
    let (lines, _guard) = Lines::capture(Level::INFO);
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]));
    let catalog = Catalog::new(vec![backend.clone() as _], rules(Merge::Owner, TTL));
    catalog.syncer.sync(Scope::All).await.unwrap();
    lines.take();
    for _ in 0..2 {
        backend.down.store(true, Ordering::SeqCst);
        for _ in 0..1000 {
            catalog.syncer.sync(Scope::All).await.unwrap_err();
        }
        let log = lines.take();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains(" WARN ") && log.contains("backend unavailable"), "{log}");
        backend.down.store(false, Ordering::SeqCst);
        for _ in 0..1000 {
            catalog.syncer.sync(Scope::All).await.unwrap();
        }
        let log = lines.take();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains(" INFO ") && log.contains("backend reachable"), "{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_kept_waiting_is_a_failure_while_it_runs_on() {
    let (backend, catalog, _tasks) = kept().await;
    assert!(catalog.health.statuses()[0].1.healthy);
    backend.down.store(true, Ordering::SeqCst);
    set(&backend, Contact { late: 1, ..Contact::default() });
    pass(0).await;
    let status = &catalog.health.statuses()[0].1;
    assert!(!status.healthy);
    assert_eq!(backend.probes.load(Ordering::SeqCst), 1, "and whether it is there is asked");
    backend.down.store(false, Ordering::SeqCst);
    set(&backend, Contact::default());
    pass(16).await;
    assert!(catalog.health.statuses()[0].1.healthy, "a silence later it is asked again");
}

#[tokio::test(start_paused = true)]
async fn a_silent_backend_is_asked_every_fifteen_seconds_whether_it_is_there() {
    let (backend, _catalog, _tasks) = kept().await;
    pass(61).await;
    assert_eq!(backend.probes.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn o13e_who_waits_in_vain_for_a_limited_backend_is_told_how_long_its_pause_is() {
    let (backend, catalog, _tasks) = kept().await;
    backend.silent.store(true, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    set(&backend, Contact { paused_until: Some(until), ..Contact::default() });
    let begun = Instant::now();
    let error = catalog.reader.find(&id("provider/unknown"), Scope::All).await.unwrap_err();
    assert!(begun.elapsed() <= Duration::from_millis(2500));
    let retry_after = Duration::from_secs(18);
    assert_eq!(error.kind(), ErrorKind::BackendUnavailable { retry_after });
    assert_eq!(error.message(), "A backend limits the request rate");
    let probes = backend.probes.load(Ordering::SeqCst);
    pass(17).await;
    assert_eq!(backend.probes.load(Ordering::SeqCst), probes, "no probe within the pause");
}

#[tokio::test(start_paused = true)]
async fn o13f_before_anything_is_known_callers_are_told_the_pause_as_well() {
    let mut scripted = Scripted::new(BackendId::GITEA, &["provider/a:1.0.0"]);
    let until = Instant::now() + Duration::from_hours(1);
    let open = Contact { breaker: BreakerState::Open { until }, ..Contact::default() };
    scripted.contact = Some(watch::Sender::new(open));
    scripted.down.store(true, Ordering::SeqCst);
    let backends: Vec<Arc<dyn Backend>> = vec![Arc::new(scripted)];
    let catalog = Catalog::new(backends, rules(Merge::Owner, TTL));
    catalog.syncer.sync(Scope::All).await.unwrap_err();
    let error = catalog.reader.ready(Scope::All).await.unwrap_err();
    let retry_after = Duration::from_hours(1);
    assert_eq!(error.kind(), ErrorKind::BackendUnavailable { retry_after });
}
