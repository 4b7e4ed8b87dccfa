//! Lists in another order, and of some keywords alone.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use reqwest::StatusCode;

use crate::support::served::Served;

/// Extensions with keywords and dates; `b` and `d` have the same date, `a` and `e` have none.
async fn sample() -> Served {
    let backend = MemoryBackend::new(BackendId::LOCAL);
    for (name, keywords, published) in [
        ("provider/a", &["Cloud", "dns"][..], None),
        ("provider/b", &["cloud"], Some("2025-01-02T00:00:00Z")),
        ("cluster/c", &["cloud", "DNS", "key value"], Some("2025-03-01T00:00:00.5Z")),
        ("provider/d", &["dns"], Some("2025-01-02T00:00:00Z")),
        ("taskserv/e", &[], None),
        ("taskserv/f", &["clouds"], Some("2024-01-01T00:00:00Z")),
    ] {
        backend.publish(&id(name), tag("1.0.0"), about("d", keywords), "x");
        backend.date(&id(name), &tag("1.0.0"), published.map(|at| at.parse().unwrap()));
    }
    Served::over(vec![Arc::new(backend)]).await
}

async fn names(served: &Served, query: &str) -> String {
    let got = served.get(&format!("/extensions?{query}")).await;
    assert_eq!(got.status, StatusCode::OK, "{query}: {}", got.text());
    let names = got.column("name");
    assert_eq!(got.header("x-total-count"), names.len().to_string(), "{query}");
    names.join(" ")
}

#[tokio::test]
async fn the_last_published_comes_first_and_what_has_no_date_last() {
    let served = sample().await;
    assert_eq!(names(&served, "sort=published").await, "c b d f a e");
    assert_eq!(names(&served, "sort=published&type=provider").await, "b d a");
    for by_name in ["sort=name", "", "color=blue"] {
        assert_eq!(names(&served, by_name).await, "a b c d e f", "{by_name}");
    }
}

#[tokio::test]
async fn keywords_match_whole_and_without_case_and_all_of_them() {
    let served = sample().await;
    for (query, expected) in [
        ("keyword=cloud", "a b c"),
        ("keyword=CLOUD", "a b c"),
        ("keyword=clou", ""),
        ("keyword=cloud&keyword=dns", "a c"),
        ("keyword=dns&keyword=cloud&keyword=dns", "a c"),
        ("keyword=Key+Value", "c"),
        ("keyword=key", ""),
        ("keyword=dns&type=provider", "a d"),
        ("keyword=cloud&sort=published", "c b a"),
        ("keyword=cloud&source=oci", ""),
    ] {
        assert_eq!(names(&served, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_keep_order_and_keywords() {
    let served = sample().await;
    let query = "/extensions?keyword=cloud&keyword=dns&sort=published&limit=1";
    let first = served.get(query).await;
    assert_eq!((first.column("name"), first.header("x-total-count")), (vec!["c".into()], "2"));
    let target = "/api/v1/extensions?sort=published&keyword=cloud&keyword=dns&limit=1&offset=";
    let links =
        format!("<{target}0>; rel=\"first\", <{target}1>; rel=\"next\", <{target}1>; rel=\"last\"");
    assert_eq!(first.header("link"), links);
    let next = served
        .get(
            target
                .strip_suffix("&limit=1&offset=")
                .map(|path| format!("{}&limit=1&offset=1", &path[7..]))
                .unwrap()
                .as_str(),
        )
        .await;
    assert_eq!(next.column("name"), ["a"]);
}

#[tokio::test]
async fn each_order_and_keyword_has_a_cached_page_of_its_own() {
    let served = sample().await;
    let queries =
        ["", "sort=published", "keyword=a", "keyword=b", "keyword=a&keyword=b", "keyword=a%26b"];
    for expected in ["extension-registry; fwd=miss", "extension-registry; hit"] {
        for query in queries {
            let got = served.get(&format!("/extensions?{query}")).await;
            assert_eq!(got.header("cache-status"), expected, "{query}");
        }
    }
    let stats = served.get("/cache/stats").await.json();
    assert_eq!(stats["list_entries"], queries.len());
}
