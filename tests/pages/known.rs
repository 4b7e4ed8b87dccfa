//! A kept page that needs no router is the one that the router gives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use registry_core::models::backend_id::BackendId;
use registry_core::models::scope::Scope;
use registry_testing::ids::{id, tag};
use registry_testing::scripted::Scripted;

use super::{assert_shows, sample, served};
use crate::api::short_way::ask;
use crate::support::served::{BROWSER, Served};

const KNOWN: [&str; 10] = [
    "/",
    "/extensions",
    "/extensions?type=provider&sort=published",
    "/search?q=aws",
    "/provider/aws",
    "/provider/aws/v/1.1.0",
    "/provider/aws/versions",
    "/provider/aws/feed.atom",
    "/badges/provider/aws.svg",
    "/api",
];

/// Loads a page by `GET`; true if no router was needed.
async fn is_at_once(served: &Served, target: &str, headers: &[(&str, &str)]) -> bool {
    let given = ask(&served.router, Method::GET, target, headers).await;
    assert!(!given.status.is_server_error(), "{target}: {}", given.status);
    given.at_once
}

#[tokio::test(start_paused = true)]
async fn both_ways_give_the_same_headers() {
    let served = served().await;
    for target in KNOWN {
        for accept in [BROWSER, "*/*"] {
            let plain = [("accept", accept)];
            assert!(!is_at_once(&served, target, &plain).await, "{target} was not known");
            let long = ask(&served.router, Method::HEAD, target, &plain).await;
            let short = ask(&served.router, Method::GET, target, &plain).await;
            assert_eq!((short.at_once, long.at_once), (true, false), "{target} {accept}");
            assert_eq!((short.status, &short.headers), (long.status, &long.headers), "{target}");
            let etag = short.headers["etag"].to_str().unwrap().to_owned();
            let known = [("accept", accept), ("if-none-match", &etag)];
            let long = ask(&served.router, Method::HEAD, target, &known).await;
            let short = ask(&served.router, Method::GET, target, &known).await;
            assert_eq!(short.status, StatusCode::NOT_MODIFIED, "{target}");
            assert!(short.at_once);
            assert_eq!(short.headers, long.headers, "{target}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_addresses_and_origins_are_routed() {
    let served = served().await;
    for target in KNOWN {
        is_at_once(&served, target, &[("accept", BROWSER)]).await;
        for (name, value) in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-prefix", "/evil"),
            ("x-forwarded-proto", "https"),
            ("origin", "https://other.example"),
        ] {
            let headers = [("accept", BROWSER), (name, value)];
            assert!(!is_at_once(&served, target, &headers).await, "{target} {name}");
        }
        assert!(is_at_once(&served, target, &[("accept", BROWSER)]).await, "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_forgotten_as_soon_as_it_would_show_something_else() {
    let mut backend = Scripted::new(BackendId::LOCAL, &[]);
    backend.inner = sample();
    let backend = Arc::new(backend);
    let served = Served::over(vec![Arc::clone(&backend) as _]).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let (page, browser) = ("/provider/aws", [("accept", BROWSER)]);
    let learn = async || {
        is_at_once(&served, page, &browser).await;
        assert!(is_at_once(&served, page, &browser).await);
    };
    learn().await;
    // A pin is no part of the view.
    served.call("/extensions/provider/aws/1.2.0", &[]).await;
    assert!(!is_at_once(&served, page, &browser).await);
    learn().await;
    // Nor is it that the archive was read.
    served.visit("/provider/aws/v/1.2.0/files").await;
    backend.inner.write_readme(&id("provider/aws"), tag("v1.2.0"), "# Other words\n");
    backend.inner.publish(
        &id("provider/aws"),
        tag("1.4.0"),
        registry_testing::ids::about("newer", &[]),
        "y",
    );
    served.catalog.syncer.sync(Scope::All).await.unwrap();
    assert!(!is_at_once(&served, page, &browser).await);
    assert_shows(page, &served.visit(page).await.text(), &["1.4.0", "newer"]);
    learn().await;
    // The state of a backend is shown, and time passes without a request.
    backend.down.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(!is_at_once(&served, page, &browser).await);
    assert_shows(page, &served.visit(page).await.text(), &["local has not answered since"]);
}
