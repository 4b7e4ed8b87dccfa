//! Pages while backends are down, silent or empty.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_server::pages::settings::{BackendPlace, PageSettings};
use registry_testing::memory::memory;
use registry_testing::scripted::Scripted;
use reqwest::StatusCode;

use super::assert_shows;
use crate::support::served::{Served, Setup};

#[tokio::test]
async fn an_empty_catalog_says_where_it_looks_and_how_to_begin() {
    let place = BackendPlace { backend: BackendId::LOCAL, location: "/srv/layouts".to_owned() };
    let pages = PageSettings { places: vec![place], ..PageSettings::default() };
    let backends = vec![memory(BackendId::LOCAL, &[]) as _];
    let served = Served::with(backends, Setup { pages, ..Setup::default() }).await;
    let html = served.visit("/").await.text();
    let texts =
        ["The catalog is empty", "/srv/layouts", "{name}-taskserv", "oras push --oci-layout"];
    assert_shows("/", &html, &texts);
    assert_eq!(served.visit("/extensions").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn stale_data_is_shown_and_said_to_be_stale() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let fresh = served.visit("/extensions").await.text();
    assert!(!fresh.contains("has not answered since"), "{fresh}");
    backend.down.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_hours(1)).await;
    for path in ["/", "/extensions", "/provider/aws", "/provider/aws/versions"] {
        let got = served.visit(path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}");
        assert_eq!(got.header("extension-registry-degraded"), "local", "{path}");
        assert_shows(path, &got.text(), &["local has not answered since", "data as of"]);
    }
}

#[tokio::test]
async fn a_backend_that_never_answered_is_a_missing_part() {
    let gitea = Scripted::down(BackendId::GITEA);
    let oci = memory(BackendId::OCI, &["provider/aws:1.0.0"]);
    let served = Served::over(vec![gitea, oci]).await;
    for path in ["/", "/extensions"] {
        let html = served.visit(path).await.text();
        let texts =
            ["Part of the catalog is missing", "part of the data is missing", "1 extension"];
        assert_shows(path, &html, &texts);
    }
    let alone = Served::over(vec![Scripted::down(BackendId::GITEA)]).await;
    let got = alone.visit("/").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_shows("/", &got.text(), &["A backend is unavailable", "no answer since the start"]);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_delays_no_page_of_what_is_known() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    served.visit("/provider/aws").await;
    backend.silent.store(true, Ordering::SeqCst);
    let start = tokio::time::Instant::now();
    for path in ["/", "/extensions", "/search?q=aws", "/provider/aws", "/provider/aws/versions"] {
        assert_eq!(served.visit(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    // A name that is not known is looked up, and waits no longer than a read.
    let got = served.visit("/provider/unknown").await;
    assert!(got.status.is_server_error(), "{}", got.status);
    assert_shows("unknown", &got.text(), &["What to do", "Try again"]);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_status_asks_no_backend_and_waits_for_none() {
    let backend = Arc::new(Scripted::new(BackendId::LOCAL, &["provider/aws:1.0.0"]));
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    backend.silent.store(true, Ordering::SeqCst);
    let before = (backend.questions(), backend.probes.load(Ordering::SeqCst));
    for _ in 0..3 {
        let got = served.visit("/status").await;
        assert_eq!(got.status, StatusCode::OK);
        assert_eq!(got.header("cache-control"), "no-store");
        assert!(got.header("etag").is_empty() && got.header("refresh").is_empty());
    }
    assert_eq!((backend.questions(), backend.probes.load(Ordering::SeqCst)), before);
    let refreshed = served.visit("/status?refresh=30").await;
    assert_eq!(refreshed.header("refresh"), "30");
}

#[tokio::test]
async fn the_status_says_what_is_wrong() {
    let served = Served::over(vec![
        Scripted::down(BackendId::GITEA),
        memory(BackendId::OCI, &["provider/aws:1.0.0"]),
    ])
    .await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let html = served.visit("/status").await.text();
    let texts = [
        "degraded",
        "gitea has not answered since the start",
        "extension-registry doctor",
        "connection refused",
        "undetermined",
    ];
    assert_shows("/status", &html, &texts);
}
