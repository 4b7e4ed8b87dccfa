//! A cached answer that needs no router is the one that the router gives. `HEAD` is always routed.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use futures_util::future::Either;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::api::routes::Api;
use registry_server::edge::admission::Admission;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::request_limit::RequestLimit;
use registry_testing::canary::CLIENT;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::memory;
use tower_http::cors::AllowOrigin;

use crate::api::admission::{limited, tokens};
use crate::support::served::{Served, Setup};

const TARGETS: [&str; 11] = [
    "/api/v1/extensions/provider/aws",
    "/api/v1/extensions/provider/aws?source=local",
    "/api/v1/extensions/provider/aws/versions",
    "/api/v1/extensions",
    "/api/v1/extensions?type=provider&limit=1&offset=1",
    "/api/v1/extensions?limit=0",
    "/api/v1/extensions/search?q=aws",
    "/api/v1/extensions/provider/aws/1.0.0/metadata",
    "/api/v1/extensions/provider/aws/latest/metadata",
    "/api/v1/extensions/provider/aws/resolve?constraint=^1",
    "/api/v1/extensions/provider/aws/readme",
];

/// One answer, and whether it was given at once.
pub struct Given {
    pub at_once: bool,
    pub status: StatusCode,
    pub headers: HeaderMap,
}

pub async fn ask(api: &Api, method: Method, target: &str, headers: &[(&str, &str)]) -> Given {
    let mut request = Request::builder().method(method).uri(target).header("host", "x");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answering = api.answer(request.body(Body::empty()).unwrap());
    let at_once = matches!(answering, Either::Left(_));
    let (head, _) = answering.await.into_parts();
    let mut headers = head.headers;
    assert!(headers.remove("x-request-id").is_some());
    // Of a body, which one of the two has not.
    headers.remove("content-length");
    Given { at_once, status: head.status, headers }
}

async fn served(http: HttpRules) -> Served {
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0", "provider/other:1.0.0"]);
    backend.write_readme(&id("provider/aws"), tag("1.0.0"), "# aws");
    Served::with(vec![backend], Setup { http, ..Setup::default() }).await
}

fn admitting(admission: Admission) -> HttpRules {
    HttpRules { compression: true, admission: Arc::new(admission), ..HttpRules::default() }
}

/// Asks both ways, and answers with what they agree on.
async fn agreed(served: &Served, target: &str, headers: &[(&str, &str)]) -> Given {
    let long = ask(&served.router, Method::HEAD, target, headers).await;
    let short = ask(&served.router, Method::GET, target, headers).await;
    // Who is refused is refused before anything that is kept is looked at.
    let given = short.status.as_u16() < 400;
    assert_eq!((short.at_once, long.at_once), (given, false), "{target} {headers:?}");
    assert_eq!((short.status, &short.headers), (long.status, &long.headers), "{target}");
    short
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_is_the_same_by_both_ways_whatever_surrounds_it() {
    let origins = [HeaderValue::from_static("https://ui.example.com")];
    for http in [
        HttpRules::default(),
        HttpRules { compression: true, cors: Some(AllowOrigin::any()), ..HttpRules::default() },
        HttpRules { cors: Some(AllowOrigin::list(origins)), ..HttpRules::default() },
    ] {
        let served = served(http).await;
        for target in TARGETS {
            let first = ask(&served.router, Method::GET, target, &[]).await;
            assert!(!first.at_once, "{target}: what nobody asked for is not known");
            let etag = first.headers["etag"].to_str().unwrap();
            for headers in [
                &[][..],
                &[("accept-encoding", "gzip, br;q=0.5")],
                &[("if-none-match", etag)],
                &[("accept", "application/problem+json, */*;q=0.1")],
                &[("x-request-id", "mine")],
                &[("origin", "https://ui.example.com")],
                &[("origin", "https://other.example.com"), ("accept-encoding", "zstd")],
            ] {
                let given = agreed(&served, target, headers).await;
                let has = headers.first().is_some_and(|(name, _)| *name == "if-none-match");
                let expected = if has { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
                assert_eq!(given.status, expected, "{target} {headers:?}");
                assert_eq!(given.headers["cache-status"], "extension-registry; hit");
                assert_eq!(given.headers.contains_key("content-type"), !has, "{target}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_refused_the_same_by_both_ways() {
    let auth = tokens(&[("ci", CLIENT)]);
    let rate = limited(2, Admission::default());
    let room = RequestLimit::of(1);
    let full = Admission { requests: room.clone(), ..Admission::default() };
    for (admission, status) in [
        (auth, StatusCode::UNAUTHORIZED),
        (rate, StatusCode::TOO_MANY_REQUESTS),
        (full, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let served = served(admitting(admission)).await;
        let bearer = format!("Bearer {CLIENT}");
        let known = [("authorization", bearer.as_str())];
        for _ in 0..2 {
            let given = ask(&served.router, Method::GET, TARGETS[0], &known).await;
            assert_eq!(given.status, StatusCode::OK);
        }
        let taken = room.enter();
        let refused = agreed(&served, TARGETS[0], &[]).await;
        assert_eq!(refused.status, status);
        assert_eq!(refused.headers["cache-control"], "no-store");
        agreed(&served, TARGETS[0], &[("accept", "application/problem+json")]).await;
        drop(taken);
    }
}

#[tokio::test(start_paused = true)]
async fn both_ways_count_the_same() {
    let served = served(HttpRules::default()).await;
    for _ in 0..5 {
        ask(&served.router, Method::GET, TARGETS[0], &[]).await;
    }
    let counted = String::from_utf8(served.metrics.render().unwrap()).unwrap();
    for line in [
        "cache_hits_total{cache=\"metadata\"} 4",
        "cache_misses_total{cache=\"metadata\"} 1",
        "extensions_total 5",
        "http_requests_total{method=\"GET\",route=\"/api/v1/extensions/{type}/{name}\",status=\"200\"} 5",
        "http_request_duration_seconds_count{method=\"GET\",route=\"/api/v1/extensions/{type}/{name}\"} 5",
    ] {
        assert!(counted.lines().any(|found| found == line), "{line} is not in\n{counted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_readme_is_cached_in_each_form() {
    let served = served(HttpRules { compression: true, ..HttpRules::default() }).await;
    let target = TARGETS[10];
    for (accept, kind) in [("text/markdown", "text/markdown"), ("text/html", "text/html")] {
        let accept = [("accept", accept)];
        ask(&served.router, Method::GET, target, &accept).await;
        let given = agreed(&served, target, &accept).await;
        let type_of = given.headers["content-type"].to_str().unwrap();
        assert!(type_of.starts_with(kind), "{type_of}");
        assert_eq!(given.headers["vary"], "accept-encoding, accept");
    }
    let json = ask(&served.router, Method::GET, target, &[("accept", "application/json")]).await;
    assert_eq!((json.at_once, json.status), (false, StatusCode::NOT_ACCEPTABLE));
}

#[tokio::test(start_paused = true)]
async fn a_changed_catalog_is_answered_anew() {
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    let served = Served::over(vec![backend.clone()]).await;
    let targets = ["/api/v1/extensions", "/api/v1/extensions/search?q=new", TARGETS[0]];
    for target in targets {
        ask(&served.router, Method::GET, target, &[]).await;
        assert!(ask(&served.router, Method::GET, target, &[]).await.at_once, "{target}");
    }
    for name in ["provider/new", "provider/aws"] {
        backend.publish(&id(name), tag("1.1.0"), about("d", &[]), "new");
        served.catalog.reader.refresh(&id(name), Scope::All).await.unwrap();
    }
    for target in targets {
        let given = ask(&served.router, Method::GET, target, &[]).await;
        assert!(!given.at_once, "{target}");
        assert_eq!(given.headers["cache-status"], "extension-registry; fwd=miss", "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_spelling_of_a_cached_answer_is_answered_at_once() {
    let served = served(HttpRules::default()).await;
    for (first, other) in [
        (TARGETS[0], "/api/v1/extensions/provider/AWS?x=1"),
        (TARGETS[3], "/api/v1/extensions/?limit=100"),
        (TARGETS[7], "/api/v1/extensions/provider/aws/latest/metadata?tag=1.0.0"),
    ] {
        assert!(!ask(&served.router, Method::GET, first, &[]).await.at_once, "{first}");
        let given = ask(&served.router, Method::GET, other, &[]).await;
        assert!(given.at_once && given.status == StatusCode::OK, "{other}");
    }
}
