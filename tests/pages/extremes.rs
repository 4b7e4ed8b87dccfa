//! Much and long: hundreds of versions, long texts and names, and characters that hide.

use registry_core::models::scope::Scope;
use registry_testing::ids::id;
use reqwest::StatusCode;
use tempfile::TempDir;

use super::{assert_shows, attributes};
use crate::support::layouts::{ARCHIVE, publish, publish_readme, publish_with};
use crate::support::served::Served;

async fn served(dir: &TempDir) -> Served {
    let served = Served::local(dir.path()).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served
}

#[tokio::test]
async fn two_hundred_and_fifty_versions_are_one_page() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..250 {
        publish(dir.path(), &id("provider/aws"), &format!("1.{number}.0"), "d", b"x");
    }
    let served = served(&dir).await;
    let got = served.visit("/provider/aws/versions").await;
    assert_eq!(got.status, StatusCode::OK);
    let html = got.text();
    assert_shows("versions", &html, &["Versions (250)"]);
    assert_eq!(html.matches("name=\"to\"").count(), 250);
    for (path, text) in [
        ("/provider/aws", "Versions (250)"),
        ("/provider/aws/v/1.0.0", "is older than the latest version"),
        ("/provider/aws/v/1.0.0/provenance", "1.249.0"),
        ("/provider/aws/changes?from=1.0.0&to=1.249.0", "1.249.0"),
    ] {
        let got = served.visit(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_shows(path, &got.text(), &[text]);
    }
    let feed = served.visit("/provider/aws/feed.atom").await;
    assert!(feed.text().matches("<entry>").count() <= 50);
}

#[tokio::test]
async fn a_description_of_a_hundred_kilobytes_makes_no_long_page() {
    let dir = tempfile::tempdir().unwrap();
    let description = "word ".repeat(20_000);
    for number in 0..50 {
        let id = id(&format!("provider/p{number}"));
        publish(dir.path(), &id, "1.0.0", &description, b"x");
    }
    let served = served(&dir).await;
    for path in ["/extensions", "/search?q=word", "/provider/p0", "/provider/p0/versions"] {
        let got = served.visit(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert!(got.body.len() < 150_000, "{path}: {} bytes", got.body.len());
    }
}

#[tokio::test]
async fn a_readme_of_two_megabytes_leaves_its_page_whole() {
    let dir = tempfile::tempdir().unwrap();
    publish_readme(dir.path(), &id("provider/long"), "1.0.0", &"*a* ".repeat(1 << 19));
    publish_readme(dir.path(), &id("provider/less"), "1.0.0", &"*a* ".repeat((1 << 18) - 1));
    let served = served(&dir).await;
    let html = served.visit("/provider/long").await.text();
    assert_shows("/provider/long", &html, &["no README", "sha256sum"]);
    let got = served.visit("/provider/less").await;
    assert_eq!(got.status, StatusCode::OK);
    assert_shows("/provider/less", &got.text(), &["The rest of this README", "sha256sum"]);
    assert!(got.body.len() < 3 << 20, "{}", got.body.len());
}

#[tokio::test]
async fn the_longest_names_are_shown_whole_and_longer_ones_refused() {
    let dir = tempfile::tempdir().unwrap();
    let name = "a".repeat(100);
    let long = id(&format!("provider/{name}"));
    let version = format!("1.0.0-{}", "b".repeat(120));
    let title = format!("{}.tar.gz", "c".repeat(200));
    let described = ("org.opencontainers.image.description", "d");
    publish_with(dir.path(), &long, &version, described, &[(ARCHIVE, &title, b"x")]);
    let served = served(&dir).await;
    for path in ["/extensions", &format!("/search?q={name}"), &format!("/provider/{name}")] {
        let got = served.visit(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_shows(path, &got.text(), &[&name]);
    }
    let html = served.visit(&format!("/provider/{name}/versions")).await.text();
    let links = attributes(&html, "href");
    let link = links.iter().find(|link| link.ends_with(&version)).unwrap();
    assert_eq!(served.visit(link).await.status, StatusCode::OK, "{link}");
    for bad in
        ["a".repeat(101), "%E2%80%AEa".to_owned(), "a%E2%80%8Bb".to_owned(), "%00".to_owned()]
    {
        let got = served.visit(&format!("/provider/{bad}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(!got.text().contains(['\u{202e}', '\u{200b}', '\0']), "{bad}");
    }
}

#[tokio::test]
async fn characters_that_hide_or_turn_text_are_shown_as_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let text = "safe\u{202e}gnp.exe \u{200b}zero \u{2066}isolated";
    publish(dir.path(), &id("provider/aws"), "1.0.0", text, b"x");
    let served = served(&dir).await;
    for path in ["/extensions", "/provider/aws", "/search?q=zero"] {
        let got = served.visit(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert!(got.text().contains("safe"), "{path}");
        assert!(!got.text().contains(['\u{202e}', '\u{200b}', '\u{2066}']), "{path}");
    }
}
