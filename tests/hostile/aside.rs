//! Work by the kilobyte is not done where connections are served.

use std::sync::mpsc;

use axum::body::Body;
use axum::http::Request;
use futures_util::FutureExt as _;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::memory::memory;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use crate::support::served::Served;

/// A service of 1,200 extensions.
async fn of_1200() -> Served {
    let names: Vec<String> = (0..1200).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let served = Served::over(vec![memory(BackendId::LOCAL, &names)]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

#[test]
fn s14_large_answers_are_compressed_aside_and_small_ones_at_once() {
    // The one thread that may wait is kept busy: what is done aside is not done yet.
    let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
        let served = of_1200().await;
        for coding in ["br", "gzip", "zstd"] {
            for (path, aside) in [
                ("/extensions?limit=1000&offset=1", true),
                ("/extensions?limit=1000", true),
                ("/extensions/search?q=p&limit=1000", true),
                ("/extensions?limit=10", false),
            ] {
                let accept = [("accept-encoding", coding)];
                let (release, released) = mpsc::channel::<()>();
                let busy = spawn_blocking(move || released.recv().is_ok());
                let request = Request::get(format!("/api/v1{path}")).header("host", "x");
                let request = request.header("accept-encoding", coding).body(Body::empty());
                let at_once = served.router.answer(request.unwrap()).now_or_never();
                let coded =
                    at_once.is_some_and(|answer| answer.headers().contains_key("content-encoding"));
                assert_eq!(coded, !aside, "{path} {coding}");
                drop(release);
                busy.await.unwrap();
                while served.call(path, &accept).await.header("content-encoding") != coding {}
            }
        }
    });
}

#[test]
fn s14c_large_pages_are_rendered_aside_and_small_ones_at_once() {
    // The one thread that may block is busy: what needs it is not answered yet.
    let runtime = Builder::new_current_thread().max_blocking_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
        let served = of_1200().await;
        for (path, aside) in [
            ("/extensions?limit=101", true),
            ("/extensions?limit=1000&offset=500&type=provider", true),
            ("/extensions/search?q=p&limit=1000", true),
            ("/extensions/search?q=p&limit=101&offset=3", true),
            ("/extensions", false),
            ("/extensions?limit=1000&offset=1150", false),
            ("/extensions/search?q=p", false),
        ] {
            let (release, released) = mpsc::channel::<()>();
            let busy = spawn_blocking(move || released.recv().is_ok());
            let request = Request::get(format!("/api/v1{path}")).header("host", "x");
            let request = request.body(Body::empty()).unwrap();
            let at_once = served.router.answer(request).now_or_never();
            assert_eq!(at_once.is_none(), aside, "{path}");
            drop(release);
            busy.await.unwrap();
            let first = served.call(path, &[]).await;
            let again = served.call(path, &[]).await;
            assert!(first.status == 200 && first.body == again.body, "{path}");
            assert_eq!(first.headers["x-total-count"], "1200", "{path}");
        }
    });
}

#[tokio::test]
async fn s14b_while_all_are_busy_answers_are_plain() {
    let served = of_1200().await;
    let answers = (0..40).map(|offset| {
        let path = format!("/extensions?limit=1000&offset={offset}");
        let router = served.router.clone();
        async move { Served::through(router, &path, &[("accept-encoding", "br")]).await }
    });
    let answers = futures_util::future::join_all(answers).await;
    let coded = answers.iter().filter(|answer| answer.header("content-encoding") == "br").count();
    assert!((1..40).contains(&coded), "{coded} of 40 were compressed at the same time");
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.header("vary").contains("accept-encoding")));
}
