//! Many callers, one question: a cold answer is made once, whoever leaves, fails or panics.
//!
//! The clock is virtual and the test never idles before it means to, so that no deadline passes
//! however slow the machine is.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::edge::admission::Admission;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::request_limit::RequestLimit;
use registry_server::server::Limits;
use registry_testing::ids::{about, id, tag};
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};

use crate::support::served::{Got, Served, Setup};

const NEW: &str = "/extensions/provider/new";

/// A service that knows nothing of `provider/new`, which its backend has and holds back.
async fn cold() -> (Arc<Scripted>, Served) {
    let backend = Arc::new(Scripted::new(BackendId::GITEA, &["provider/known:1.0.0"]));
    let limits = Limits { max_connections: 3000, ..Setup::default().limits };
    // More at once than the service lets in by default: what is counted here comes behind the door.
    let admission =
        Arc::new(Admission { requests: RequestLimit::of(20_000), ..Admission::default() });
    let http = HttpRules { admission, ..Setup::default().http };
    let setup = Setup { http, limits, ..Setup::default() };
    let served = Served::with(vec![backend.clone()], setup).await;
    served.call("/extensions", &[]).await;
    backend.inner.publish(&id("provider/new"), tag("1.0.0"), about("d", &[]), "new");
    backend.gate.shut();
    (backend, served)
}

/// Callers at once, each in a task of its own.
fn callers(served: &Served, count: usize) -> JoinSet<Got> {
    let caller = |_| {
        let router = served.router.clone();
        async move { Served::through(router, NEW, &[]).await }
    };
    (0..count).map(caller).collect()
}

/// Until so many requests have missed the memo, and wait. Turns are counted, since time stands
/// still: one that never comes is a failure, and no test without end.
async fn missed(served: &Served, count: u64) {
    let counters = served.metrics.cache("metadata");
    for _ in 0..50_000_000 {
        if counters.misses() >= count {
            return;
        }
        yield_now().await;
    }
    panic!("{} of {count} requests came", counters.misses());
}

/// Every answer, while time stands still.
async fn all<T: Send + 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut answers = Vec::new();
    while !tasks.is_empty() {
        while let Some(answer) = tasks.try_join_next() {
            answers.push(answer.unwrap());
        }
        yield_now().await;
    }
    answers
}

fn statuses(answers: &[Got]) -> HashSet<StatusCode> {
    answers.iter().map(|got| got.status).collect()
}

#[tokio::test(start_paused = true)]
async fn row_24_ten_thousand_callers_cause_one_question() {
    let (backend, served) = cold().await;
    let before = backend.asked().extensions;
    let waiting = callers(&served, 10_000);
    missed(&served, 10_000).await;
    backend.gate.open();
    let answers = all(waiting).await;
    assert_eq!((answers.len(), statuses(&answers)), (10_000, HashSet::from([StatusCode::OK])));
    assert_eq!(answers.iter().map(|got| &got.body).collect::<HashSet<_>>().len(), 1);
    assert_eq!(backend.asked().extensions - before, 1);
    let stats = served.call("/cache/stats", &[]).await.json();
    assert_eq!(stats["metadata"]["misses"], 10_000, "each of them, and once");
    let line = r#"extension_registry_cache_coalesced_total{cache="metadata"} 9999"#;
    assert!(served.call("/metrics", &[]).await.text().contains(line));
}

#[tokio::test(start_paused = true)]
async fn row_25_the_question_goes_on_when_the_first_thousand_leave() {
    let (backend, served) = cold().await;
    let before = backend.asked().extensions;
    let mut leaving = callers(&served, 1000);
    missed(&served, 1000).await;
    leaving.abort_all();
    while leaving.join_next().await.is_some() {}
    let waiting = callers(&served, 9000);
    missed(&served, 10_000).await;
    backend.gate.open();
    let answers = all(waiting).await;
    assert_eq!((answers.len(), statuses(&answers)), (9000, HashSet::from([StatusCode::OK])));
    assert_eq!(backend.asked().extensions - before, 1);
}

#[tokio::test(start_paused = true)]
async fn row_25_who_leaves_a_thousand_times_leaves_a_warm_answer() {
    let (backend, served) = cold().await;
    let before = backend.asked().extensions;
    for _ in 0..1000 {
        assert!(served.call(NEW, &[]).now_or_never().is_none(), "it waits, and leaves");
    }
    backend.gate.open();
    while served.call("/cache/stats", &[]).await.json()["metadata_entries"] != 1 {
        yield_now().await;
    }
    let got = served.call(NEW, &[]).await;
    assert_eq!(
        (got.status, got.header("cache-status")),
        (StatusCode::OK, "extension-registry; hit")
    );
    assert_eq!(backend.asked().extensions - before, 1);
}

#[tokio::test(start_paused = true)]
async fn row_25_a_failure_is_one_question_and_never_absence() {
    let (backend, served) = cold().await;
    let before = backend.asked().extensions;
    let waiting = callers(&served, 10_000);
    missed(&served, 10_000).await;
    backend.down.store(true, Ordering::SeqCst);
    backend.gate.open();
    let answers = all(waiting).await;
    let expected = HashSet::from([StatusCode::SERVICE_UNAVAILABLE]);
    assert_eq!((answers.len(), statuses(&answers)), (10_000, expected));
    for got in &answers {
        assert_eq!(got.json()["error"], "backend_unavailable");
        assert_eq!(got.header("retry-after"), "1");
    }
    assert_eq!(backend.asked().extensions - before, 1);
    backend.down.store(false, Ordering::SeqCst);
    assert_eq!(served.call(NEW, &[]).await.status, StatusCode::OK, "a failure is not remembered");
}

#[tokio::test(start_paused = true)]
async fn row_25_a_panic_reaches_everyone_and_the_next_asks_again() {
    let (backend, served) = cold().await;
    let waiting = callers(&served, 100);
    missed(&served, 100).await;
    backend.panics.store(true, Ordering::SeqCst);
    backend.gate.open();
    let answers = all(waiting).await;
    let expected = HashSet::from([StatusCode::INTERNAL_SERVER_ERROR]);
    assert_eq!((answers.len(), statuses(&answers)), (100, expected));
    assert_eq!(answers[0].json()["message"], "Internal error; the log has the cause");
    backend.panics.store(false, Ordering::SeqCst);
    assert_eq!(served.call(NEW, &[]).await.status, StatusCode::OK);
}

/// One request on a connection of its own, which it keeps open until it is answered.
async fn over_a_socket(address: String) -> String {
    let stream = TcpStream::connect(&address).await;
    let mut stream = stream.expect("this test needs 4,100 open files: see ulimit -n");
    let request = format!("GET /api/v1{NEW} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Two thousand connections, of which the first ten are cut while they wait.
async fn two_thousand_sockets(fails: bool) -> (usize, HashSet<String>) {
    let (backend, served) = cold().await;
    let before = backend.asked().extensions;
    let address = served.base.strip_prefix("http://").unwrap().to_owned();
    let mut leaving: JoinSet<_> = (0..10).map(|_| over_a_socket(address.clone())).collect();
    missed(&served, 10).await;
    leaving.abort_all();
    while leaving.join_next().await.is_some() {}
    let mut waiting = JoinSet::new();
    // In batches: a connection beyond the accept queue is retried by the system after seconds.
    for batch in 1..=4 {
        (0..500).for_each(|_| drop(waiting.spawn(over_a_socket(address.clone()))));
        missed(&served, 10 + 500 * batch).await;
    }
    backend.down.store(fails, Ordering::SeqCst);
    backend.gate.open();
    let answers = all(waiting).await;
    assert_eq!(answers.len(), 2000);
    (backend.asked().extensions - before, answers.into_iter().collect())
}

#[tokio::test(start_paused = true)]
async fn row_24_two_thousand_connections_cause_one_question() {
    let expected = HashSet::from(["HTTP/1.1 200 OK".to_owned()]);
    assert_eq!(two_thousand_sockets(false).await, (1, expected));
}

#[tokio::test(start_paused = true)]
async fn row_25_two_thousand_connections_hear_of_one_failure() {
    let expected = HashSet::from(["HTTP/1.1 503 Service Unavailable".to_owned()]);
    assert_eq!(two_thousand_sockets(true).await, (1, expected));
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_answer_is_made_once() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    backend.inner.write_readme(&id("provider/aws"), tag("1.0.0"), "# AWS");
    let served = Served::over(vec![backend.clone()]).await;
    served.call("/extensions", &[]).await;
    let before = backend.asked();
    for (path, cache) in [("1.0.0/metadata", "releases"), ("readme", "readmes")] {
        backend.gate.shut();
        let caller = |_| {
            let router = served.router.clone();
            async move {
                Served::through(router, &format!("/extensions/provider/aws/{path}"), &[]).await
            }
        };
        let waiting: JoinSet<_> = (0..100).map(caller).collect();
        while served.metrics.our_cache(cache).misses() < 100 {
            yield_now().await;
        }
        backend.gate.open();
        assert_eq!(statuses(&all(waiting).await), HashSet::from([StatusCode::OK]), "{path}");
    }
    let asked = [&backend.versions, &backend.readmes].map(|count| count.load(Ordering::SeqCst));
    assert_eq!((asked, backend.asked()), ([1, 1], before));
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_before_a_change_brings_nothing_old_back() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    backend.inner.write_readme(&id("provider/aws"), tag("1.0.0"), "# before");
    let served = Served::over(vec![backend.clone()]).await;
    served.call("/extensions", &[]).await;
    for path in ["1.0.0/metadata", "readme"] {
        let path = &format!("/extensions/provider/aws/{path}");
        backend.gate.shut();
        let mut early = Box::pin(served.call(path, &[]));
        assert!(early.as_mut().now_or_never().is_none(), "{path}: it waits");
        while backend.versions.load(Ordering::SeqCst) + backend.readmes.load(Ordering::SeqCst) == 0
        {
            yield_now().await;
        }
        let changed = about(&format!("changed for {path}"), &[]);
        backend.inner.publish(&id("provider/aws"), tag("1.0.0"), changed, "other bytes");
        backend.inner.write_readme(&id("provider/aws"), tag("1.0.0"), format!("# {path}"));
        let aws = id("provider/aws");
        let mut changed = Box::pin(served.catalog.reader.refresh(&aws, Scope::All));
        assert!(changed.as_mut().now_or_never().is_none(), "it waits behind the same gate");
        let mut late = Box::pin(served.call(path, &[]));
        backend.gate.open();
        changed.await.unwrap();
        assert_eq!(early.await.status, StatusCode::OK);
        assert!(late.as_mut().await.text().contains(path), "{path}");
        let kept = served.call(path, &[]).await;
        assert!(kept.text().contains(path), "{path}: {}", kept.text());
        backend.versions.store(0, Ordering::SeqCst);
    }
}
