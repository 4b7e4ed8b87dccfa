//! Who may pull, under any load, and where the API is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_server::edge::admission::Admission;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::own_address::AddressRules;
use registry_server::edge::request_limit::RequestLimit;
use registry_server::oci::settings::PullSettings;
use registry_testing::canary::CLIENT;
use registry_testing::memory::memory;
use reqwest::StatusCode;

use crate::api::admission::{limited, tokens};
use crate::pull::{REPOSITORY, code};
use crate::support::served::{Served, Setup};

const ARCHIVE: &[u8] = b"provider/aws:1.0.0@local";

async fn with(http: HttpRules, oci: PullSettings) -> Served {
    let setup = Setup { http, oci, ..Setup::default() };
    Served::with(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])], setup).await
}

async fn admitting(admission: Admission) -> Served {
    let http = HttpRules { admission: Arc::new(admission), ..HttpRules::default() };
    with(http, PullSettings::default()).await
}

fn paths() -> Vec<String> {
    let [archive, config] = [ARCHIVE, b"{}"].map(Digest::sha256);
    vec![
        "/v2/".to_owned(),
        "/v2/_catalog".to_owned(),
        format!("{REPOSITORY}/tags/list"),
        format!("{REPOSITORY}/manifests/1.0.0"),
        format!("{REPOSITORY}/blobs/{archive}"),
        format!("{REPOSITORY}/blobs/{config}"),
        format!("{REPOSITORY}/referrers/{archive}"),
    ]
}

#[tokio::test]
async fn with_tokens_a_login_is_asked_for_and_every_answer_is_private() {
    let served = admitting(tokens(&[("ci", CLIENT)])).await;
    let basic = format!("Basic {}", STANDARD.encode(format!("anyone:{CLIENT}")));
    let bearer = format!("Bearer {CLIENT}");
    for path in paths() {
        for wrong in [None, Some("Bearer no"), Some("Basic bm86bm8="), Some("Digest x")] {
            let headers: Vec<(&str, &str)> =
                [("host", "x")].into_iter().chain(wrong.map(|it| ("authorization", it))).collect();
            let got = served.visit_with(&path, &headers).await;
            assert_eq!(code(&got), (401, "UNAUTHORIZED".to_owned()), "{path} {wrong:?}");
            assert_eq!(got.header("www-authenticate"), "Basic realm=\"extension-registry\"");
            assert_eq!(got.header("docker-distribution-api-version"), "registry/2.0");
        }
        for right in [&basic, &bearer] {
            for _ in 0..2 {
                let headers = [("host", "x"), ("authorization", right.as_str())];
                let got = served.visit_with(&path, &headers).await;
                assert_eq!(got.status, StatusCode::OK, "{path}");
                let policy = got.header("cache-control");
                assert!(policy.starts_with("private, "), "{path}: {policy}");
            }
        }
    }
    let open = admitting(Admission::default()).await;
    for path in paths() {
        let got = open.visit_with(&path, &[("host", "x"), ("authorization", "Bearer no")]).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: credentials do not count");
    }
}

#[tokio::test]
async fn beyond_the_rate_clients_wait() {
    let served = admitting(limited(3, Admission::default())).await;
    for _ in 0..3 {
        assert_eq!(served.visit("/v2/_catalog").await.status, StatusCode::OK);
    }
    let got = served.visit(&format!("{REPOSITORY}/tags/list")).await;
    assert_eq!(code(&got), (429, "TOOMANYREQUESTS".to_owned()));
    assert!(!got.header("retry-after").is_empty());
}

#[tokio::test]
async fn the_version_check_costs_no_seat() {
    let full = Admission { requests: RequestLimit::of(0), ..Admission::default() };
    let served = admitting(full).await;
    for path in ["/v2", "/v2/"] {
        assert_eq!(served.visit(path).await.status, StatusCode::OK, "{path}");
    }
    let got = served.visit("/v2/_catalog").await;
    assert_eq!(code(&got), (503, "UNKNOWN".to_owned()));
    assert!(!got.header("retry-after").is_empty());
}

#[tokio::test]
async fn with_a_base_path_it_is_still_at_the_root() {
    let address = AddressRules { base_path: "/registry".to_owned(), ..AddressRules::default() };
    let http = HttpRules { address, ..HttpRules::default() };
    let served = with(http, PullSettings::default()).await;
    for path in paths() {
        assert_eq!(served.visit(&path).await.status, StatusCode::OK, "{path}");
        let below = served.visit(&format!("/registry{path}")).await;
        assert_eq!(below.status, StatusCode::OK, "{path}");
    }
    assert_eq!(served.visit("/api/v1/extensions").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn switched_off_it_is_not_there() {
    let oci = PullSettings { enabled: false, ..PullSettings::default() };
    let served = with(HttpRules::default(), oci).await;
    for path in paths() {
        let got = served.visit(&path).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(got.json()["error"], "not_found", "an error of the API");
    }
}

#[tokio::test]
async fn another_namespace_has_the_same_extensions() {
    let oci = PullSettings { namespace: "team/infra".parse().unwrap(), ..PullSettings::default() };
    let served = with(HttpRules::default(), oci).await;
    let list = served.visit("/v2/_catalog").await;
    assert_eq!(list.json()["repositories"][0], "team/infra/aws-provider");
    let got = served.visit("/v2/team/infra/aws-provider/manifests/latest").await;
    assert_eq!(got.status, StatusCode::OK);
    let other = served.visit(&format!("{REPOSITORY}/tags/list")).await;
    assert_eq!(code(&other), (404, "NAME_UNKNOWN".to_owned()));
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let served = admitting(Admission::default()).await;
    for path in paths().iter().skip(1) {
        let first = served.visit(path).await;
        let etag = first.header("etag").to_owned();
        assert!(!etag.is_empty(), "{path}");
        for _ in 0..2 {
            let headers = [("host", "x"), ("if-none-match", etag.as_str())];
            let got = served.visit_with(path, &headers).await;
            assert_eq!((got.status, got.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
            let digest = got.header("docker-content-digest");
            assert_eq!(digest, first.header("docker-content-digest"), "{path}");
        }
    }
    let manifest = format!("{REPOSITORY}/manifests/1.0.0");
    let headers = [("host", "x"), ("accept-encoding", "gzip, br, zstd")];
    let got = served.visit_with(&manifest, &headers).await;
    assert_eq!(got.header("content-encoding"), "", "its bytes are its identity");
}

#[tokio::test]
async fn requests_are_counted_by_their_templates() {
    let served = admitting(Admission::default()).await;
    for path in paths() {
        for _ in 0..2 {
            served.visit(&path).await;
        }
    }
    served.visit("/v2/a/b/c/manifests/x").await;
    served.visit("/v2/a/b/c/other").await;
    let text = String::from_utf8(served.metrics.render().unwrap()).unwrap();
    for (route, count) in [
        ("/v2/", 2),
        ("/v2/_catalog", 2),
        ("/v2/{repository}/tags/list", 2),
        ("/v2/{repository}/manifests/{reference}", 2),
        ("/v2/{repository}/blobs/{digest}", 4),
        ("/v2/{repository}/referrers/{digest}", 2),
    ] {
        let series = format!("route=\"{route}\",status=\"200\"}} {count}");
        assert!(text.contains(&series), "{series}\n{text}");
    }
    assert!(!text.contains("/v2/a/"), "a path is no label");
}
