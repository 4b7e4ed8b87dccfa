//! Tags of every form that people use, as callers name them and as `/health` tells of them.
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::memory::memory;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::served::Served;

#[tokio::test]
async fn g13e_every_path_takes_a_version_with_and_without_its_v() {
    let gitea = memory(BackendId::GITEA, &["provider/aws:v1.2.0", "provider/aws:V1.3.0"]);
    let oci = memory(BackendId::OCI, &["taskserv/web:1.4.0_k3s.1", "taskserv/web:v2025.02.03"]);
    let local = memory(BackendId::LOCAL, &["cluster/kube:1.2.4.0", "cluster/kube:1.2.4"]);
    let served = Served::over(vec![gitea, oci, local]).await;
    for (name, asked, tag) in [
        ("provider/aws", "1.2.0", "v1.2.0"),
        ("provider/aws", "V1.2.0", "v1.2.0"),
        ("provider/aws", "v1.3.0", "V1.3.0"),
        ("taskserv/web", "v1.4.0+k3s.1", "1.4.0_k3s.1"),
        ("taskserv/web", "v1.4.0_k3s.1", "1.4.0_k3s.1"),
        ("taskserv/web", "2025.02.03", "v2025.02.03"),
        ("cluster/kube", "v1.2.4.0", "1.2.4.0"),
        ("cluster/kube", "v1.2.4", "1.2.4"),
    ] {
        let got = served.get(&format!("/extensions/{name}/{asked}/metadata")).await;
        assert_eq!((got.status, &got.json()["tag"]), (StatusCode::OK, &json!(tag)), "{asked}");
        let got = served.get(&format!("/extensions/{name}/{asked}")).await;
        let bytes = got.text();
        assert!(bytes.starts_with(&format!("{name}:{tag}@")), "{asked}: {bytes}");
        let got = served
            .get(&format!("/extensions/{name}/readme?version={}", asked.replace('+', "%2B")))
            .await;
        assert!(got.text().contains("has no README"), "{asked}: {}", got.text());
    }
    for (name, asked) in [("provider/aws", "1.2"), ("cluster/kube", "1.2.4.0.0")] {
        let got = served.get(&format!("/extensions/{name}/{asked}/metadata")).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{asked}");
    }
}

#[tokio::test]
async fn g13f_health_names_tags_that_are_no_versions_beside_versions() {
    let gitea = memory(
        BackendId::GITEA,
        &["provider/mixed:1.2.3", "provider/mixed:1.2.3.4.5", "provider/mixed:release-2024"],
    );
    let oci = memory(BackendId::OCI, &["provider/tags:nightly", "provider/one:1.0.0"]);
    let local =
        memory(BackendId::LOCAL, &["provider/local:2024-11-30", "provider/local:v2025.02.03"]);
    let served = Served::over(vec![gitea, oci, local]).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    let health = served.get("/health").await.json();
    let faults = |backend: &str| health["backends"][backend]["faults"].clone();
    let reason =
        |tags: &str| format!("tags that are not versions are sorted after all versions: {tags}");
    let told = faults("gitea");
    assert_eq!(told[0]["repository"], "provider/mixed", "{health}");
    assert_eq!(told[0]["reason"], reason("release-2024, 1.2.3.4.5"));
    assert_eq!(faults("oci"), json!([]), "one form alone is no fault");
    assert_eq!(faults("local")[0]["reason"], reason("2024-11-30"));
    assert_eq!(health["status"], "healthy", "nothing is missing");
}
