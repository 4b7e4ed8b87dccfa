//! Lists: filters, order, paging, and parameters that are wrong.

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::memory::memory;
use reqwest::StatusCode;

use super::{assert_shows, attributes, served};
use crate::support::served::Served;

#[tokio::test]
async fn no_filter_leads_to_an_empty_list() {
    let served = served().await;
    for start in ["/extensions", "/search?q=cloud", "/extensions?keyword=cloud&sort=published"] {
        let html = served.visit(start).await.text();
        let filters =
            html.split("class=\"filters\"").nth(1).unwrap().split("</nav>").next().unwrap();
        let links = attributes(filters, "href");
        assert!(links.len() >= 4, "{start}: {links:?}");
        for link in links {
            let got = served.visit(&link).await;
            assert_eq!(got.status, StatusCode::OK, "{link}");
            assert!(
                got.text().contains("class=\"rows\""),
                "{start} leads to {link}, which is empty"
            );
        }
    }
}

#[tokio::test]
async fn pages_of_fifty_count_from_one() {
    let releases: Vec<String> = (0..120).map(|n| format!("provider/p{n:03}:1.0.0")).collect();
    let releases: Vec<&str> = releases.iter().map(String::as_str).collect();
    let served = Served::over(vec![memory(BackendId::LOCAL, &releases)]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let first = served.visit("/extensions").await.text();
    assert_shows("/extensions", &first, &["1–50 of 120", "page=2", "p049"]);
    assert!(!first.contains("p050"));
    let last = served.visit("/extensions?page=3").await.text();
    assert_shows("page 3", &last, &["101–120 of 120", "p119", "Previous"]);
    for (query, word) in [
        ("page=0", "page must be a whole number, 1 or more"),
        ("page=x", "page"),
        ("page=-1", "page"),
        ("type=x", "type"),
        ("sort=x", "sort must be one of name, published"),
        ("keyword=", "keyword"),
        ("source=x", "source"),
        ("backend=Not%20a%20name", "backend"),
    ] {
        let got = served.visit(&format!("/extensions?{query}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{query}");
        assert_shows(query, &got.text(), &[word]);
    }
    for query in ["", "?q=", "?q=%20"] {
        let got = served.visit(&format!("/search{query}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_search_says_what_it_did_not_find() {
    let served = served().await;
    let html = served.visit("/search?q=zzzzzz").await.text();
    assert_shows("/search", &html, &["Nothing found", "whole words", "/extensions?type=cluster"]);
    let unknown = served.visit("/extensions?backend=elsewhere").await;
    assert_eq!(unknown.status, StatusCode::OK);
    assert_shows("unknown backend", &unknown.text(), &["0 extensions"]);
}

#[tokio::test]
async fn versions_are_ordered_by_version_or_by_date() {
    let served = served().await;
    for (query, expected) in [
        ("", ["1.3.0-rc.1", "v1.2.0", "1.1.0", "nightly"]),
        ("?sort=version", ["1.3.0-rc.1", "v1.2.0", "1.1.0", "nightly"]),
        ("?sort=published", ["nightly", "1.3.0-rc.1", "v1.2.0", "1.1.0"]),
    ] {
        let html = served.visit(&format!("/provider/aws/versions{query}")).await.text();
        let rows = html.split("name=\"to\" value=\"").skip(1);
        let tags: Vec<&str> = rows.map(|row| row.split('"').next().unwrap()).collect();
        assert_eq!(tags, expected, "{query}");
        let other = if query.ends_with("published") { "" } else { "?sort=published" };
        let links = attributes(&html, "href");
        assert!(links.contains(&format!("/provider/aws/versions{other}")), "{query}: {links:?}");
    }
    let got = served.visit("/provider/aws/versions?sort=x").await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    assert_shows("sort=x", &got.text(), &["sort must be one of version, published"]);
}
