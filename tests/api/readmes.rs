//! READMEs, as Markdown and as pages.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;

use crate::support::served::Served;

const PATH: &str = "/extensions/provider/aws/readme";
const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn written(backend: &MemoryBackend) {
    let aws = id("provider/aws");
    backend.write_readme(
        &aws,
        tag("1.2.0"),
        "# AWS\n\n<script>alert(1)</script>\n\n[x](https://a.b)\n",
    );
    backend.write_readme(&aws, tag("1.1.0"), "# Older");
}

async fn served() -> Served {
    let backend = memory(
        BackendId::LOCAL,
        &["provider/aws:1.2.0", "provider/aws:1.1.0", "provider/aws:1.0.0"],
    );
    written(&backend);
    let other = memory(BackendId::OCI, &["provider/aws:9.0.0"]);
    other.write_readme(&id("provider/aws"), tag("9.0.0"), "# From elsewhere");
    Served::over(vec![backend, other]).await
}

#[tokio::test]
async fn markdown_comes_as_it_was_written() {
    let served = served().await;
    for (query, text) in [
        ("", "# AWS\n\n<script>alert(1)</script>\n\n[x](https://a.b)\n"),
        ("?version=latest", "# AWS\n\n<script>alert(1)</script>\n\n[x](https://a.b)\n"),
        ("?version=1.1.0", "# Older"),
        ("?source=oci", "# From elsewhere"),
    ] {
        let got = served.get(&format!("{PATH}{query}")).await;
        assert_eq!((got.status, got.text().as_str()), (StatusCode::OK, text), "{query}");
        assert_eq!(got.header("content-type"), "text/markdown; charset=utf-8");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("cache-control"), "public, no-cache");
    }
}

#[tokio::test]
async fn a_page_is_clean_and_may_load_nothing() {
    let served = served().await;
    let got = served.get_with(PATH, &[HTML]).await;
    assert_eq!(got.header("content-type"), "text/html; charset=utf-8");
    let link = "<a href=\"https://a.b\" rel=\"nofollow noopener noreferrer\">x</a>";
    assert!(got.text().contains("<h1>AWS</h1>") && got.text().contains(link), "{}", got.text());
    assert!(!got.text().contains("alert"), "{}", got.text());
    let policy = got.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("img-src https:"), "{policy}");
    let markdown = served.get(PATH).await;
    assert_ne!(got.header("etag"), markdown.header("etag"));
    assert!(markdown.header("content-security-policy").starts_with("default-src 'none';"));
}

#[tokio::test]
async fn each_form_is_revalidated_by_its_own_tag() {
    let served = served().await;
    for headers in [&[][..], &[HTML]] {
        let first = served.get_with(PATH, headers).await;
        assert!(first.header("vary").split(", ").any(|vary| vary == "accept"));
        let etag = first.header("etag");
        assert!(etag.starts_with("W/\""), "{etag}");
        let second = [headers, &[("if-none-match", etag)]].concat();
        let second = served.get_with(PATH, &second).await;
        assert_eq!((second.status, second.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert!(second.header("vary").split(", ").any(|vary| vary == "accept"));
        let head = served.send(Method::HEAD, PATH, headers).await;
        assert_eq!((head.header("etag"), head.body.len()), (etag, 0));
    }
}

#[tokio::test]
async fn what_cannot_be_given_is_told() {
    let served = served().await;
    let neither = served.get_with(PATH, &[("accept", "application/json")]).await;
    assert_eq!(neither.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(neither.json()["error"], "not_acceptable");
    for (path, message) in [
        ("provider/aws/readme?version=1.0.0", "Extension provider/aws 1.0.0 has no README"),
        ("provider/aws/readme?version=3.0.0", "Extension provider/aws has no version 3.0.0"),
        ("provider/gcp/readme", "Extension provider/gcp not found"),
    ] {
        for _ in 0..2 {
            let got = served.get(&format!("/extensions/{path}")).await;
            assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(got.json(), json!({"error": "not_found", "message": message}));
        }
    }
}

#[tokio::test]
async fn a_backend_is_asked_once_for_both_forms() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    written(&backend.inner);
    let served = Served::over(vec![backend.clone()]).await;
    let first = served.get(PATH).await;
    assert_eq!(first.header("cache-status"), "extension-registry; fwd=miss");
    backend.down.store(true, Ordering::SeqCst);
    for headers in [&[][..], &[HTML], &[HTML]] {
        let again = served.get_with(PATH, headers).await;
        assert_eq!(again.status, StatusCode::OK);
        assert_eq!(again.header("cache-status"), "extension-registry; hit");
    }
    let unread = served.get(&format!("{PATH}?source=local")).await;
    assert_eq!(unread.status, StatusCode::SERVICE_UNAVAILABLE, "never a 404");
}

/// A README that was read, and its backend, which is down now.
async fn read_before_an_outage() -> (Arc<Scripted>, Served) {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    written(&backend.inner);
    let served = Served::over(vec![backend.clone()]).await;
    assert_eq!(served.call(PATH, &[]).await.status, StatusCode::OK);
    backend.down.store(true, Ordering::SeqCst);
    (backend, served)
}

#[tokio::test(start_paused = true)]
async fn a_readme_outlives_an_outage_marked() {
    let (backend, served) = read_before_an_outage().await;
    for hours in [0, 1, 22] {
        sleep(Duration::from_secs(hours * 3600)).await;
        for headers in [&[][..], &[HTML]] {
            let got = served.call(PATH, headers).await;
            assert_eq!(got.status, StatusCode::OK, "{hours}");
            let marked = if hours == 0 { "" } else { "local" };
            assert_eq!(got.header("extension-registry-degraded"), marked, "{hours}");
        }
    }
    sleep(Duration::from_hours(3)).await;
    let too_old = served.call(PATH, &[]).await;
    assert_eq!(too_old.status, StatusCode::SERVICE_UNAVAILABLE, "never a 404");
    backend.down.store(false, Ordering::SeqCst);
    sleep(Duration::from_mins(1)).await;
    let back = served.call(PATH, &[]).await;
    assert_eq!((back.status, back.header("extension-registry-degraded")), (StatusCode::OK, ""));
}

#[tokio::test(start_paused = true)]
async fn an_old_readme_of_the_same_version_is_read_again_behind_the_answer() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    written(&backend.inner);
    let served = Served::over(vec![backend.clone()]).await;
    let first = served.call(PATH, &[]).await;
    sleep(Duration::from_secs(301)).await;
    backend.inner.write_readme(&id("provider/aws"), tag("1.2.0"), "# News");
    let second = served.call(PATH, &[]).await;
    assert_eq!(second.body, first.body);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(served.call(PATH, &[]).await.text(), "# News");
    assert_eq!(backend.readmes.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_version_shows_its_own_readme() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    written(&backend.inner);
    let served = Served::over(vec![backend.clone()]).await;
    served.call(PATH, &[]).await;
    let aws = id("provider/aws");
    backend.inner.publish(&aws, tag("1.3.0"), about("d", &[]), "new");
    backend.inner.write_readme(&aws, tag("1.3.0"), "# 1.3.0");
    served.catalog.reader.refresh(&aws, Scope::All).await.unwrap();
    assert_eq!(served.call(PATH, &[]).await.text(), "# 1.3.0");
}

#[tokio::test(start_paused = true)]
async fn that_there_is_none_is_remembered_for_ten_seconds() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.2.0"]));
    let served = Served::over(vec![backend.clone()]).await;
    for (seconds, asked) in [(0, 1), (9, 1), (1, 2)] {
        sleep(Duration::from_secs(seconds)).await;
        assert_eq!(served.call(PATH, &[]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(backend.readmes.load(Ordering::SeqCst), asked, "{seconds}");
    }
}

#[tokio::test]
async fn texts_are_compressed() {
    let backend = memory(BackendId::LOCAL, &["provider/aws:1.2.0"]);
    backend.write_readme(&id("provider/aws"), tag("1.2.0"), "# words\n\n".repeat(1000));
    let served = Served::over(vec![backend]).await;
    for accept in ["text/markdown", "text/html"] {
        let headers = [("accept", accept), ("accept-encoding", "gzip")];
        let got = served.get_with(PATH, &headers).await;
        assert_eq!(got.header("content-encoding"), "gzip", "{accept}");
        assert!(got.body.len() < 1000, "{accept}");
    }
}
