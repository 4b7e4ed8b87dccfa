//! Who waits for backends that do not answer: nobody where something is known, nobody longer than
//! 2.5 s in all; and what an outage says of a backend, and of its extensions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use registry_catalog::state::persister::Persister;
use registry_catalog::{Catalog, Merge};
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::time::{Instant, advance};

use crate::support::served::{Got, Served, Setup, rules};

const PATIENCE: Duration = Duration::from_millis(2500);
const TTL: Duration = Duration::from_mins(5);
const ANSWERS: [&str; 7] = [
    "/extensions",
    "/extensions/search?q=aws",
    "/extensions/provider/aws",
    "/extensions/provider/aws/versions",
    "/extensions/provider/aws/resolve?constraint=*",
    "/extensions/provider/aws/latest/metadata",
    "/extensions/provider/aws/1.0.0/metadata",
];

fn backend(source: BackendId) -> Arc<Scripted> {
    Arc::new(Scripted::new(source, &["provider/aws:1.0.0", "provider/aws:1.1.0"]))
}

fn silence(backend: &Scripted, silent: bool) {
    backend.silent.store(silent, Ordering::SeqCst);
}

/// A service that knows what the backends have.
async fn knowing(backends: &[&Arc<Scripted>], setup: Setup) -> Served {
    let dynamic = backends.iter().map(|&backend| Arc::clone(backend) as Arc<dyn Backend>);
    let served = Served::with(dynamic.collect(), setup).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served
}

/// The same after a restart, while the backend says nothing any more.
async fn restarted(backend: &Arc<Scripted>, dir: &TempDir) -> Served {
    let of = || vec![(backend.id(), "x".to_owned())];
    let state = || Some((dir.path().to_owned(), of(), Timestamp::now()));
    let first = knowing(&[backend], Setup { state: state(), ..Setup::default() }).await;
    let persister = Persister::new(Arc::clone(&first.catalog), dir.path(), of());
    persister.save(Timestamp::now()).await.unwrap();
    drop(first);
    silence(backend, true);
    let asked = backend.questions();
    let setup = Setup { state: state(), ..Setup::default() };
    let served = Served::with(vec![Arc::clone(backend) as _], setup).await;
    // The round of the start.
    while backend.questions() == asked {
        tokio::task::yield_now().await;
    }
    served
}

async fn timed(served: &Served, path: &str) -> (Got, Duration) {
    let begun = Instant::now();
    (served.call(path, &[]).await, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn row_03_after_a_restart_in_an_outage_nothing_that_is_known_waits_or_asks() {
    let (backend, dir) = (backend(BackendId::GITEA), tempfile::tempdir().unwrap());
    let served = restarted(&backend, &dir).await;
    let asked = backend.questions();
    for path in ANSWERS {
        let (got, took) = timed(&served, path).await;
        assert_eq!((got.status, took), (StatusCode::OK, Duration::ZERO), "{path}: {}", got.text());
        assert_eq!(backend.questions(), asked, "{path}");
    }
    let whole = served.call("/extensions/provider/aws/1.0.0/metadata", &[]).await;
    assert_eq!(whole.header("extension-registry-degraded"), "gitea", "its notes are not known");
}

#[tokio::test(start_paused = true)]
async fn row_03_with_memos_off_a_backend_that_says_nothing_keeps_nobody_longer_than_any() {
    let backend = backend(BackendId::GITEA);
    let setup = Setup { lists: false, metadata: false, ..Setup::default() };
    let served = knowing(&[&backend], setup).await;
    silence(&backend, true);
    for path in ANSWERS.into_iter().filter(|path| !path.contains("search")) {
        let (got, took) = timed(&served, path).await;
        assert_eq!((got.status, took), (StatusCode::OK, PATIENCE), "{path}: {}", got.text());
        assert_eq!(got.header("extension-registry-degraded"), "gitea", "{path}");
    }
    let (got, took) = timed(&served, "/extensions/provider/none").await;
    assert_eq!((got.status, took), (StatusCode::GATEWAY_TIMEOUT, PATIENCE));
}

#[tokio::test(start_paused = true)]
async fn row_03_however_many_questions_a_read_asks_it_waits_once_for_all() {
    let unread = |source| {
        let releases = ["provider/aws:1.0.0", "provider/aws:1.1.0"];
        let mut backend = Scripted::new(source, &releases);
        backend.leaves_unread = true;
        Arc::new(backend)
    };
    let backends = [BackendId::GITEA, BackendId::OCI].map(unread);
    let [gitea, oci] = &backends;
    let setup = Setup { merge: Merge::Union, ..Setup::default() };
    let served = knowing(&[gitea, oci], setup).await;
    for backend in &backends {
        silence(backend, true);
    }
    let (versions, took) = timed(&served, "/extensions/provider/aws/versions").await;
    assert_eq!((versions.status, took), (StatusCode::OK, PATIENCE), "{}", versions.text());
    assert_eq!(versions.column("version"), ["1.1.0", "1.0.0"]);
    assert_eq!(versions.header("extension-registry-degraded"), "gitea");
    let (unknown, took) = timed(&served, "/extensions/provider/aws/9.9.9/metadata").await;
    assert_eq!((unknown.status, took), (StatusCode::GATEWAY_TIMEOUT, PATIENCE));
    // What was asked goes on by itself.
    for backend in &backends {
        silence(backend, false);
    }
    let whole = served.call("/extensions/provider/aws/versions", &[]).await;
    assert_eq!(whole.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_waits_for_no_longer_is_no_failure_of_the_backend() {
    let backend = backend(BackendId::GITEA);
    let served = knowing(&[&backend], Setup::default()).await;
    silence(&backend, true);
    for (path, status) in [
        ("/extensions/provider/aws/readme", StatusCode::GATEWAY_TIMEOUT),
        ("/extensions/provider/aws/1.0.0/metadata", StatusCode::OK),
        ("/extensions/provider/none", StatusCode::GATEWAY_TIMEOUT),
    ] {
        let (got, took) = timed(&served, path).await;
        assert_eq!((got.status, took), (status, PATIENCE), "{path}");
        let health = served.call("/health", &[]).await.json();
        assert_eq!(health["backends"]["gitea"]["healthy"], true, "{path}: {health}");
    }
    let asked = backend.questions();
    served.call("/extensions/provider/aws/readme", &[]).await;
    assert_eq!(
        backend.questions(),
        asked,
        "the question of before goes on, and serves who asks now"
    );
}

#[tokio::test(start_paused = true)]
async fn while_nothing_is_known_a_read_waits_once() {
    let backend = backend(BackendId::GITEA);
    silence(&backend, true);
    for (lists, metadata) in [(true, true), (false, false)] {
        let setup = Setup { lists, metadata, ..Setup::default() };
        let served = Served::with(vec![Arc::clone(&backend) as _], setup).await;
        for path in ANSWERS {
            let (got, took) = timed(&served, path).await;
            assert!(took <= PATIENCE, "{path}: {took:?}");
            assert!([503, 504].contains(&got.status.as_u16()), "{path}: {}", got.status);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_memo_answers_no_longer_than_what_it_was_made_of() {
    let backend = backend(BackendId::GITEA);
    let setup = Setup { ttl: Duration::from_secs(200_000), ..Setup::default() };
    let served = knowing(&[&backend], setup).await;
    for path in ANSWERS {
        assert_eq!(served.call(path, &[]).await.status, StatusCode::OK, "{path}");
    }
    backend.down.store(true, Ordering::SeqCst);
    advance(Duration::from_secs(86_401)).await;
    for path in ANSWERS {
        let got = served.call(path, &[]).await;
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", got.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_whose_every_read_fails_makes_nothing_current_and_loses_no_change() {
    let backend = backend(BackendId::GITEA);
    let catalog = Catalog::new(vec![Arc::clone(&backend) as _], rules(Merge::Owner, TTL));
    catalog.syncer.sync(Scope::All).await.unwrap();
    backend.inner.publish(&id("provider/aws"), tag("2.0.0"), about("d", &[]), "new");
    // Changes are told, and then every read hits an error of the backend.
    backend.reads_fail.store(true, Ordering::SeqCst);
    advance(Duration::from_mins(1)).await;
    assert!(catalog.syncer.sync(Scope::All).await.is_err());
    assert_eq!(
        catalog.health.freshness(Scope::All, None, Instant::now()).age,
        Duration::from_mins(1)
    );
    let (_, status) = catalog.health.statuses().remove(0);
    assert!(!status.healthy && status.faults.is_empty(), "{status:?}");
    backend.reads_fail.store(false, Ordering::SeqCst);
    catalog.syncer.sync(Scope::All).await.unwrap();
    let entry = catalog.reader.find(&id("provider/aws"), Scope::All).await.unwrap();
    assert!(entry.extension.find(&tag("2.0.0")).is_some(), "the change is told again");
    assert_eq!(backend.asked().listings, 1, "and needs no sweep");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_no_fault_of_the_extensions_that_were_asked_for_in_it() {
    let names: Vec<String> = (0..50).map(|number| format!("provider/p{number}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &names));
    let served = knowing(&[&backend], Setup::default()).await;
    backend.down.store(true, Ordering::SeqCst);
    advance(TTL + Duration::from_secs(1)).await;
    let before = backend.asked().extensions;
    for number in 0..50 {
        let got = served.call(&format!("/extensions/provider/p{number}"), &[]).await;
        assert_eq!(got.status, StatusCode::OK);
    }
    // Each is old, and read again behind its answer, in vain.
    while backend.asked().extensions < before + 50 {
        tokio::task::yield_now().await;
    }
    advance(Duration::from_mins(1)).await;
    let health = served.call("/health", &[]).await.json();
    assert_eq!(health["backends"]["gitea"]["healthy"], false, "{health}");
    assert_eq!(health["backends"]["gitea"]["faults"], serde_json::json!([]));
}
