//! The three memos: what they keep, what they count, what switches them off.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::memory;
use registry_testing::scripted::{Asked, Scripted};
use reqwest::StatusCode;

use crate::support::served::{Served, Setup};

async fn stats(served: &Served) -> [u64; 4] {
    let stats = served.get("/cache/stats").await.json();
    ["list_entries", "metadata_entries", "version_entries", "total_entries"]
        .map(|field| stats[field].as_u64().unwrap())
}

async fn metric(served: &Served, line: &str) -> u64 {
    let text = served.get("/metrics").await.text();
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("{line} is not in\n{text}"))
}

#[tokio::test]
async fn answers_are_kept_under_the_keys_of_the_specification() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])]).await;
    assert_eq!(stats(&served).await, [0, 0, 0, 0]);
    for path in ["/extensions", "/extensions?limit=1", "/extensions?offset=1"] {
        served.get(path).await;
    }
    assert_eq!(stats(&served).await, [1, 0, 0, 1], "pages are parts of one list");
    for path in [
        "/extensions?type=provider",
        "/extensions?source=local",
        "/extensions/provider/aws",
        "/extensions/provider/AWS",
        "/extensions/provider/aws?source=local",
        "/extensions/provider/aws/versions",
    ] {
        served.get(path).await;
    }
    assert_eq!(stats(&served).await, [3, 2, 1, 6]);
}

#[tokio::test]
async fn hits_and_misses_are_counted_and_told() {
    let served = Served::over(vec![memory(BackendId::LOCAL, &["provider/aws:1.0.0"])]).await;
    for (path, cache) in [
        ("/extensions", "list"),
        ("/extensions/provider/aws", "metadata"),
        ("/extensions/provider/aws/versions", "versions"),
    ] {
        let first = served.get(path).await;
        assert_eq!(first.header("cache-status"), "extension-registry; fwd=miss");
        for _ in 0..3 {
            let next = served.get(path).await;
            assert_eq!(next.header("cache-status"), "extension-registry; hit");
            assert_eq!(next.body, first.body);
        }
        let series = |name| format!("{name}{{cache=\"{cache}\"}}");
        assert_eq!(metric(&served, &series("cache_hits_total")).await, 3, "{cache}");
        assert_eq!(metric(&served, &series("cache_misses_total")).await, 1, "{cache}");
    }
}

#[tokio::test]
async fn answers_about_releases_are_counted_beside_the_three() {
    let backend = memory(BackendId::LOCAL, &["provider/a:1.0.0", "provider/b:1.0.0"]);
    for name in ["provider/a", "provider/b"] {
        backend.write_readme(&id(name), tag("1.0.0"), "# words");
    }
    let setup = Setup { capacity: 1, ..Setup::default() };
    let served = Served::with(vec![backend], setup).await;
    for name in ["a", "a", "b"] {
        for path in ["1.0.0/metadata", "readme"] {
            served.get(&format!("/extensions/provider/{name}/{path}")).await;
        }
    }
    assert_eq!(stats(&served).await, [0; 4]);
    let all = served.get("/cache/stats").await.json();
    assert_eq!((&all["release_entries"], &all["readme_entries"]), (&1.into(), &1.into()));
    for cache in ["releases", "readmes"] {
        let expected = serde_json::json!({"hits": 1, "misses": 2, "evictions": 1});
        assert_eq!(all[cache], expected, "{cache}");
        for (name, count) in [("hits", 1), ("misses", 2), ("evictions", 1)] {
            let series = format!("extension_registry_cache_{name}_total{{cache=\"{cache}\"}}");
            assert_eq!(metric(&served, &series).await, count, "{series}");
        }
    }
    assert_eq!(all["metadata"]["misses"], 0);
}

#[tokio::test]
async fn a_kept_answer_asks_no_backend() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    backend.inner.write_readme(&id("provider/aws"), tag("1.0.0"), "# aws");
    let served = Served::over(vec![backend.clone()]).await;
    let paths = [
        "/extensions",
        "/extensions?type=provider&source=local&limit=1",
        "/extensions/search?q=aws",
        "/extensions/provider/aws",
        "/extensions/provider/aws/versions",
        "/extensions/provider/aws/1.0.0/metadata",
        "/extensions/provider/aws/latest/metadata",
        "/extensions/provider/aws/resolve?constraint=^1",
        "/extensions/provider/aws/readme",
    ];
    let asked = || {
        let one_by_one = [&backend.versions, &backend.readmes];
        (backend.asked(), one_by_one.map(|count| count.load(Ordering::SeqCst)))
    };
    for path in paths {
        assert_eq!(served.get(path).await.status, StatusCode::OK, "{path}");
    }
    let warm = asked();
    assert_eq!(warm.0, Asked { listings: 1, changes: 1, extensions: 1 });
    for _ in 0..10 {
        for path in paths {
            assert_eq!(served.get(path).await.status, StatusCode::OK, "{path}");
            assert_eq!(asked(), warm, "{path}");
        }
    }
}

#[tokio::test]
async fn the_least_recently_used_answer_leaves_a_full_memo() {
    let releases = ["provider/a:1.0.0", "provider/b:1.0.0", "provider/c:1.0.0"];
    let setup = Setup { capacity: 2, ..Setup::default() };
    let served = Served::with(vec![memory(BackendId::LOCAL, &releases)], setup).await;
    for name in ["a", "b", "a", "c"] {
        served.get(&format!("/extensions/provider/{name}")).await;
    }
    assert_eq!(stats(&served).await, [0, 2, 0, 2]);
    let kept = served.get("/extensions/provider/a").await;
    assert_eq!(kept.header("cache-status"), "extension-registry; hit");
    let left = served.get("/extensions/provider/b").await;
    assert_eq!(left.header("cache-status"), "extension-registry; fwd=miss");
    let evictions = &served.get("/cache/stats").await.json()["metadata"]["evictions"];
    assert_eq!(evictions, 2);
    let series = "extension_registry_cache_evictions_total{cache=\"metadata\"}";
    assert_eq!(metric(&served, series).await, 2);
}

#[tokio::test]
async fn an_answer_dies_when_its_part_of_the_catalog_changes() {
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.0.0", "provider/other:1.0.0"]);
    let served = Served::over(vec![backend.clone()]).await;
    for path in ["/extensions", "/extensions/provider/aws", "/extensions/provider/other"] {
        served.get(path).await;
    }
    assert_eq!(stats(&served).await, [1, 2, 0, 3]);
    backend.publish(&id("provider/aws"), tag("1.1.0"), about("d", &[]), "new");
    served.catalog.reader.refresh(&id("provider/aws"), Scope::All).await.unwrap();
    assert_eq!(stats(&served).await, [0, 1, 0, 1], "the other extension's answer still holds");
    assert_eq!(served.get("/extensions/provider/aws").await.json()["version"], "1.1.0");
    let other = served.get("/extensions/provider/other").await;
    assert_eq!(other.header("cache-status"), "extension-registry; hit");
}

#[tokio::test]
async fn without_the_metadata_memo_each_request_reads_the_extension() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let setup = Setup { metadata: false, ..Setup::default() };
    let served = Served::with(vec![backend.clone()], setup).await;
    served.get("/extensions").await;
    for expected in 2..5 {
        let got = served.get("/extensions/provider/aws").await;
        assert_eq!(got.header("cache-status"), "extension-registry; fwd=miss");
        assert_eq!(backend.asked(), Asked { listings: 1, changes: 1, extensions: expected });
    }
    backend.inner.publish(&id("provider/aws"), tag("1.1.0"), about("d", &[]), "new");
    assert_eq!(served.get("/extensions/provider/aws").await.json()["version"], "1.1.0");
    assert_eq!(stats(&served).await, [0, 0, 0, 0], "nothing is kept, and the list has changed");
}

#[tokio::test]
async fn without_the_list_memo_each_request_makes_a_round() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let setup = Setup { lists: false, ..Setup::default() };
    let served = Served::with(vec![backend.clone()], setup).await;
    served.get("/extensions").await;
    let before = backend.asked();
    backend.inner.publish(&id("provider/new"), tag("1.0.0"), about("d", &[]), "new");
    assert_eq!(served.get("/extensions").await.column("name"), ["aws", "new"]);
    assert_eq!(backend.asked().changes, before.changes + 1, "one question of changes");
    assert_eq!(backend.asked().extensions, before.extensions + 1, "and what is new");
    assert_eq!(stats(&served).await[0], 0);
}

#[tokio::test]
async fn a_thousand_searches_in_turn_are_answered_from_the_cache() {
    let releases: Vec<String> = (0..200).map(|n| format!("provider/common{n}:1.0.0")).collect();
    let releases: Vec<&str> = releases.iter().map(String::as_str).collect();
    let served = Served::with(vec![memory(BackendId::LOCAL, &releases)], Setup::default()).await;
    // Marks separate words and are none, so each of these queries finds a whole page.
    let marks = |n: u32| (0..10).map(move |bit| if n >> bit & 1 == 1 { '!' } else { '*' });
    let queries =
        (0..1000).map(|n| format!("/extensions/search?q=common{}", marks(n).collect::<String>()));
    let queries: Vec<String> = queries.collect();
    for expected in ["fwd=miss", "hit"] {
        for query in &queries {
            let got = served.call(query, &[]).await;
            let status = format!("extension-registry; {expected}");
            assert_eq!(got.header("cache-status"), status, "{query}");
            assert_eq!(got.header("x-total-count"), "200");
        }
    }
    let stats = served.call("/cache/stats", &[]).await.json();
    assert_eq!(stats["search_entries"], 1000);
    let counts = serde_json::json!({"hits": 1000, "misses": 1000, "evictions": 0});
    assert_eq!(stats["searches"], counts);
}
