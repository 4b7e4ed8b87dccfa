//! What each page shows, and what every page keeps to.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use registry_server::pages::settings::PageSettings;
use reqwest::StatusCode;

use super::{assert_shows, attributes, served};
use crate::support::served::{Served, Setup};

/// Every page of the sample, with words that matter on it.
const PAGES: [(&str, &[&str]); 15] = [
    ("/", &["Newest versions", "Task services", "hetzner", "2.0.0-beta.1", "local", "answers"]),
    ("/extensions", &["4 extensions", "aws", "The provider/aws", "pre-release only", "Keyword"]),
    ("/extensions?type=provider", &["2 extensions", "hetzner"]),
    ("/search?q=kubernetes", &["1 extension", "kubernetes", "1.31.0"]),
    ("/search?q=kubernets", &["which is spelled almost like it"]),
    (
        "/provider/aws",
        &[
            "<h2>Amazon</h2>",
            "<em>machines</em>",
            "v1.2.0",
            "curl -fsSLo",
            "sha256sum",
            "2 Jan 2026",
        ],
    ),
    ("/provider/AWS", &["<h1>aws</h1>"]),
    ("/provider/aws/v/1.1.0", &["is older than the latest version", "Go to 1.2.0"]),
    ("/provider/aws/v/1.3.0-rc.1", &["is a pre-release", "latest stable version is 1.2.0"]),
    ("/provider/aws/v/nightly", &["is a tag, not a version"]),
    ("/provider/aws/versions", &["4 versions", "latest", "pre-release", "not a version", "<svg"]),
    ("/provider/aws/v/1.2.0/provenance", &["local owns this name", "The provider/aws"]),
    ("/provider/aws/changes", &["Notes of <strong>v1.2.0</strong>", "1.1.0"]),
    ("/status", &["healthy", "All backends answer", "Uptime"]),
    (
        "/api",
        &["/api/v1/extensions/{type}/{name}", "curl -fsS", "OpenAPI for tools", "provider/aws"],
    ),
];

fn compressed(bytes: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().len()
}

#[tokio::test]
async fn each_page_shows_what_matters() {
    let served = served().await;
    for (path, texts) in PAGES {
        let got = served.visit(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_eq!(got.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert_shows(path, &got.text(), texts);
    }
}

#[tokio::test]
async fn a_page_runs_nothing_inline_and_loads_nothing_from_elsewhere() {
    let served = served().await;
    for (path, _) in PAGES {
        let got = served.visit(path).await;
        let html = got.text();
        for forbidden in [" style=", "<style", "<script>", "javascript:", " onclick=", "<img"] {
            assert!(!html.contains(forbidden), "{path} has {forbidden}");
        }
        assert!(attributes(&html, "src").iter().all(|src| src.starts_with("/static/")), "{path}");
        let policy = got.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(got.header(name), value, "{path}");
        }
        assert!(got.header("permissions-policy").contains("camera=()"), "{path}");
    }
}

#[tokio::test]
async fn a_first_visit_stays_within_its_budget() {
    let served = served().await;
    for (path, _) in PAGES {
        let html = served.visit(path).await.text();
        let page = compressed(html.as_bytes());
        assert!(page <= 14 * 1024, "{path}: {page} bytes");
        let head = html.split("</head>").next().unwrap();
        let loaded: Vec<String> = attributes(head, "href")
            .into_iter()
            .chain(attributes(&html, "src"))
            .filter(|address| address.starts_with("/static/"))
            .collect();
        assert_eq!(loaded.len(), 3, "{path}: {loaded:?}");
        let mut sum = page;
        for address in &loaded {
            let got = served.visit_with(address, &[("host", "x")]).await;
            assert_eq!(got.status, StatusCode::OK, "{address}");
            sum += compressed(&got.body);
        }
        assert!(sum <= 50 * 1024, "{path}: {sum} bytes");
    }
}

#[tokio::test]
async fn command_line_clients_get_text_at_two_addresses() {
    let served = served().await;
    for (path, words) in [("/", "curl -fsS 'http://x/api/v1/extensions'"), ("/status", "healthy: ")]
    {
        for accept in [None, Some("*/*"), Some("application/json")] {
            let headers = [("host", "x")].into_iter().chain(accept.map(|one| ("accept", one)));
            let got = served.visit_with(path, &headers.collect::<Vec<_>>()).await;
            assert_eq!(got.header("content-type"), "text/plain; charset=utf-8", "{path}");
            assert!(got.header("vary").contains("accept"), "{path}");
            assert!(got.text().contains(words), "{path}: {}", got.text());
        }
        assert!(served.visit(path).await.header("vary").contains("accept"), "{path}");
    }
    let got = served.visit_with("/extensions", &[("host", "x"), ("accept", "*/*")]).await;
    assert!(got.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn pictures_of_readmes_are_links_unless_they_are_allowed() {
    let html = served().await.visit("/provider/aws").await.text();
    assert_shows("/provider/aws", &html, &["<a href=\"https://pictures.example/a.png\""]);
    let pages = PageSettings { remote_images: true, ..PageSettings::default() };
    let served = Served::with(vec![super::sample()], Setup { pages, ..Setup::default() }).await;
    let got = served.visit("/provider/aws").await;
    assert_shows("/provider/aws", &got.text(), &["<img src=\"https://pictures.example/a.png\""]);
    assert!(got.header("content-security-policy").contains("img-src 'self' https:;"));
}

#[tokio::test]
async fn the_footer_tells_what_stays_true_while_a_page_is_kept() {
    let served = served().await;
    let html = served.visit("/extensions").await.text();
    assert_shows("/extensions", &html, &["data checked within the last 10 min"]);
}
