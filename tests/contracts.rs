//! What is committed and made of code is current. With `UPDATE_CONTRACTS=1` the tests write it.

use std::path::Path;

use jiff::Timestamp;
use registry_backends::http::outcome::CallOutcome;
use registry_backends::{gitea, oci};
use registry_core::backend::contact::BreakerState;
use registry_core::models::backend_id::BackendId;
use registry_s3::bucket::OPERATIONS;
use registry_server::answers::CACHES;
use registry_server::api::handlers::webhooks;
use registry_server::api::routes::{contract, contract_json, templates};
use registry_server::metrics::Metrics;
use registry_server::metrics::backends::CallWords;
use registry_testing::memory::memory;

use crate::support::committed::assert_committed;
use crate::support::served::Served;

fn in_docs(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

#[test]
fn the_openapi_document_is_current() {
    assert_committed(&in_docs("openapi.json"), &contract_json().unwrap());
}

#[test]
fn the_openapi_document_is_of_version_3_1_and_has_every_route() {
    let json: serde_json::Value = serde_json::from_str(&contract_json().unwrap()).unwrap();
    assert!(json["openapi"].as_str().unwrap().starts_with("3.1."), "{}", json["openapi"]);
    let paths: Vec<String> = contract().paths.paths.into_keys().collect();
    for path in [
        "/api/v1/extensions",
        "/api/v1/extensions/search",
        "/api/v1/extensions/{type}/{name}",
        "/api/v1/extensions/{type}/{name}/versions",
        "/api/v1/extensions/{type}/{name}/{version}",
        "/api/v1/extensions/{type}/{name}/{version}/files",
        "/api/v1/extensions/{type}/{name}/{version}/metadata",
        "/api/v1/extensions/{type}/{name}/resolve",
        "/api/v1/extensions/{type}/{name}/readme",
        "/api/v1/extensions/{type}/{name}/explain",
        "/api/v1/health",
        "/api/v1/metrics",
        "/api/v1/cache/stats",
        "/api/v1/openapi.json",
    ] {
        assert!(paths.iter().any(|found| found == path), "{path} is not in {paths:?}");
    }
    assert_eq!(templates().len(), paths.len());
}

/// The schema of a parameter of a GET.
fn parameter(path: &str, name: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&contract_json().unwrap()).unwrap();
    let parameters = json["paths"][path]["get"]["parameters"].as_array().unwrap().clone();
    let found = parameters.into_iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{path} has no {name}"))["schema"].take()
}

#[tokio::test]
async fn each_limit_is_documented_with_its_bounds_and_the_default_that_is_served() {
    let releases: Vec<String> = (0..130).map(|n| format!("provider/p{n}:1.0.0")).collect();
    let releases: Vec<&str> = releases.iter().map(String::as_str).collect();
    let served = Served::over(vec![memory(BackendId::LOCAL, &releases)]).await;
    for (path, query) in [("/extensions", "?"), ("/extensions/search", "?q=p&")] {
        let schema = parameter(&format!("/api/v1{path}"), "limit");
        let bound = |name: &str| schema[name].as_u64().unwrap_or_else(|| panic!("{schema}"));
        assert_eq!((&schema["type"], bound("minimum")), (&"integer".into(), 0), "{path}");
        let (default, maximum) = (bound("default"), bound("maximum"));
        let rows = served.get(&format!("{path}{query}")).await.column("name").len();
        assert_eq!(rows as u64, default, "{path}");
        for (limit, status) in [(0, 200), (maximum, 200), (maximum + 1, 400)] {
            let got = served.get(&format!("{path}{query}limit={limit}")).await;
            assert_eq!(got.status, status, "{path} {limit}");
        }
        assert_eq!(parameter(&format!("/api/v1{path}"), "offset")["default"], 0);
    }
    let resolve = "/api/v1/extensions/{type}/{name}/resolve";
    assert_eq!(parameter(resolve, "prerelease")["default"], false);
}

/// What a scrape shows once every family has a sample.
pub fn sampled_metrics() -> String {
    let metrics = Metrics::new(&CACHES, &["/x"]).unwrap();
    for backend in ["gitea", "oci", "local"] {
        metrics.backends.prepare(backend);
    }
    let calls: [(_, &[&str]); 2] = [("gitea", &gitea::labels::ALL), ("oci", &oci::labels::ALL)];
    for (backend, operations) in calls {
        let words =
            CallWords { outcomes: &CallOutcome::LABELS, operations, states: &BreakerState::LABELS };
        metrics.backends.prepare_calls(backend, &words);
        metrics.prepare_webhooks(backend, &webhooks::outcomes());
    }
    metrics.bucket.prepare(&OPERATIONS, &CallOutcome::LABELS);
    metrics.process.built("1.2.3", None);
    metrics.certificate.serves(Timestamp::UNIX_EPOCH);
    metrics.shared.prepare([BackendId::GITEA, BackendId::OCI, BackendId::LOCAL]);
    for key in ["gitea.token_path", "oci.auth_token_path"] {
        metrics.process.prepare_reloads(key);
    }
    for cache in ["indexes", "releases", "readmes"] {
        drop(metrics.our_cache(cache));
    }
    String::from_utf8(metrics.render().unwrap()).unwrap()
}

#[test]
fn every_metric_is_named_here() {
    let text = sampled_metrics();
    let mut families: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    families.sort_unstable();
    assert_eq!(
        families,
        [
            "cache_hits_total counter",
            "cache_misses_total counter",
            "extension_registry_artifact_store_artifacts gauge",
            "extension_registry_artifact_store_bytes gauge",
            "extension_registry_artifact_store_failures_total counter",
            "extension_registry_backend_healthy gauge",
            "extension_registry_bucket_mismatches_total counter",
            "extension_registry_build_info gauge",
            "extension_registry_cache_coalesced_total counter",
            "extension_registry_cache_evictions_total counter",
            "extension_registry_cache_hits_total counter",
            "extension_registry_cache_misses_total counter",
            "extension_registry_catalogue_age_seconds gauge",
            "extension_registry_catalogue_bytes gauge",
            "extension_registry_catalogue_extensions gauge",
            "extension_registry_catalogue_refused_extensions gauge",
            "extension_registry_changed_versions gauge",
            "extension_registry_config_reloads_total counter",
            "extension_registry_digest_mismatches_total counter",
            "extension_registry_download_bytes_total counter",
            "extension_registry_downloads_total counter",
            "extension_registry_ignored_prefixes_total counter",
            "extension_registry_lease_fenced_total counter",
            "extension_registry_lease_takeovers_total counter",
            "extension_registry_log_lines_dropped_total counter",
            "extension_registry_misconfigured_replicas gauge",
            "extension_registry_panics_total counter",
            "extension_registry_pin_conflicts_total counter",
            "extension_registry_refused_requests_total counter",
            "extension_registry_replicas gauge",
            "extension_registry_shared_gaps_total counter",
            "extension_registry_shared_log_age_seconds gauge",
            "extension_registry_shared_request_duration_seconds histogram",
            "extension_registry_shared_requests_total counter",
            "extension_registry_shared_up gauge",
            "extension_registry_stale_answers_total counter",
            "extension_registry_tls_certificate_expiry_timestamp_seconds gauge",
            "extension_registry_tls_renewal_failed gauge",
            "extension_registry_uploads_total counter",
            "extension_registry_upstream_breaker_state gauge",
            "extension_registry_upstream_request_duration_seconds histogram",
            "extension_registry_upstream_requests_total counter",
            "extension_registry_upstream_retries_total counter",
            "extension_registry_webhook_deliveries_total counter",
            "extension_registry_writer gauge",
            "extensions_total counter",
            "http_request_duration_seconds histogram",
            "http_requests_total counter",
        ]
    );
}
