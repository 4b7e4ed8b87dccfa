//! Clients that do not read what they asked for: what they hold, and for how long.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::edge::admission::Admission;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::request_limit::RequestLimit;
use registry_testing::http2::Http2;
use registry_testing::memory::memory;
use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

use crate::support::liveness::lives_at_once;
use crate::support::served::{Served, Setup};

/// A service of a thousand extensions, one of which has many versions, that answers so many requests
/// at once.
async fn served(room: usize) -> Served {
    let extensions = (0..1000).map(|n| format!("provider/p{n}:1.0.0"));
    let names: Vec<String> =
        extensions.chain((0..200).map(|n| format!("provider/p0:2.{n}.0"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let admission = Admission { requests: RequestLimit::of(room), ..Admission::default() };
    let http = HttpRules { admission: Arc::new(admission), ..HttpRules::default() };
    let setup = Setup { http, ..Setup::default() };
    let served = Served::with(vec![memory(BackendId::LOCAL, &names)], setup).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

#[tokio::test(start_paused = true)]
async fn row_32_an_answer_of_http2_that_is_not_taken_keeps_its_place_and_is_cut_within_a_minute() {
    // In HTTP/2 a window of one byte leaves an answer in our buffers, however small it is.
    for path in [
        "/extensions/search?q=p&limit=1000",
        "/extensions/search?q=p&limit=5",
        "/extensions/provider/p0/versions",
    ] {
        let served = served(1).await;
        // From now on the last of these is kept, and given by the short way.
        assert_eq!(served.get(path).await.status, StatusCode::OK);
        let (client, mut connection) = Http2::connect(served.address(), 1).await;
        let mut answer = client.ask(path).await.unwrap().into_body();
        let begun = Instant::now();
        lives_at_once(&served, "an answer of HTTP/2 that is not taken");
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap().len(), 1);
        while !connection.is_finished() {
            let status = served.get("/extensions").await.status;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}: its place is free");
            // Neither other requests nor a byte now and then prove that the client goes on.
            assert!(begun.elapsed() < Duration::from_secs(61), "{path}: it is not cut");
            let _ = client.whole("/health/live").await;
            let _ = answer.frame().await;
            tokio::select! {
                _ = &mut connection => break,
                () = sleep(Duration::from_secs(7)) => {}
            }
        }
        let took = begun.elapsed();
        assert!((60_000..60_500).contains(&took.as_millis()), "{path}: cut after {took:?}");
        assert_eq!(served.get("/extensions").await.status, StatusCode::OK, "{path}");
    }
}
