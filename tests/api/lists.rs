//! Lists, search, one extension, its versions.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use registry_testing::memory::memory;
use reqwest::StatusCode;

use crate::support::served::Served;

async fn sample() -> Served {
    Served::over(vec![memory(
        BackendId::LOCAL,
        &[
            "provider/aws:1.0.0",
            "provider/aws:1.2.0",
            "provider/aws:2.0.0-rc.1",
            "taskserv/Kubernetes:v1.30.0",
            "cluster/aws:0.1.0",
            "taskserv/redis:nightly",
        ],
    )])
    .await
}

#[tokio::test]
async fn a_list_has_every_extension_once_by_name_then_type() {
    let all = sample().await.get("/extensions").await;
    assert_eq!(all.column("name"), ["aws", "aws", "Kubernetes", "redis"]);
    assert_eq!(all.column("type"), ["cluster", "provider", "taskserv", "taskserv"]);
    assert_eq!(all.column("version"), ["0.1.0", "1.2.0", "1.30.0", "nightly"]);
    assert_eq!(all.header("x-total-count"), "4");
}

#[tokio::test]
async fn a_list_is_filtered_by_type_and_source() {
    let served = sample().await;
    assert_eq!(served.get("/extensions?type=provider").await.column("name"), ["aws"]);
    assert_eq!(served.get("/extensions?source=local").await.column("name").len(), 4);
    let nobodys = served.get("/extensions?source=oci").await;
    assert_eq!((nobodys.status, nobodys.text().as_str()), (StatusCode::OK, "[]"));
}

#[tokio::test]
async fn an_extension_has_every_field_of_the_contract() {
    let json = sample().await.get("/extensions/provider/aws").await.json();
    let fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for field in [
        "name",
        "type",
        "version",
        "description",
        "author",
        "repository",
        "source",
        "published_at",
        "download_url",
        "size",
        "tag",
        "prerelease",
        "digest",
        "keywords",
        "license",
        "sources",
        "href",
    ] {
        assert!(fields.contains(&field), "{field} is not in {fields:?}");
    }
    assert_eq!(json["author"], serde_json::Value::Null);
    assert_eq!(json["size"], "provider/aws:1.2.0@local".len());
    assert_eq!(json["href"], "/api/v1/extensions/provider/aws/1.2.0");
    assert_eq!(json["download_url"], json["href"]);
    assert_eq!(json["prerelease"], false);
}

#[tokio::test]
async fn names_are_found_without_regard_to_case_and_spelled_as_the_backend_does() {
    let found = sample().await.get("/extensions/taskserv/KUBERNETES").await;
    assert_eq!(found.json()["name"], "Kubernetes");
}

#[tokio::test]
async fn versions_come_newest_first() {
    let versions = sample().await.get("/extensions/provider/aws/versions").await;
    assert_eq!(versions.column("version"), ["2.0.0-rc.1", "1.2.0", "1.0.0"]);
    let first = &versions.json()[0];
    assert_eq!((&first["prerelease"], &first["source"]), (&true.into(), &"local".into()));
    assert_eq!(first["href"], "/api/v1/extensions/provider/aws/2.0.0-rc.1");
}

#[tokio::test]
async fn pages_are_cut_from_one_order() {
    let served = sample().await;
    let mut names = Vec::new();
    for offset in 0..5 {
        let page = served.get(&format!("/extensions?limit=1&offset={offset}")).await;
        assert_eq!(page.header("x-total-count"), "4");
        names.extend(page.column("name"));
    }
    assert_eq!(names, ["aws", "aws", "Kubernetes", "redis"]);
    let middle = served.get("/extensions?type=taskserv&limit=1&offset=1").await;
    assert_eq!(
        middle.header("link"),
        "</api/v1/extensions?type=taskserv&limit=1&offset=0>; rel=\"first\", \
         </api/v1/extensions?type=taskserv&limit=1&offset=0>; rel=\"prev\", \
         </api/v1/extensions?type=taskserv&limit=1&offset=1>; rel=\"last\""
    );
    let none = served.get("/extensions?limit=0").await;
    assert_eq!((none.text().as_str(), none.header("x-total-count")), ("[]", "4"));
}

#[tokio::test]
async fn a_search_ranks_its_hits() {
    let backend = MemoryBackend::new(BackendId::LOCAL);
    for (name, description, keywords) in [
        ("taskserv/zeta", "Speaks SQL to anyone", &["sql"][..]),
        ("taskserv/sqlite", "A small database", &[]),
        ("taskserv/sql", "The language itself", &[]),
        ("taskserv/alpha", "Not SQL, but near", &[]),
        ("taskserv/postgres", "A large database", &["database"]),
        ("taskserv/other", "Nothing of it", &[]),
    ] {
        backend.publish(&id(name), tag("1.0.0"), about(description, keywords), "x");
    }
    let served = Served::over(vec![Arc::new(backend)]).await;
    let search = async |query: &str| {
        served.get(&format!("/extensions/search?q={query}")).await.column("name")
    };
    assert_eq!(search("sql").await, ["sql", "sqlite", "zeta", "alpha"]);
    assert_eq!(search("SQL").await, ["sql", "sqlite", "zeta", "alpha"]);
    assert_eq!(search("database").await, ["postgres", "sqlite"]);
    assert_eq!(search("large+database").await, ["postgres"]);
    assert_eq!(search("postgers").await, ["postgres"], "swapped letters");
    assert_eq!(search("nothing-like-it").await, [""; 0]);
    let page = served.get("/extensions/search?q=sql&limit=2&offset=2&type=taskserv").await;
    assert_eq!(page.column("name"), ["zeta", "alpha"]);
    assert_eq!(page.header("x-total-count"), "4");
    assert!(page.header("link").contains("?q=sql&type=taskserv&limit=2&offset=0>; rel=\"first\""));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let served = sample().await;
    for (path, message) in [
        ("/extensions/provider/nonexistent", "Extension provider/nonexistent not found"),
        ("/extensions/provider/nonexistent/versions", "Extension provider/nonexistent not found"),
        ("/extensions/provider/aws/9.9.9", "Extension provider/aws has no version 9.9.9"),
        ("/extensions/provider/aws?source=oci", "Extension provider/aws not found"),
    ] {
        let got = served.get(path).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(got.json(), serde_json::json!({"error": "not_found", "message": message}));
    }
}

#[tokio::test]
async fn an_extension_without_releases_says_why_it_is_not_listed() {
    let backend = memory(BackendId::LOCAL, &[]);
    backend.create(&id("cluster/void"));
    let served = Served::over(vec![backend]).await;
    assert_eq!(served.get("/extensions").await.text(), "[]");
    let got = served.get("/extensions/cluster/void").await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    assert_eq!(got.json()["message"], "Extension cluster/void has no release");
}

#[tokio::test]
async fn what_was_published_a_moment_ago_is_asked_for() {
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0"]);
    let served = Served::over(vec![backend.clone()]).await;
    assert_eq!(served.get("/extensions").await.header("x-total-count"), "1");
    backend.publish(&id("provider/new"), tag("1.0.0"), about("d", &[]), "new");
    backend.publish(&id("provider/aws"), tag("1.1.0"), about("d", &[]), "newer");
    assert_eq!(served.get("/extensions/provider/new").await.status, StatusCode::OK);
    assert_eq!(served.get("/extensions/provider/aws/1.1.0").await.text(), "newer");
    assert_eq!(served.get("/extensions").await.header("x-total-count"), "2");
}

#[tokio::test]
async fn a_version_published_a_second_ago_is_there_on_every_path_though_the_others_are_known() {
    for path in ["2.0.0", "2.0.0/metadata", "resolve?constraint=^2", "readme?version=2.0.0"] {
        let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0"]);
        let served = Served::over(vec![backend.clone()]).await;
        let versions = served.get("/extensions/provider/aws/versions").await;
        assert_eq!(versions.column("version"), ["1.0.0"]);
        backend.publish(&id("provider/aws"), tag("2.0.0"), about("d", &[]), "newer");
        backend.write_readme(&id("provider/aws"), tag("2.0.0"), "# newer");
        let got = served.get(&format!("/extensions/provider/aws/{path}")).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text());
        let versions = served.get("/extensions/provider/aws/versions").await;
        assert_eq!(versions.column("version"), ["2.0.0", "1.0.0"], "after {path}");
    }
}
