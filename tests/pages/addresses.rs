//! The address of the service on pages: of a request, of a proxy, or configured.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use registry_server::edge::admission::Admission;
use registry_server::edge::client_address::TrustedProxies;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::own_address::AddressRules;
use registry_server::server::ConnectionService as _;
use reqwest::StatusCode;

use super::{assert_shows, attributes, sample, served};
use crate::support::served::{BROWSER, Served, Setup};

#[tokio::test]
async fn two_hosts_never_see_each_other() {
    let served = served().await;
    for path in ["/", "/extensions", "/provider/aws", "/provider/aws/feed.atom", "/opensearch.xml"]
    {
        for _ in 0..2 {
            for (host, other) in
                [("evil.example", "good.example"), ("good.example", "evil.example")]
            {
                let got = served.visit_with(path, &[("host", host), ("accept", BROWSER)]).await;
                assert_eq!(got.status, StatusCode::OK, "{path}");
                assert!(!got.text().contains(other), "{path} for {host} shows {other}");
            }
        }
    }
    let got = served.visit_with("/provider/aws", &[("host", "good.example"), ("accept", BROWSER)]);
    assert_shows(
        "install",
        &got.await.text(),
        &["http://good.example/api/v1/extensions/provider/aws"],
    );
}

#[tokio::test]
async fn hosts_cannot_fill_the_memory() {
    let served = Served::with(vec![sample()], Setup { capacity: 10, ..Setup::default() }).await;
    for number in 0..50 {
        let host = format!("h{number}.example");
        served.visit_with("/extensions", &[("host", &host), ("accept", BROWSER)]).await;
    }
    let stats = served.get("/cache/stats").await.json();
    assert_eq!(stats["page_entries"], 10, "{stats}");
    assert!(stats["pages"]["evictions"].as_u64().unwrap() >= 40, "{stats}");
}

async fn behind(served: &Served, peer: &str, headers: &[(&str, &str)]) -> String {
    let mut request =
        Request::get("/provider/aws").header("host", "inner").header("accept", BROWSER);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer: SocketAddr = format!("{peer}:1").parse().unwrap();
    let request = request.body(Body::empty()).unwrap();
    let response = served.router.connected(peer).answer(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn proxies_name_the_address_if_they_are_trusted() {
    let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let admission = Arc::new(Admission { proxies, ..Admission::default() });
    let http = HttpRules { admission, ..Setup::default().http };
    let served = Served::with(vec![sample()], Setup { http, ..Setup::default() }).await;
    let headers = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "outer.example"),
        ("x-forwarded-prefix", "/registry"),
    ];
    let html = behind(&served, "10.1.2.3", &headers).await;
    assert_shows(
        "proxy",
        &html,
        &["https://outer.example/registry/api/v1/extensions/provider/aws"],
    );
    let links = attributes(&html, "href");
    let own = links.iter().filter(|link| link.starts_with('/'));
    own.for_each(|link| assert!(link.starts_with("/registry/"), "{link}"));
    let html = behind(&served, "192.0.2.1", &headers).await;
    assert!(!html.contains("outer.example") && !html.contains("/registry/"));
    let bad = [("x-forwarded-prefix", "//evil.example")];
    let html = behind(&served, "10.1.2.3", &bad).await;
    assert!(!html.contains("evil.example"));
    let text = served.get("/metrics").await.text();
    assert!(text.contains("\nextension_registry_ignored_prefixes_total 1\n"), "{text}");
}

#[tokio::test]
async fn headers_of_a_stranger_are_in_no_page_of_another_visitor() {
    let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let admission = Arc::new(Admission { proxies, ..Admission::default() });
    let http = HttpRules { admission, ..Setup::default().http };
    let served = Served::with(vec![sample()], Setup { http, ..Setup::default() }).await;
    let hostile = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-prefix", "/evil"),
    ];
    // The stranger comes first: what is made for it must be kept for it alone.
    for peer in ["192.0.2.1", "10.1.2.3"] {
        let theirs = behind(&served, peer, &hostile).await;
        assert_eq!(theirs.contains("evil"), peer.starts_with("10."), "{peer}");
        for headers in [&[][..], &[("x-forwarded-host", "good.example")]] {
            for visitor in ["192.0.2.2", "10.9.9.9"] {
                let html = behind(&served, visitor, headers).await;
                assert!(!html.contains("evil"), "{visitor} after {peer}");
            }
        }
    }
    for host in ["evil.example/x", "me@evil.example", "evil.example#", "a\"><script>", "a b"] {
        let got = served.visit_with("/provider/aws", &[("host", host), ("accept", BROWSER)]).await;
        assert!(!got.text().contains("evil") && !got.text().contains("\"><script>"), "{host}");
    }
}

#[tokio::test]
async fn a_configured_address_overrules_the_host() {
    let public_url = Some("https://set.example/sub".parse().unwrap());
    let served = Served::with(vec![sample()], Setup { public_url, ..Setup::default() }).await;
    let html = served.visit("/provider/aws").await.text();
    assert_shows("configured", &html, &["https://set.example/sub/api/v1/", "href=\"/sub/status\""]);
    assert!(!html.contains("http://x/"));
}

#[tokio::test]
async fn everything_lies_below_the_base_path() {
    let address = AddressRules { base_path: "/base".to_owned(), ..AddressRules::default() };
    let http = HttpRules { address, ..Setup::default().http };
    let served = Served::with(vec![sample()], Setup { http, ..Setup::default() }).await;
    for path in ["/", "/extensions", "/provider/aws", "/api/v1/health", "/status"] {
        assert_eq!(served.visit(&format!("/base{path}")).await.status, StatusCode::OK, "{path}");
        let outside = served.visit(path).await;
        assert_eq!(outside.status, StatusCode::NOT_FOUND, "{path}");
    }
    let html = served.visit("/base").await.text();
    for link in attributes(&html, "href").iter().filter(|link| link.starts_with('/')) {
        assert!(link.starts_with("/base/"), "{link}");
        assert_eq!(served.visit(link).await.status, StatusCode::OK, "{link}");
    }
    let row = &served.visit("/base/api/v1/extensions?limit=1").await.json()[0];
    assert_eq!(row["href"], "/base/api/v1/extensions/provider/aws/1.2.0");
    let got = served.visit("/base/api/v1/extensions?limit=1").await;
    assert!(got.header("link").starts_with("</base/api/v1/extensions?"), "{}", got.header("link"));
}

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_page_without_it() {
    let address = AddressRules { base_path: "/base".to_owned(), ..AddressRules::default() };
    let http = HttpRules { address, ..Setup::default().http };
    let served = Served::with(vec![sample()], Setup { http, ..Setup::default() }).await;
    for (target, expected) in [
        ("/extensions/?type=provider&q=/", "/base/extensions?type=provider&q=/"),
        ("/provider/aws/", "/base/provider/aws"),
        ("/provider/aws/v/1.2.0/files/?path=a", "/base/provider/aws/v/1.2.0/files?path=a"),
        ("/provider/aws/v/1.2.0/files/a/b/", "/base/provider/aws/v/1.2.0/files/a/b"),
    ] {
        let got = served.visit(&format!("/base{target}")).await;
        assert_eq!(got.status, StatusCode::PERMANENT_REDIRECT, "{target}");
        assert_eq!(got.header("location"), expected);
    }
    for target in ["//evil.example/", "/%2F%2Fevil.example/", "/%5Cevil.example/", "/nowhere/"] {
        let got = served.visit(&format!("/base{target}")).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{target}");
        assert_eq!(got.header("location"), "", "{target}");
    }
}
