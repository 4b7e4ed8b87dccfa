//! The storage of a real zot, served as it lies on disk.

use std::path::PathBuf;

use registry_core::models::digest::Digest;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::served::Served;

/// The storage unpacked, and the service over its namespace's directory.
async fn zot() -> (TempDir, Served) {
    let dir = tempfile::tempdir().unwrap();
    let archive = include_bytes!("fixtures/zot-storage.tar.gz");
    let tar = flate2::read::GzDecoder::new(archive.as_slice());
    tar::Archive::new(tar).unpack(dir.path()).unwrap();
    let namespace: PathBuf = dir.path().join("provisioning");
    let served = Served::local(&namespace).await;
    (dir, served)
}

async fn versions(served: &Served, name: &str) -> Vec<String> {
    served.get(&format!("/extensions/{name}/versions")).await.column("version")
}

async fn extension(served: &Served, name: &str) -> Value {
    served.get(&format!("/extensions/{name}")).await.json()
}

#[tokio::test]
async fn exactly_its_eleven_extensions_are_listed() {
    let (_dir, served) = zot().await;
    let list = served.get("/extensions").await;
    let rows = list.json();
    let rows: Vec<(&str, &str, &str)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |field: &str| row[field].as_str().unwrap();
            (text("type"), text("name"), text("version"))
        })
        .collect();
    // Left out: `docs` has no suffix, `sub/azure-provider` lies deeper; the other namespaces and
    // the root's `gcp-provider` lie outside of the directory that is served.
    assert_eq!(
        rows,
        [
            ("provider", "aws", "1.3.0"),
            ("taskserv", "bare", "0.1.0"),
            ("cluster", "buildkit", "0.14.1"),
            ("taskserv", "cilium", "1.16.0"),
            ("provider", "digitalocean", "2.4.0"),
            ("taskserv", "harbor", "2.11.0"),
            ("taskserv", "kubernetes", "1.31.0"),
            ("taskserv", "many", "1.249.0"),
            ("taskserv", "meta", "1.0.0+build.3"),
            ("cluster", "nightly", "nightly"),
            ("cluster", "vtag", "0.10.0"),
        ]
    );
    let health = served.get("/health").await.json();
    let reason = "tags that are not versions are sorted after all versions: tmp-arm64, tmp-amd64";
    let faults =
        json!([{"repository": "taskserv/cilium", "subject": "repository", "reason": reason}]);
    assert_eq!(health["backends"]["local"]["faults"], faults);
}

#[tokio::test]
async fn an_index_of_two_platforms_answers_with_its_first_and_its_tags_stay() {
    let (_dir, served) = zot().await;
    let cilium = extension(&served, "taskserv/cilium").await;
    assert_eq!(cilium["description"], "Cilium for two platforms");
    // The manifest's own date comes before that of the index around it.
    assert_eq!(cilium["published_at"], "2025-06-01T00:00:00Z");
    assert_eq!(
        cilium["digest"],
        "sha256:c702de757f972614785b5649131882e138903a352cb57b849f0854efe4dcc799"
    );
    assert_eq!(versions(&served, "taskserv/cilium").await, ["1.16.0", "tmp-arm64", "tmp-amd64"]);
}

#[tokio::test]
async fn of_three_layers_the_archive_is_served() {
    let (_dir, served) = zot().await;
    let found = extension(&served, "provider/digitalocean").await;
    assert_eq!(found["size"], 500_520);
    assert_eq!(
        found["digest"],
        "sha256:d62b91cb62f675aa52bbee5f7dd4177ec0413f2dbb3d26f10569d93e0b161ff5"
    );
    let got = served.get("/extensions/provider/digitalocean/2.4.0").await;
    assert!(got.header("content-disposition").contains("digitalocean-provider.tar.gz"));
}

#[tokio::test]
async fn metadata_comes_from_the_config_blob_or_is_null() {
    let (_dir, served) = zot().await;
    let harbor = extension(&served, "taskserv/harbor").await;
    assert_eq!(harbor["description"], "described in the config blob");
    assert_eq!(harbor["author"], "config-author");
    let bare = extension(&served, "taskserv/bare").await;
    for field in ["description", "author", "repository", "published_at", "license"] {
        assert_eq!(bare[field], Value::Null, "{field}");
    }
    let aws = extension(&served, "provider/aws").await;
    assert_eq!(aws["author"], "provisioning-team");
    assert_eq!(aws["repository"], "https://git.example.test/provisioning-extensions/aws_prov");
    assert_eq!(aws["license"], "Apache-2.0");
    assert_eq!(aws["published_at"], "2025-10-20T12:00:00Z");
}

#[tokio::test]
async fn build_metadata_is_read_from_the_tag_and_ranks_above_none() {
    let (_dir, served) = zot().await;
    assert_eq!(versions(&served, "taskserv/meta").await, ["1.0.0+build.3", "1.0.0"]);
    let found = extension(&served, "taskserv/meta").await;
    assert_eq!(found["tag"], "1.0.0_build.3");
    let first = served.get("/extensions/taskserv/meta/1.0.0+build.3").await;
    let second = served.get("/extensions/taskserv/meta/1.0.0_build.3").await;
    assert_eq!((first.status, &first.body), (StatusCode::OK, &second.body));
}

#[tokio::test]
async fn two_hundred_and_fifty_versions_are_in_their_order() {
    let (_dir, served) = zot().await;
    let found = versions(&served, "taskserv/many").await;
    let expected: Vec<String> = (0..250).rev().map(|minor| format!("1.{minor}.0")).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn floating_tags_are_hidden() {
    let (_dir, served) = zot().await;
    assert_eq!(versions(&served, "cluster/nightly").await, ["nightly"]);
    assert_eq!(versions(&served, "provider/aws").await, ["1.3.0", "1.1.0", "1.0.0"]);
    for hidden in
        ["1", "1.3", "sha256-557ff2a52bb6ae6397f6f26ff5e859dce667fd2403e5d4f83c15b70fd9d7ddef.sig"]
    {
        let got = served.get(&format!("/extensions/provider/aws/{hidden}")).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{hidden}");
    }
    assert_eq!(versions(&served, "cluster/vtag").await, ["0.10.0", "0.9.0"]);
}

#[tokio::test]
async fn every_archive_matches_its_digest() {
    let (_dir, served) = zot().await;
    let mut downloaded = 0;
    for row in served.get("/extensions").await.json().as_array().unwrap() {
        let name = format!("{}/{}", row["type"].as_str().unwrap(), row["name"].as_str().unwrap());
        for version in
            served.get(&format!("/extensions/{name}/versions")).await.json().as_array().unwrap()
        {
            let href = version["href"].as_str().unwrap().strip_prefix("/api/v1").unwrap();
            let got = served.get(href).await;
            assert_eq!(got.status, StatusCode::OK, "{href}");
            assert_eq!(version["size"], got.body.len(), "{href}");
            assert_eq!(version["digest"], Digest::sha256(&got.body).to_string(), "{href}");
            assert_eq!(got.body[..2], [0x1f, 0x8b], "{href}");
            downloaded += 1;
        }
    }
    assert_eq!(downloaded, 267);
}
