//! What shared caches before us keep of an answer, and what they tell others of it.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_server::edge::admission::Admission;
use registry_server::edge::middleware::HttpRules;
use registry_testing::canary::CLIENT;
use registry_testing::memory::memory;
use reqwest::{Method, StatusCode};
use tower_http::cors::AllowOrigin;

use crate::api::admission::{limited, tokens};
use crate::support::served::{Served, Setup};

const DOWNLOAD: &str = "/extensions/provider/aws/1.0.0";

async fn served(admission: Admission, cors: Option<AllowOrigin>) -> Served {
    let http = HttpRules {
        compression: true,
        cors,
        admission: Arc::new(admission),
        ..HttpRules::default()
    };
    let setup = Setup { http, ..Setup::default() };
    Served::with(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])], setup).await
}

#[tokio::test]
async fn s21_what_varies_is_one_line_and_what_is_of_one_caller_is_kept_for_nobody() {
    let one = AllowOrigin::list(["https://ui.example.com".parse().unwrap()]);
    for cors in [None, Some(AllowOrigin::any()), Some(one)] {
        let served = served(limited(1000, Admission::default()), cors.clone()).await;
        for path in [
            "/extensions",
            "/extensions",
            DOWNLOAD,
            "/health",
            "/nope",
            "/extensions?limit=x",
            "/metrics",
        ] {
            for method in [Method::GET, Method::OPTIONS] {
                for origin in [&[][..], &[("origin", "https://ui.example.com")]] {
                    let got = served.send(method.clone(), path, origin).await;
                    let lines = got.headers.get_all("vary").iter().count();
                    assert!(lines <= 1, "{path}: {:?}", got.headers);
                    let parts: Vec<String> =
                        got.header("vary").split(", ").map(str::to_ascii_lowercase).collect();
                    let mut once = parts.clone();
                    once.sort_unstable();
                    once.dedup();
                    assert_eq!(once.len(), parts.len(), "{parts:?}");
                    let listed = cors
                        .as_ref()
                        .is_some_and(|cors| format!("{cors:?}").contains("ui.example"));
                    if method == Method::GET && listed {
                        assert!(parts.contains(&"origin".to_owned()), "{path}: {parts:?}");
                    }
                }
            }
        }
        for headers in [&[][..], &[("range", "bytes=0-1")], &[("x-request-id", "mine")]] {
            let got = served.get_with(DOWNLOAD, headers).await;
            assert_eq!(got.header("cache-control"), "public, max-age=3600", "{got:?}");
            for own in ["x-request-id", "ratelimit", "ratelimit-policy"] {
                assert_eq!(got.header(own), "", "{own} would be repeated to others");
            }
        }
        // What is asked for anew each time, or by its client alone, has them.
        let list = served.get("/extensions").await;
        assert!(!list.header("x-request-id").is_empty() && !list.header("ratelimit").is_empty());
    }
}

#[tokio::test]
async fn s21b_answers_for_one_client_alone_say_what_is_its_own() {
    let served = served(limited(1000, tokens(&[("ci", CLIENT)])), None).await;
    let token = format!("Bearer {CLIENT}");
    let got = served.get_with(DOWNLOAD, &[("authorization", &token)]).await;
    assert_eq!(
        (got.status, got.header("cache-control")),
        (StatusCode::OK, "private, max-age=3600")
    );
    assert!(!got.header("x-request-id").is_empty() && !got.header("ratelimit").is_empty());
}
