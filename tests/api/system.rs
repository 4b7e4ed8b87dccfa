//! Health, metrics, readiness.
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::memory;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::served::Served;

#[tokio::test]
async fn test_health_check() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])]).await;
    served.get("/extensions").await;
    let got = served.get("/health").await;
    assert_eq!(got.status, StatusCode::OK);
    let health = got.json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime"].is_u64());
    for source in ["gitea", "oci"] {
        assert_eq!(health["backends"][source]["enabled"], false);
        assert_eq!(health["backends"][source]["healthy"], false);
    }
    let local = &health["backends"]["local"];
    assert_eq!((&local["enabled"], &local["healthy"]), (&json!(true), &json!(true)));
    assert_eq!(local["extensions"], 1);
    assert_eq!(local["last_error"], json!(null));
    assert!(local["last_success"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_backend_that_fails_degrades_health_but_not_its_status() {
    let dir = tempfile::tempdir().unwrap();
    crate::support::layouts::publish(dir.path(), &id("provider/aws"), "1.0.0", "d", b"x");
    let served = Served::local(dir.path()).await;
    served.get("/extensions").await;
    std::fs::rename(dir.path(), dir.path().with_extension("gone")).unwrap();
    assert!(served.catalog.syncer.sync(Scope::All).await.is_err());
    let got = served.get("/health").await;
    assert_eq!((got.status, &got.json()["status"]), (StatusCode::OK, &json!("degraded")));
    let local = &got.json()["backends"]["local"];
    assert_eq!(local["healthy"], false);
    assert!(local["last_error"].as_str().unwrap().contains("does not exist"), "{local}");
    assert_eq!(served.get("/extensions").await.column("name"), ["aws"], "what is known stays");
    std::fs::rename(dir.path().with_extension("gone"), dir.path()).unwrap();
    assert!(served.catalog.syncer.sync(Scope::All).await.is_ok());
    assert_eq!(served.get("/health").await.json()["status"], "healthy");
}

#[tokio::test]
async fn readiness_ends_with_the_drain_and_liveness_does_not() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &[])]).await;
    served.get("/extensions").await;
    assert_eq!(served.get("/health/ready").await.status, StatusCode::OK);
    served.draining.begin();
    assert_eq!(served.get("/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(served.get("/health/live").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_count_requests_by_template_and_extensions_by_answer() {
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0", "provider/b:1.0.0"]);
    backend.publish(&id("provider/c"), tag("1.0.0"), about("d", &[]), "x");
    let served = Served::over(vec![backend]).await;
    for path in [
        "/extensions?limit=2",
        "/extensions/provider/aws",
        "/extensions/provider/b",
        "/extensions/provider/none",
        "/extensions/provider/aws/1.0.0",
        "/random/1",
        "/random/2",
    ] {
        served.get(path).await;
    }
    let got = served.get("/metrics").await;
    assert!(got.header("content-type").starts_with("text/plain"));
    let text = got.text();
    for line in [
        r#"http_requests_total{method="GET",route="/api/v1/extensions",status="200"} 1"#,
        r#"http_requests_total{method="GET",route="/api/v1/extensions/{type}/{name}",status="200"} 2"#,
        r#"http_requests_total{method="GET",route="/api/v1/extensions/{type}/{name}",status="404"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 2"#,
        r#"http_requests_total{method="GET",route="/api/v1/health",status="200"} 0"#,
        r#"http_request_duration_seconds_count{method="GET",route="unmatched"} 2"#,
        r#"cache_hits_total{cache="artifact"} 0"#,
        "extensions_total 5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
