//! Static files, feeds, badges, and files at fixed addresses.

use reqwest::StatusCode;

use super::{attributes, served};

#[tokio::test]
async fn static_files_are_kept_for_ever_under_their_digest() {
    let served = served().await;
    let html = served.visit("/").await.text();
    let files: Vec<String> = attributes(&html, "href")
        .into_iter()
        .chain(attributes(&html, "src"))
        .filter(|address| address.starts_with("/static/"))
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let got = served.visit(&file).await;
        assert_eq!(got.status, StatusCode::OK, "{file}");
        assert_eq!(got.header("cache-control"), "public, max-age=31536000, immutable", "{file}");
        assert!(!got.header("content-type").starts_with("text/html"), "{file}");
    }
    assert_eq!(served.visit("/favicon.svg").await.header("content-type"), "image/svg+xml");
}

#[tokio::test]
async fn feeds_name_the_newest_versions() {
    let served = served().await;
    for (path, has, lacks) in [
        ("/feeds/all.atom", "cluster/web 2.0.0-beta.1", "nothing of the sort"),
        ("/feeds/provider.atom", "provider/hetzner 0.1.0", "cluster/web"),
        ("/provider/aws/feed.atom", "provider/aws 1.2.0", "hetzner"),
    ] {
        let got = served.visit(path).await;
        assert_eq!(got.header("content-type"), "application/atom+xml; charset=utf-8", "{path}");
        assert_eq!(got.header("cache-control"), "public, no-cache", "{path}");
        let text = got.text();
        assert!(text.contains(has) && !text.contains(lacks), "{path}: {text}");
        assert!(text.contains("sha256:"), "{path}");
    }
}

#[tokio::test]
async fn a_badge_shows_the_latest_version_or_the_digest() {
    let served = served().await;
    let badge = served.visit("/badges/provider/aws.svg").await;
    assert_eq!(badge.header("content-type"), "image/svg+xml");
    assert!(badge.text().contains(">1.2.0<"), "{}", badge.text());
    let digest = served.get("/extensions/provider/aws").await.json()["digest"].to_string();
    let short = digest.trim_matches('"').trim_start_matches("sha256:")[..12].to_owned();
    assert!(served.visit("/badges/provider/aws.svg?digest").await.text().contains(&short));
    assert_eq!(served.visit("/badges/provider/none.svg").await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.visit("/badges/provider/aws.png").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn browsers_and_robots_find_their_files() {
    let served = served().await;
    let search = served.visit("/opensearch.xml").await;
    assert_eq!(search.header("content-type"), "application/opensearchdescription+xml");
    assert!(search.text().contains("http://x/search?q={searchTerms}"));
    let robots = served.visit("/robots.txt").await;
    assert!(robots.text().contains("Disallow: /*/files"));
    let docs = served.visit("/docs").await;
    assert_eq!((docs.status, docs.header("location")), (StatusCode::PERMANENT_REDIRECT, "/api"));
}
