//! Several backends with the same names: who answers, and who never does.

use std::sync::Arc;
use std::time::Duration;

use registry_catalog::Merge;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;

use crate::support::served::{Served, Setup};

fn gitea() -> Arc<dyn Backend> {
    memory(BackendId::GITEA, &["provider/aws:1.0.0", "provider/only-gitea:1.0.0"])
}

fn oci() -> Arc<dyn Backend> {
    memory(BackendId::OCI, &["provider/AWS:9.0.0", "provider/aws:1.0.0", "provider/only-oci:1.0.0"])
}

#[tokio::test]
async fn row_42_the_first_in_order_owns_a_name_whatever_the_others_version() {
    let served = Served::over(vec![gitea(), oci()]).await;
    let aws = served.get("/extensions/provider/aws").await.json();
    assert_eq!((&aws["version"], &aws["source"]), (&"1.0.0".into(), &"gitea".into()));
    assert_eq!(aws["sources"], serde_json::json!(["gitea", "oci"]));
    let versions = served.get("/extensions/provider/aws/versions").await;
    assert_eq!(versions.column("version"), ["1.0.0"]);
    let bytes = served.get("/extensions/provider/aws/1.0.0").await;
    assert_eq!(bytes.text(), "provider/aws:1.0.0@gitea");
    assert_eq!(served.get("/extensions/provider/aws/9.0.0").await.status, StatusCode::NOT_FOUND);
    let list = served.get("/extensions").await;
    assert_eq!(list.column("name"), ["aws", "only-gitea", "only-oci"]);
    assert_eq!(list.column("source"), ["gitea", "gitea", "oci"]);
}

#[tokio::test]
async fn one_backend_can_be_asked_explicitly_everywhere() {
    let served = Served::over(vec![gitea(), oci()]).await;
    let aws = served.get("/extensions/provider/aws?source=oci").await.json();
    assert_eq!((&aws["version"], &aws["source"]), (&"9.0.0".into(), &"oci".into()));
    assert_eq!(aws["href"], "/api/v1/extensions/provider/AWS/9.0.0?source=oci");
    let bytes = served.get("/extensions/provider/aws/9.0.0?source=oci").await;
    assert_eq!(bytes.text(), "provider/AWS:9.0.0@oci");
    let versions = served.get("/extensions/provider/aws/versions?source=oci").await;
    assert_eq!(versions.column("version"), ["9.0.0", "1.0.0"]);
    let list = served.get("/extensions?source=oci").await;
    assert_eq!(list.column("source"), ["oci", "oci"]);
    let found = served.get("/extensions/search?q=aws&source=oci").await;
    assert_eq!(found.column("version"), ["9.0.0"]);
}

#[tokio::test]
async fn the_order_is_the_configured_one() {
    let served = Served::over(vec![oci(), gitea()]).await;
    let aws = served.get("/extensions/provider/aws").await.json();
    assert_eq!((&aws["version"], &aws["source"]), (&"9.0.0".into(), &"oci".into()));
}

#[tokio::test]
async fn a_union_pools_versions_and_equal_ones_fall_to_the_first() {
    let setup = Setup { merge: Merge::Union, ..Setup::default() };
    let served = Served::with(vec![gitea(), oci()], setup).await;
    let versions = served.get("/extensions/provider/aws/versions").await;
    assert_eq!(versions.column("version"), ["9.0.0", "1.0.0"]);
    assert_eq!(versions.column("source"), ["oci", "gitea"]);
    let bytes = served.get("/extensions/provider/aws/1.0.0").await;
    assert_eq!(bytes.text(), "provider/aws:1.0.0@gitea");
    let bytes = served.get("/extensions/provider/aws/latest").await;
    assert_eq!(bytes.text(), "provider/AWS:9.0.0@oci");
}

#[tokio::test]
async fn while_an_earlier_backend_was_never_listed_no_name_is_given_away() {
    let served = Served::over(vec![Scripted::down(BackendId::GITEA), oci()]).await;
    let list = served.get("/extensions").await;
    assert_eq!(list.status, StatusCode::OK);
    assert_eq!(list.column("name"), ["AWS", "only-oci"]);
    assert_eq!(list.header("extension-registry-degraded"), "gitea");
    for path in [
        "/extensions/provider/aws",
        "/extensions/provider/aws/versions",
        "/extensions/provider/aws/9.0.0",
    ] {
        let got = served.get(path).await;
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(got.json()["error"], "backend_unavailable");
        assert_ne!(got.header("retry-after"), "");
        let message = got.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("?source=oci") && message.contains("gitea"), "{message}");
    }
    let explicit = served.get("/extensions/provider/aws/9.0.0?source=oci").await;
    assert_eq!(explicit.text(), "provider/AWS:9.0.0@oci");
    let unknown = served.get("/extensions/provider/nonexistent").await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE, "gitea could have it");
}

#[tokio::test]
async fn while_a_later_backend_is_down_the_first_answers_for_its_own() {
    let served = Served::over(vec![gitea(), Scripted::down(BackendId::OCI)]).await;
    let aws = served.get("/extensions/provider/aws").await;
    assert_eq!((aws.status, aws.json()["source"].clone()), (StatusCode::OK, "gitea".into()));
    assert_eq!(served.get("/extensions").await.header("extension-registry-degraded"), "oci");
    let missing = served.get("/extensions/provider/aws/9.9.9").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND, "the owner said no");
}

#[tokio::test]
async fn when_nothing_is_known_of_anyone_lists_say_so() {
    let served = Served::over(vec![Scripted::down(BackendId::GITEA)]).await;
    for path in ["/extensions", "/extensions/search?q=aws", "/extensions/provider/aws"] {
        let got = served.get(path).await;
        assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_ne!(got.header("retry-after"), "");
    }
    assert_eq!(served.get("/health").await.json()["status"], "unhealthy");
}

#[tokio::test(start_paused = true)]
async fn a_name_does_not_pass_on_when_its_owner_loses_it() {
    let first = memory(BackendId::GITEA, &["provider/aws:1.0.0"]);
    let served = Served::over(vec![first.clone(), oci()]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let aws = id("provider/aws");
    first.remove(&aws);
    // Once is not enough, and twice at once is not either.
    for _ in 0..3 {
        served.catalog.reader.refresh(&aws, Scope::All).await.unwrap();
        assert!(served.catalog.reader.find(&aws, Scope::All).await.is_ok());
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    served.catalog.reader.refresh(&aws, Scope::All).await.unwrap();
    let error = served.catalog.reader.find(&aws, Scope::All).await.unwrap_err();
    assert!(error.is_not_found() && error.message().contains("?source=oci"), "{error}");
    let explicit = served.catalog.reader.find(&aws, BackendId::OCI).await.unwrap();
    assert_eq!(explicit.extension.latest().unwrap().version.as_str(), "9.0.0");
    let view = served.catalog.store.view();
    let names: Vec<String> = view.entries(Scope::All).iter().map(|e| e.id().to_string()).collect();
    assert_eq!(names, ["provider/only-oci"], "lists leave it out");
}
