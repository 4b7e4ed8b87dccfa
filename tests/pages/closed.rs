//! Pages of a service that requires a client token.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::edge::middleware::HttpRules;
use registry_testing::canary::CLIENT;
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;

use super::{assert_shows, sample};
use crate::api::admission::tokens;
use crate::support::served::{BROWSER, Got, Served, Setup};

async fn closed() -> Served {
    let admission = Arc::new(tokens(&[("ci", CLIENT)]));
    let http = HttpRules { admission, ..Setup::default().http };
    let served = Served::with(vec![sample()], Setup { http, ..Setup::default() }).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

async fn with(served: &Served, path: &str, authorization: &str) -> Got {
    let headers = [("host", "x"), ("accept", BROWSER), ("authorization", authorization)];
    served.visit_with(path, &headers).await
}

#[tokio::test]
async fn browsers_are_asked_for_the_token_as_a_password() {
    let served = closed().await;
    let got = served.visit("/provider/aws").await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
    assert_eq!(got.header("www-authenticate"), "Basic realm=\"extension-registry\"");
    assert_shows("401", &got.text(), &["A token is required", "as the password"]);
    assert!(!got.text().contains("hetzner"));
    for name in ["", "anyone"] {
        let basic = format!("Basic {}", STANDARD.encode(format!("{name}:{CLIENT}")));
        let got = with(&served, "/provider/aws", &basic).await;
        assert_eq!(got.status, StatusCode::OK, "{name}");
        assert_eq!(got.header("cache-control"), "private, no-cache");
        let api = with(&served, "/api/v1/extensions", &basic).await;
        assert_eq!(api.status, StatusCode::OK, "the API accepts it too");
    }
    let wrong = format!("Basic {}", STANDARD.encode("ci:guess"));
    assert_eq!(with(&served, "/", &wrong).await.status, StatusCode::UNAUTHORIZED);
    let api = served.visit("/api/v1/extensions").await;
    assert!(api.header("www-authenticate").starts_with("Bearer "), "scripts get no dialog");
}

#[tokio::test]
async fn files_without_data_need_no_token() {
    let served = closed().await;
    let page = with(&served, "/", &format!("Bearer {CLIENT}")).await.text();
    let style = page.split("href=\"/static/").nth(1).unwrap().split('"').next().unwrap();
    for path in [&*format!("/static/{style}"), "/favicon.svg", "/robots.txt", "/opensearch.xml"] {
        assert_eq!(served.visit(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_status_shows_strangers_no_more_than_health_does() {
    let down = Scripted::down(BackendId::GITEA);
    let admission = Arc::new(tokens(&[("ci", CLIENT)]));
    let http = HttpRules { admission, ..Setup::default().http };
    let served = Served::with(vec![down, sample()], Setup { http, ..Setup::default() }).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let stranger = served.visit("/status").await;
    assert_eq!(stranger.status, StatusCode::OK);
    let html = stranger.text();
    assert_shows("stranger", &html, &["Errors and names are shown to callers with a client token"]);
    assert!(!html.contains("connection refused") && !html.contains("undetermined"));
    let known = with(&served, "/status", &format!("Bearer {CLIENT}")).await.text();
    assert_shows("known", &known, &["connection refused", "undetermined"]);
    let text = served.visit_with("/status", &[("host", "x")]).await.text();
    assert!(!text.contains("connection refused"), "{text}");
}
