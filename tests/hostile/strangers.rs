//! What somebody without a token can learn, guess, or get for nothing.

use std::num::NonZeroU32;
use std::sync::Arc;

use registry_core::backend::Fault;
use registry_core::models::backend_id::BackendId;
use registry_core::models::fault::FaultSubject;
use registry_core::models::scope::Scope;
use registry_core::token_bucket::Rate;
use registry_server::edge::admission::Admission;
use registry_server::edge::client_address::TrustedProxies;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::rate_limit::RateLimiter;
use registry_testing::canary::CLIENT;
use registry_testing::log::Lines;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tracing::Level;

use crate::api::admission::{limited, tokens};
use crate::support::raw::raw;
use crate::support::served::{Served, Setup};

async fn served(admission: Admission) -> Served {
    let http = HttpRules { admission: Arc::new(admission), ..Setup::default().http };
    let setup = Setup { http, ..Setup::default() };
    Served::with(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])], setup).await
}

fn ours() -> String {
    format!("Bearer {CLIENT}")
}

/// All that a client sees of an answer, byte by byte, but for what differs each time.
async fn seen(served: &Served, method: &str, target: &str, headers: &str) -> String {
    let request = format!(
        "{method} /api/v1{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
    );
    let answer = raw(served, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let lines = head.lines().map(|line| match line.split_once(": ") {
        Some((name @ ("date" | "x-request-id" | "ratelimit"), _)) => name,
        _ => line,
    });
    let head: Vec<&str> = lines.collect();
    format!("{}\n{body}", head.join("\n"))
}

#[tokio::test]
async fn s05_no_byte_tells_what_was_asked_for_before() {
    // For a client without a token, and for one over its share.
    for burst in [1000, 20] {
        let served = served(limited(burst, tokens(&[("ci", CLIENT)]))).await;
        let known = [
            "/extensions",
            "/extensions/provider/aws",
            "/extensions/provider/aws/versions",
            "/extensions/provider/aws/1.0.0/metadata",
            "/extensions/provider/aws/resolve?constraint=*",
        ];
        let unknown = [
            "/extensions?limit=7",
            "/extensions/provider/nil",
            "/extensions/provider/nil/versions",
            "/extensions/provider/nil/1.0.0/metadata",
            "/extensions/provider/nil/resolve?constraint=*",
        ];
        for path in known {
            let got = served.get_with(path, &[("authorization", &ours())]).await;
            assert_eq!(got.status, StatusCode::OK, "{path}");
        }
        if burst == 20 {
            while served.get("/extensions").await.status == StatusCode::UNAUTHORIZED {}
        }
        for headers in [
            "",
            "Accept: application/problem+json\r\n",
            "Accept-Encoding: br\r\n",
            "If-None-Match: *\r\n",
            "Origin: https://ui.example.com\r\n",
        ] {
            for (known, unknown) in known.into_iter().zip(unknown) {
                let [one, other] =
                    [known, unknown].map(|target| seen(&served, "GET", target, headers));
                assert_eq!(one.await, other.await, "{known} {headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn s06_wrong_tokens_are_bounded_before_they_are_judged() {
    let served = served(limited(3, tokens(&[("ci", CLIENT)]))).await;
    let guess = |number: u32| format!("Bearer guess{number}");
    let mut refused = 0;
    for path in ["/extensions", "/health", "/metrics", "/nope"] {
        for number in 0..50 {
            let got = served.get_with(path, &[("authorization", &guess(number))]).await;
            refused += u32::from(got.status == StatusCode::UNAUTHORIZED);
        }
    }
    assert!(refused < 50, "{refused} guesses were judged at a share of one a second");
    // The right one is told as little as the wrong ones, wherever it is tried.
    let right = served.get_with("/extensions", &[("authorization", &ours())]).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!right.header("retry-after").is_empty());
    let health = served.get_with("/health", &[("authorization", &ours())]).await;
    assert_eq!(health.json()["backends"]["local"]["faults"], json!([]));
    // Others are let in, and so is the client at another address.
    let headers = [("authorization", ours()), ("x-forwarded-for", "192.0.2.7".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(served.get_with("/extensions", &headers).await.status, StatusCode::OK);
}

#[tokio::test]
async fn s06b_guesses_are_bounded_without_a_rate_limit_too() {
    let served = served(tokens(&[("ci", CLIENT)])).await;
    let mut judged = 0;
    for number in 0..2000 {
        let guess = format!("Bearer guess{number}");
        let got = served.call("/extensions", &[("authorization", &guess)]).await;
        judged += u32::from(got.status == StatusCode::UNAUTHORIZED);
    }
    assert!(judged < 1000, "{judged} of 2000");
    let right = served.call("/extensions", &[("authorization", &ours())]).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    // Who shows no token guesses nothing.
    assert_eq!(served.call("/extensions", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn s08_strangers_see_states_and_no_texts() {
    let secret = "registry.internal:5000 presented a certificate of corp.example";
    let backend = Scripted::new(BackendId::GITEA, &["provider/aws:1.0.0"]);
    *backend.faults.lock() = vec![Fault {
        repository: "hidden_prov".to_owned(),
        subject: FaultSubject::Repository,
        reason: secret.to_owned(),
    }];
    backend.down.store(true, std::sync::atomic::Ordering::SeqCst);
    let http =
        HttpRules { admission: Arc::new(tokens(&[("ci", CLIENT)])), ..Setup::default().http };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("no directory");
    std::fs::write(&file, "").unwrap();
    let setup = Setup { http, store: Some((file, 1000)), ..Setup::default() };
    let served = Served::with(vec![Arc::new(backend)], setup).await;
    let _ = served.catalog.syncer.sync(Scope::All).await;
    let told = served.get_with("/health", &[("authorization", &ours())]).await.json();
    assert!(told["backends"]["gitea"]["last_error"].is_string(), "{told}");
    assert!(told["artifact_store"]["last_error"].is_string(), "{told}");
    for token in [None, Some("Bearer guess"), Some("Basic x")] {
        let headers = token.map(|token| ("authorization", token));
        let told = served.get_with("/health", headers.as_slice()).await.json();
        assert_eq!(told["backends"]["gitea"]["healthy"], false);
        for backend in ["gitea", "oci", "local"] {
            let told = &told["backends"][backend];
            assert_eq!(
                (&told["last_error"], &told["faults"]),
                (&json!(null), &json!([])),
                "{told}"
            );
        }
        assert_eq!(told["artifact_store"]["last_error"], json!(null));
        assert_eq!(told["state_error"], json!(null));
    }
}

#[tokio::test]
async fn s09_every_line_of_a_request_with_a_token_names_its_client() {
    let mut backend = Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    backend.leaves_unread = false;
    let backend = Arc::new(backend);
    let http =
        HttpRules { admission: Arc::new(tokens(&[("ci", CLIENT)])), ..Setup::default().http };
    let setup = Setup { http, ..Setup::default() };
    let served = Served::with(vec![Arc::clone(&backend) as _], setup).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let (lines, _guard) = Lines::capture(Level::INFO);
    for path in [
        "/extensions",
        "/extensions",
        "/extensions?limit=x",
        "/extensions/provider/none",
        "/nope",
        "/webhooks",
        "/extensions/provider/aws/9.9.9",
    ] {
        served.call(path, &[("authorization", &ours())]).await;
        let line = lines.take();
        let line = line.lines().find(|line| line.contains("status=")).unwrap_or_default();
        assert!(line.contains("client=\"ci\""), "{path}: {line}");
    }
    backend.panics.store(true, std::sync::atomic::Ordering::SeqCst);
    backend.down.store(true, std::sync::atomic::Ordering::SeqCst);
    for path in ["/extensions/provider/aws/1.0.0", "/extensions/provider/other"] {
        served.call(path, &[("authorization", &ours())]).await;
        let line = lines.take();
        let line = line.lines().find(|line| line.contains("status=5")).unwrap_or_default();
        assert!(line.contains("client=\"ci\""), "{path}: {line}");
    }
}

#[tokio::test]
async fn s11_options_lies_inside_every_bound() {
    let rate = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(3).unwrap() };
    let proxies = TrustedProxies::new(Vec::new());
    let limited = Admission { rate: Some(RateLimiter::new(rate)), proxies, ..Admission::default() };
    let served = served(limited).await;
    let wish = "Origin: https://ui.example.com\r\nAccess-Control-Request-Method: GET\r\n";
    let long = format!("/extensions?q={}", "x".repeat(9000));
    let many: String = (0..70).map(|number| format!("X-{number}: y\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "y".repeat(20_000));
    for (target, headers, status) in [
        (long.as_str(), wish, "414"),
        (long.as_str(), "", "414"),
        ("/extensions", &many, "431"),
        ("/extensions", &large, "431"),
    ] {
        let answer = seen(&served, "OPTIONS", target, headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let mut limited = false;
    for _ in 0..20 {
        let answer = seen(&served, "OPTIONS", "/extensions", wish).await;
        limited |= answer.starts_with("HTTP/1.1 429 ");
    }
    assert!(limited, "preflights have no bound");
    let health = served.send(Method::OPTIONS, "/health/live", &[]).await.status;
    assert_ne!(health, StatusCode::TOO_MANY_REQUESTS, "where orchestrators look");
}
