//! Paths that are nearly right: in a wrong place, or with a slash at the end.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use registry_backends::gitea::webhook::GiteaWebhooks;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::edge::middleware::HttpRules;
use registry_testing::canary::{CLIENT, WEBHOOK};
use registry_testing::memory::memory;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::api::admission::tokens;
use crate::support::served::{Got, Served, Setup};

async fn served(http: HttpRules) -> Served {
    let receiver = GiteaWebhooks::new(&WEBHOOK.to_owned().into(), "ext".parse().unwrap()).unwrap();
    let receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)> =
        vec![(BackendId::GITEA, Arc::new(receiver))];
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    let served = Served::with(vec![backend], Setup { http, receivers, ..Setup::default() }).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

async fn open() -> Served {
    served(Setup::default().http).await
}

async fn closed() -> Served {
    let admission = Arc::new(tokens(&[("ci", CLIENT)]));
    served(HttpRules { admission, ..Setup::default().http }).await
}

/// Asks for a whole target, which need not be one of the API.
async fn ask(served: &Served, method: Method, target: &str, headers: &[(&str, &str)]) -> Got {
    let mut request = Request::builder().method(method).uri(target).header("host", "x");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let (head, body) = served.router.answer(request).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Got::of(head.status, head.headers, body)
}

/// Everything that the API answers to GET.
const PATHS: [&str; 15] = [
    "/extensions",
    "/extensions?type=provider&limit=1",
    "/extensions/search?q=aws",
    "/extensions/provider/aws",
    "/extensions/provider/aws?source=local",
    "/extensions/provider/aws/versions",
    "/extensions/provider/aws/1.0.0",
    "/extensions/provider/aws/1.0.0/metadata",
    "/extensions/provider/aws/resolve?constraint=*",
    "/extensions/provider/aws/readme",
    "/health/live",
    "/health/ready",
    "/extensions/provider/none",
    "/openapi.json",
    "/health",
];

fn with_slash(path: &str) -> String {
    match path.split_once('?') {
        Some((path, query)) => format!("{path}/?{query}"),
        None => format!("{path}/"),
    }
}

/// What two answers to one question have in common.
fn compared(path: &str, got: &Got) -> (StatusCode, String, String) {
    let body = if path == "/health" { String::new() } else { got.text() };
    (got.status, got.header("etag").to_owned(), body)
}

#[tokio::test]
async fn a_slash_at_the_end_counts_for_nothing_on_every_route() {
    let served = open().await;
    for path in PATHS {
        let plain = served.get(path).await;
        let slashed = served.get(&with_slash(path)).await;
        assert_eq!(compared(path, &slashed), compared(path, &plain), "{path}");
        let twice = served.get(&with_slash(&with_slash(path))).await;
        assert_eq!(twice.status, StatusCode::NOT_FOUND, "{path} with two slashes");
    }
    for path in ["/metrics/", "/cache/stats/"] {
        assert_eq!(served.get(path).await.status, StatusCode::OK, "{path}");
    }
    let told = served.send(Method::POST, "/webhooks/gitea/", &[]).await;
    assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{}", told.text());
    let told = served.send(Method::DELETE, "/extensions/", &[]).await;
    assert_eq!(told.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn both_spellings_share_one_kept_answer_and_one_count() {
    let served = open().await;
    let aws = "/extensions/provider/aws";
    served.get(aws).await;
    for _ in 0..3 {
        let got = served.get(&with_slash(aws)).await;
        assert_eq!(got.header("cache-status"), "extension-registry; hit");
    }
    let stats = served.get("/cache/stats").await.json();
    assert_eq!((&stats["metadata_entries"], &stats["metadata"]["hits"]), (&json!(1), &json!(3)));
    let metrics = served.get("/metrics").await.text();
    let line = "http_requests_total{method=\"GET\",\
                route=\"/api/v1/extensions/{type}/{name}\",status=\"200\"} 4";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

#[tokio::test]
async fn a_slash_opens_nothing_that_is_closed() {
    let served = closed().await;
    for path in PATHS {
        let plain = served.get(path).await;
        let slashed = served.get(&with_slash(path)).await;
        assert_eq!(compared(path, &slashed), compared(path, &plain), "{path}");
        let expected =
            if path.starts_with("/health") { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(slashed.status, expected, "{path}");
    }
    // Known for what it means, and kept, by a client's question.
    let bearer = format!("Bearer {CLIENT}");
    let known = [("authorization", bearer.as_str())];
    for path in ["/extensions/provider/aws", "/extensions/provider/aws/"] {
        assert_eq!(served.get_with(path, &known).await.status, StatusCode::OK);
        assert_eq!(served.get(path).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_path_in_a_wrong_place_names_the_right_one() {
    let served = open().await;
    let entrance = ["/api/v1/extensions", "/api/v1/openapi.json", "/api/v1/health"];
    for (target, named) in [
        ("/api/v1", &entrance[..]),
        ("/api/v1/", &entrance),
        ("/health", &["/api/v1/health"]),
        ("/health/", &["/api/v1/health"]),
        ("/healthz", &["/api/v1/health"]),
        ("/ready", &["/api/v1/health/ready"]),
        ("/live", &["/api/v1/health/live"]),
        ("/metrics?x=y", &["/api/v1/metrics"]),
        ("/openapi.json", &["/api/v1/openapi.json"]),
        ("/extensions/provider/aws/versions", &["/api/v1/extensions/provider/aws/versions"]),
        ("/nope", &["/api/v1/openapi.json"]),
        ("/api/v1/nope", &["/api/v1/openapi.json"]),
    ] {
        let got = ask(&served, Method::GET, target, &[]).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{target}");
        let body = got.json();
        assert_eq!(body["error"], "not_found");
        let message = body["message"].as_str().unwrap();
        assert!(message.starts_with("No resource at this path; "), "{message}");
        for path in named {
            let ends = message.split(' ').any(|word| word.trim_end_matches(',') == *path);
            assert!(ends, "{target}: {path} is not in {message}");
        }
        // The path that is named is one.
        if let [path] = named {
            let there = ask(&served, Method::GET, path, &[]).await;
            assert_eq!(there.status, StatusCode::OK, "{path}");
        }
        let details = [("accept", "application/problem+json")];
        let details = ask(&served, Method::GET, target, &details).await;
        assert_eq!(details.json()["detail"], message);
    }
    let metrics = served.get("/metrics").await.text();
    assert!(metrics.contains("route=\"unmatched\",status=\"404\""), "{metrics}");
}

#[tokio::test]
async fn what_a_path_holds_is_not_repeated() {
    let served = open().await;
    for target in [
        "/extensions/provider/%3Cscript%3E",
        "/extensions/provider/%0d%0aset-cookie:x",
        "/extensions/provider/%E2%80%AEswa",
        "/extensions/provider/a%2fb",
        "/extensions/provider/'a'",
        "/health%00",
    ] {
        let got = ask(&served, Method::GET, target, &[]).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{target}");
        let message = got.json()["message"].as_str().unwrap().to_owned();
        assert!(!message.contains(['%', '<', '>', '\'', '"']), "{target}: {message}");
    }
}

#[tokio::test]
async fn without_a_token_every_wrong_place_is_the_same() {
    let served = closed().await;
    let mut answers = Vec::new();
    for target in ["/", "/docs", "/health", "/extensions/provider/aws", "/nope", "/api/v1/"] {
        let got = ask(&served, Method::GET, target, &[]).await;
        assert_eq!(got.status, StatusCode::UNAUTHORIZED, "{target}");
        answers.push(got.text());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}
