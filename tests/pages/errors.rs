//! Errors as pages, and as JSON for everyone else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::pages::settings::PageSettings;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};

use super::{assert_shows, sample, served};
use crate::support::served::{BROWSER, Served, Setup};

#[tokio::test]
async fn browsers_get_a_page_and_others_json() {
    let served = served().await;
    for (path, status) in [
        ("/nowhere", 404),
        ("/provider/none", 404),
        ("/provider/aws/v/9.9.9", 404),
        ("/provider/aws/nowhere", 404),
        ("/other/aws", 404),
        ("/provider/a%00b", 400),
        ("/provider/..%2Fetc", 400),
        ("/provider/aws/v/a%20b", 400),
        ("/extensions?page=0", 400),
        ("/feeds/none.atom", 404),
        ("/static/0000000000000000/er.css", 404),
    ] {
        let got = served.visit(path).await;
        assert_eq!(got.status.as_u16(), status, "{path}");
        assert_eq!(got.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert_eq!(got.header("cache-control"), "no-store", "{path}");
        assert!(got.header("content-security-policy").contains("script-src 'self'"), "{path}");
        assert_shows(path, &got.text(), &["What to do", "<h1>"]);
        for accept in ["*/*", "application/json", "text/html;q=0"] {
            let got = served.visit_with(path, &[("host", "x"), ("accept", accept)]).await;
            assert_eq!(got.status.as_u16(), status, "{path}");
            assert!(got.json()["error"].is_string(), "{path}");
        }
    }
    let api = served.visit("/api/v1/extensions/provider/none").await;
    assert_eq!(api.json()["error"], "not_found", "the API stays JSON for browsers");
}

#[tokio::test]
async fn a_missing_extension_leads_to_similar_ones() {
    let html = served().await.visit("/provider/kubernetes").await.text();
    assert_shows("other type", &html, &["another type", "/taskserv/kubernetes"]);
    let html = served().await.visit("/taskserv/kubernets").await.text();
    assert_shows("similar", &html, &["Similar names", "/taskserv/kubernetes"]);
}

#[tokio::test]
async fn a_wrong_method_is_told_with_the_right_ones() {
    let served = served().await;
    for path in ["/", "/provider/aws", "/status"] {
        let url = format!("{}{path}", served.base);
        let client = registry_testing::http::client_builder().build().unwrap();
        let request = client.request(Method::POST, url).header("accept", BROWSER);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()["allow"], "GET,HEAD", "{path}");
        assert!(response.text().await.unwrap().contains("The method is not allowed"));
    }
}

#[tokio::test]
async fn an_undetermined_name_is_offered_at_the_backend_that_has_it() {
    let oci = memory(BackendId::OCI, &["provider/aws:1.0.0"]);
    let served = Served::over(vec![Scripted::down(BackendId::GITEA), oci]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let got = served.visit("/provider/aws").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!got.header("retry-after").is_empty());
    let html = got.text();
    assert_shows(
        "503",
        &html,
        &["/provider/aws?backend=oci", "no answer since the start", "Try again"],
    );
    let there = served.visit("/provider/aws?backend=oci").await;
    assert_eq!(there.status, StatusCode::OK);
    assert_shows("oci", &there.text(), &["owner of this name is not determined", "as kept in oci"]);
}

#[tokio::test]
async fn an_internal_error_names_the_request_and_nothing_else() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    backend.panics.store(true, Ordering::SeqCst);
    let headers = [("host", "x"), ("accept", BROWSER), ("x-request-id", "abc-123")];
    let got = served.visit_with("/provider/unknown", &headers).await;
    assert_eq!(got.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", got.text());
    assert_shows("500", &got.text(), &["abc-123", "Internal error; the log has the cause"]);
    assert!(!got.text().contains("told to panic"));
}

#[tokio::test]
async fn pages_can_be_switched_off() {
    let pages = PageSettings { enabled: false, ..PageSettings::default() };
    let served = Served::with(vec![sample()], Setup { pages, ..Setup::default() }).await;
    for path in ["/", "/provider/aws", "/status", "/api", "/static/0/er.css"] {
        let got = served.visit(path).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(got.json()["error"], "not_found", "{path}");
    }
    assert_eq!(served.get("/extensions").await.status, StatusCode::OK);
}
