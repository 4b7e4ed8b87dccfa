//! Addresses of archives that the service gives out itself.

use std::path::Path;
use std::sync::Arc;

use registry_backends::local::backend::LocalBackend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use serde_json::Value;

use crate::support::layouts::{publish, publish_annotated};
use crate::support::served::{Served, Setup};

const PUBLIC_URL: &str = "https://extensions.example.com/registry";
const AWS: &str = "/extensions/provider/aws";

async fn served(dir: &Path, public_url: Option<&str>, memos: bool) -> Served {
    let public_url = public_url.map(|url| url.parse().unwrap());
    let setup = Setup { public_url, lists: memos, metadata: memos, ..Setup::default() };
    let served =
        Served::with(vec![Arc::new(LocalBackend::new(BackendId::LOCAL, dir))], setup).await;
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    served.catalog.store.published().await;
    served
}

fn published() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for tag in ["1.0.0", "v1.1.0", "readme"] {
        publish(dir.path(), &id("provider/aws"), tag, "described", b"bytes");
    }
    dir
}

/// Every row of an answer: the answer itself, or the rows of a list.
fn rows(answer: Value) -> Vec<Value> {
    match answer {
        Value::Array(rows) => rows,
        one => vec![one],
    }
}

/// Questions whose answers name archives.
const QUESTIONS: [&str; 8] = [
    "/extensions",
    "/extensions?source=local&limit=1",
    "/extensions/search?q=aws",
    AWS,
    "/extensions/provider/aws?source=local",
    "/extensions/provider/aws/versions",
    "/extensions/provider/aws/1.1.0/metadata",
    "/extensions/provider/aws/resolve?constraint=^1",
];

#[tokio::test]
async fn download_urls_of_local_extensions_are_absolute_in_every_answer() {
    let dir = published();
    for memos in [true, false] {
        let served = served(dir.path(), Some(PUBLIC_URL), memos).await;
        // What is kept is asked for as well as what is made.
        for question in QUESTIONS.iter().chain(&QUESTIONS) {
            let answer = served.get(question).await;
            let rows = rows(answer.json());
            assert!(!rows.is_empty(), "{question}");
            for row in rows {
                let href = row["href"].as_str().unwrap();
                assert!(href.starts_with("/api/v1/"), "{question}: {href}");
                assert_eq!(row["download_url"], format!("{PUBLIC_URL}{href}"), "{question}");
                let path = href.strip_prefix("/api/v1").unwrap();
                assert_eq!(served.get(path).await.text(), "bytes", "{href}");
            }
        }
        let readme = served.get("/extensions/provider/aws/latest/metadata?tag=readme").await.json();
        let expected = format!("{PUBLIC_URL}/api/v1{AWS}/latest?tag=readme");
        assert_eq!(readme["download_url"], expected);
    }
}

#[tokio::test]
async fn without_a_public_url_they_are_paths() {
    let dir = published();
    let served = served(dir.path(), None, true).await;
    for question in QUESTIONS {
        for row in rows(served.get(question).await.json()) {
            assert_eq!(row["download_url"], row["href"], "{question}");
        }
    }
    let contract = served.get("/openapi.json").await.json();
    assert_eq!(contract["servers"], Value::Null);
}

#[tokio::test]
async fn answers_of_another_address_are_other_answers() {
    let dir = published();
    let (one, other) = (
        served(dir.path(), Some(PUBLIC_URL), true).await,
        served(dir.path(), Some("https://other.example.com"), true).await,
    );
    for question in QUESTIONS {
        let kept = one.get(question).await;
        let etag = kept.header("etag");
        let again = one.get_with(question, &[("if-none-match", etag)]).await;
        assert_eq!(again.status, 304, "{question}");
        let moved = other.get_with(question, &[("if-none-match", etag)]).await;
        assert_eq!(moved.status, 200, "{question}: the bytes are others");
    }
    let archive = one.get("/extensions/provider/aws/1.0.0").await;
    let etag = archive.header("etag");
    let same = other.get_with("/extensions/provider/aws/1.0.0", &[("if-none-match", etag)]).await;
    assert_eq!(same.status, 304, "an archive is the same wherever it is");
}

#[tokio::test]
async fn what_a_client_calls_us_shows_nowhere() {
    let dir = published();
    for public_url in [Some(PUBLIC_URL), None] {
        let served = served(dir.path(), public_url, true).await;
        let hostile = [("host", "evil.example"), ("x-forwarded-host", "evil.example")];
        for question in QUESTIONS {
            let first = served.get_with(question, &hostile).await;
            let second = served.get(question).await;
            assert_eq!(first.text(), second.text(), "{question}");
            assert!(!first.text().contains("evil"), "{question}");
            assert!(!first.header("link").contains("evil"), "{question}");
        }
    }
}

#[tokio::test]
async fn the_contract_names_the_server() {
    let dir = published();
    let served = served(dir.path(), Some(PUBLIC_URL), true).await;
    let contract = served.get("/openapi.json").await.json();
    assert_eq!(contract["servers"][0]["url"], PUBLIC_URL);
}

#[tokio::test]
async fn times_are_in_whole_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let created = ("org.opencontainers.image.created", "2025-10-06T12:00:00.987654321+02:00");
    publish_annotated(dir.path(), &id("provider/aws"), "1.0.0", created);
    let served = served(dir.path(), None, true).await;
    for question in ["/extensions", AWS, "/extensions/provider/aws/1.0.0/metadata"] {
        for row in rows(served.get(question).await.json()) {
            assert_eq!(row["published_at"], "2025-10-06T10:00:00Z", "{question}");
        }
    }
}
