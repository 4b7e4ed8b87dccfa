//! Several backends with the same names: only the owner is pulled from.

use std::sync::Arc;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::pull::stock::Stock;
use crate::pull::{REPOSITORY, code, head};
use crate::support::served::Served;

fn paths(archive: &[u8]) -> [String; 5] {
    let digest = Digest::sha256(archive);
    [
        format!("{REPOSITORY}/tags/list"),
        format!("{REPOSITORY}/manifests/1.0.0"),
        format!("{REPOSITORY}/manifests/{digest}"),
        format!("{REPOSITORY}/blobs/{digest}"),
        format!("{REPOSITORY}/referrers/{digest}"),
    ]
}

#[tokio::test]
async fn while_the_owner_is_not_known_clients_retry() {
    let later = memory(BackendId::OCI, &["provider/aws:1.0.0"]);
    let served = Served::over(vec![Scripted::down(BackendId::GITEA), later]).await;
    for path in paths(b"provider/aws:1.0.0@oci") {
        let got = served.visit(&path).await;
        assert_eq!(code(&got), (503, "UNKNOWN".to_owned()), "{path}");
        assert!(!got.header("retry-after").is_empty(), "{path}");
    }
    let unknown = served.visit("/v2/extensions/none-provider/tags/list").await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE, "gitea could have it");
    let list = served.visit("/v2/_catalog").await;
    assert_eq!(
        (list.status, list.header("extension-registry-degraded")),
        (StatusCode::OK, "gitea")
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_that_its_owner_removed_passes_to_no_other() {
    let owner = memory(BackendId::GITEA, &["provider/aws:1.0.0", "provider/b:1.0.0"]);
    let later = memory(BackendId::OCI, &["provider/aws:1.0.0"]);
    let served = Served::over(vec![owner.clone(), later]).await;
    let sync = async || {
        served.catalog.syncer.sync(Scope::All).await.unwrap();
        // Without a socket, on which time would wait.
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    sync().await;
    let tags = format!("{REPOSITORY}/tags/list");
    assert_eq!(head(&served, Method::GET, &tags).await.status, StatusCode::OK);
    owner.remove(&id("provider/aws"));
    // A removal needs two reports.
    for _ in 0..3 {
        served.catalog.reader.refresh(&id("provider/aws"), Scope::All).await.ok();
        sync().await;
    }
    for path in paths(b"provider/aws:1.0.0@oci") {
        let got = head(&served, Method::GET, &path).await;
        assert_eq!(code(&got), (404, "NAME_UNKNOWN".to_owned()), "{path}");
        let message = got.json()["errors"][0]["message"].to_string();
        assert!(message.contains("gitea"), "{message}");
    }
    let list = head(&served, Method::GET, "/v2/_catalog").await;
    assert_eq!(list.json(), json!({"repositories": ["extensions/b-provider"]}));
}

#[tokio::test]
async fn an_archive_that_cannot_be_chosen_is_named() {
    let stock = Stock::of_releases(BackendId::GITEA, &["provider/aws:1.0.0"]);
    *stock.ambiguous.lock() = vec!["a.tar.gz".to_owned(), "b.tar.gz".to_owned()];
    let served = Served::over(vec![Arc::new(stock)]).await;
    let got = served.visit(&format!("{REPOSITORY}/manifests/1.0.0")).await;
    assert_eq!(code(&got), (404, "MANIFEST_UNKNOWN".to_owned()));
    assert!(got.text().contains("a.tar.gz, b.tar.gz"), "{}", got.text());
    let absent = format!("{REPOSITORY}/manifests/{}", Digest::sha256(b"absent"));
    assert_eq!(code(&served.visit(&absent).await), (404, "MANIFEST_UNKNOWN".to_owned()));
}
