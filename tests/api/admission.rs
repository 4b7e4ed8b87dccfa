//! Who is let in: tokens, shares of requests, and room.

use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry_core::backend::Fault;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::fault::FaultSubject;
use registry_core::models::scope::Scope;
use registry_core::token_bucket::Rate;
use registry_server::api::routes::templates;
use registry_server::edge::admission::{Admission, guesses};
use registry_server::edge::auth::{ClientAuth, ClientTokens};
use registry_server::edge::client_address::TrustedProxies;
use registry_server::edge::client_concurrency::ClientConcurrency;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::rate_limit::RateLimiter;
use registry_server::edge::request_limit::RequestLimit;
use registry_testing::canary::{CLIENT, OTHER_CLIENT};
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};
use tokio::sync::Notify;
use tower_http::cors::AllowOrigin;

use crate::support::served::{Got, Served, Setup};

const DOWNLOAD: &str = "/extensions/provider/aws/1.0.0";
const HEALTH: [&str; 3] = ["/health", "/health/live", "/health/ready"];

async fn served(admission: Admission) -> Served {
    let http = HttpRules {
        compression: true,
        cors: Some(AllowOrigin::any()),
        admission: Arc::new(admission),
        ..HttpRules::default()
    };
    let setup = Setup { http, ..Setup::default() };
    Served::with(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])], setup).await
}

pub(crate) fn tokens(clients: &[(&str, &str)]) -> Admission {
    let lines = clients
        .iter()
        .map(|(client, token)| format!("{client} {}\n", Digest::sha256(token.as_bytes()).hex()));
    let tokens: ClientTokens = lines.collect::<String>().parse().unwrap();
    Admission { auth: Some(Arc::new(ClientAuth::new(tokens))), ..Admission::default() }
}

/// One request a second, this many at once.
pub(crate) fn limited(burst: u32, admission: Admission) -> Admission {
    let rate = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(burst).unwrap() };
    let proxies = TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let guesses = guesses(Some(rate));
    Admission { rate: Some(RateLimiter::new(rate)), guesses, proxies, ..admission }
}

/// Asks until the share is used up, however slow this machine is.
async fn until_limited(served: &Served, path: &str, headers: &[(&str, &str)]) -> Got {
    for _ in 0..100 {
        let got = served.get_with(path, headers).await;
        if got.status == StatusCode::TOO_MANY_REQUESTS {
            return got;
        }
    }
    panic!("never over the limit");
}

#[tokio::test]
async fn without_a_token_only_health_and_signed_notices_are_answered() {
    let served = served(tokens(&[("ci", CLIENT)])).await;
    for template in templates() {
        let path = template.strip_prefix("/api/v1").unwrap();
        let path = path.replace("{type}", "provider").replace("{name}", "aws");
        let path = path.replace("{version}", "1.0.0").replace("{backend}", "gitea");
        let got = served.get(&path).await;
        let open = HEALTH.contains(&path.as_str()) || path.starts_with("/webhooks/");
        assert_eq!(got.status != StatusCode::UNAUTHORIZED, open, "{path}");
        if !open {
            assert_eq!(got.header("www-authenticate"), "Bearer realm=\"extension-registry\"");
            assert_eq!(got.header("cache-control"), "no-store");
            assert_eq!(got.json()["error"], "unauthorized");
        }
    }
    assert_eq!(served.get("/nope").await.status, StatusCode::UNAUTHORIZED);
    let notice = served.send(Method::POST, "/webhooks/gitea", &[]).await;
    assert_eq!(notice.status, StatusCode::NOT_FOUND, "no secret is configured for it");
}

#[tokio::test]
async fn with_a_token_answers_are_for_its_client_alone() {
    let served = served(tokens(&[("ci", CLIENT), ("ui", OTHER_CLIENT)])).await;
    for token in [format!("Bearer {CLIENT}"), format!("bearer {OTHER_CLIENT}")] {
        let token = token.as_str();
        let list = served.get_with("/extensions", &[("authorization", token)]).await;
        assert_eq!((list.status, list.column("name").len()), (StatusCode::OK, 1));
        assert_eq!(list.header("cache-control"), "private, no-cache");
        let archive = served.get_with(DOWNLOAD, &[("authorization", token)]).await;
        assert_eq!(archive.header("cache-control"), "private, max-age=3600");
    }
    let shorter = &CLIENT[..CLIENT.len() - 1];
    let coded = STANDARD.encode(CLIENT);
    for wrong in [
        format!("Bearer {shorter}"),
        format!("Bearer {CLIENT}2"),
        format!("Basic {coded}"),
        CLIENT.to_owned(),
    ] {
        let got = served.get_with("/extensions", &[("authorization", &wrong)]).await;
        assert_eq!(got.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(got.header("www-authenticate").ends_with("error=\"invalid_token\""));
    }
    let ours = format!("Bearer {CLIENT}");
    let metrics = served.get_with("/metrics", &[("authorization", &ours)]).await.text();
    let line = r#"extension_registry_refused_requests_total{reason="token"} 4"#;
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

#[tokio::test]
async fn pages_of_other_origins_may_send_tokens() {
    let served = served(tokens(&[("ui", CLIENT)])).await;
    let wish = [
        ("origin", "https://ui.example.com"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = served.send(Method::OPTIONS, "/extensions", &wish).await;
    assert_eq!(preflight.status, StatusCode::OK);
    assert!(preflight.header("access-control-allow-headers").contains("authorization"));
    let refused = served.get_with("/extensions", &wish[..1]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.header("access-control-allow-origin"), "*", "so that a page can tell why");
}

#[tokio::test]
async fn a_client_over_its_share_is_told_when_to_ask_again() {
    let served = served(limited(3, Admission::default())).await;
    let first = served.get("/extensions").await;
    assert_eq!(first.header("ratelimit-policy"), "\"client\";q=3;w=3");
    assert!(first.header("ratelimit").starts_with("\"client\";r=2;t="), "{first:?}");
    let over = until_limited(&served, "/extensions", &[]).await;
    assert_eq!(over.json()["error"], "rate_limited");
    assert_eq!(over.header("retry-after"), "1");
    assert!(over.header("ratelimit").starts_with("\"client\";r=0;t="), "{over:?}");
    assert_eq!(over.header("cache-control"), "no-store");
    for _ in 0..20 {
        for path in HEALTH {
            assert_eq!(served.get(path).await.status, StatusCode::OK, "{path} is never limited");
        }
    }
}

#[tokio::test]
async fn shares_are_of_addresses_that_trusted_proxies_tell() {
    let served = served(limited(2, Admission::default())).await;
    let from = |address| [("x-forwarded-for", address)];
    until_limited(&served, "/extensions", &from("192.0.2.1")).await;
    assert_eq!(served.get_with("/extensions", &from("192.0.2.2")).await.status, StatusCode::OK);
    until_limited(&served, "/extensions", &from("2001:db8::1")).await;
    let subscriber = served.get_with("/extensions", &from("2001:db8:0:1::1")).await;
    assert_eq!(subscriber.status, StatusCode::OK);
}

#[tokio::test]
async fn shares_are_of_clients_where_these_have_names() {
    let served = served(limited(2, tokens(&[("ci", CLIENT), ("ui", OTHER_CLIENT)]))).await;
    let [ci, other] = [CLIENT, OTHER_CLIENT].map(|token| format!("Bearer {token}"));
    let over = until_limited(&served, "/extensions", &[("authorization", &ci)]).await;
    assert_eq!(over.header("retry-after"), "1");
    let ui = served.get_with("/extensions", &[("authorization", &other)]).await;
    assert_eq!(ui.status, StatusCode::OK, "from the same address");
    let guess = [("authorization", "Bearer guess")];
    until_limited(&served, "/extensions", &guess).await;
}

#[tokio::test]
async fn a_client_with_too_many_requests_under_way_is_refused_and_others_are_not() {
    let release = Arc::new(Notify::new());
    let mut backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.hold = Some(Arc::clone(&release));
    let proxies = TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let concurrency = Some(ClientConcurrency::new(NonZeroU32::MIN));
    let admission = Admission { concurrency, proxies, ..Admission::default() };
    let http = HttpRules { admission: Arc::new(admission), ..HttpRules::default() };
    let served = Served::with(vec![Arc::new(backend)], Setup { http, ..Setup::default() }).await;
    let from = |address| [("x-forwarded-for", address)];
    assert_eq!(served.get_with("/extensions", &from("2001:db8::1")).await.status, StatusCode::OK);
    let url = format!("{}/api/v1{DOWNLOAD}", served.base);
    let client = registry_testing::http::client_builder().build().unwrap();
    let held = client.get(url).header("x-forwarded-for", "2001:db8::1").send().await.unwrap();
    let refused = served.get_with("/extensions", &from("2001:db8::2")).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "of the same subscriber");
    assert_eq!(refused.json()["error"], "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    let other = served.get_with("/extensions", &from("2001:db8:0:1::1")).await;
    assert_eq!(other.status, StatusCode::OK);
    for path in HEALTH {
        assert_eq!(served.get_with(path, &from("2001:db8::1")).await.status, StatusCode::OK);
    }
    let metrics = served.get_with("/metrics", &from("192.0.2.1")).await.text();
    let line = r#"extension_registry_refused_requests_total{reason="concurrent"} 1"#;
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
    release.notify_one();
    held.bytes().await.unwrap();
    // The seat is free once the last byte was given, which this client may see before that.
    while served.get_with("/extensions", &from("2001:db8::1")).await.status != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_there_is_no_room_for_is_refused_at_once_and_health_and_metrics_are_not() {
    let release = Arc::new(Notify::new());
    let mut backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.hold = Some(Arc::clone(&release));
    let admission = Admission { requests: RequestLimit::of(1), ..Admission::default() };
    let http = HttpRules { admission: Arc::new(admission), ..HttpRules::default() };
    let served = Served::with(vec![Arc::new(backend)], Setup { http, ..Setup::default() }).await;
    assert_eq!(served.get("/extensions").await.status, StatusCode::OK);
    let url = format!("{}/api/v1{DOWNLOAD}", served.base);
    let held = registry_testing::http::client_builder().build().unwrap().get(url).send().await;
    let held = held.unwrap();
    let refused = served.get("/extensions").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (refused.json()["error"].as_str(), refused.header("retry-after")),
        (Some("overloaded"), "1")
    );
    for path in HEALTH {
        assert_eq!(served.get(path).await.status, StatusCode::OK, "{path}");
    }
    let scrape = served.get("/metrics").await;
    assert_eq!(scrape.status, StatusCode::OK);
    let counted = r#"extension_registry_refused_requests_total{reason="overload"} 1"#;
    assert!(scrape.text().lines().any(|line| line == counted), "{}", scrape.text());
    release.notify_one();
    assert_eq!(held.content_length(), Some(24));
    assert_eq!(held.bytes().await.unwrap().len(), 24);
    // The place is free once the last byte was given, which this client may see before that.
    while served.get("/extensions").await.status != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn health_is_no_way_to_guess_tokens() {
    let backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    let subject = FaultSubject::Repository;
    let fault = Fault { repository: "off".to_owned(), subject, reason: "unreadable".to_owned() };
    *backend.faults.lock() = vec![fault];
    let admission = Arc::new(limited(2, tokens(&[("ci", CLIENT)])));
    let http = HttpRules { admission, ..HttpRules::default() };
    let setup = Setup { http, ..Setup::default() };
    let served = Served::with(vec![Arc::new(backend)], setup).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let faults = async |token: &str| {
        let got = served.get_with("/health", &[("authorization", token)]).await;
        assert_eq!(got.status, StatusCode::OK, "never refused");
        got.json()["backends"]["local"]["faults"].clone()
    };
    let ours = format!("Bearer {CLIENT}");
    assert_ne!(faults(&ours).await, serde_json::json!([]));
    assert_eq!(faults("Bearer guess").await, serde_json::json!([]));
    // Over its share a token is not looked at: the answer does not tell that it is right.
    let mut looked_at = 0;
    while faults(&ours).await != serde_json::json!([]) {
        looked_at += 1;
        assert!(looked_at < 100, "however slow this machine is");
    }
}
