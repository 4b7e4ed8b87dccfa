//! Catalogs and lists of tags: paging, refusals, emptiness.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use registry_backends::oci::client::Names;
use registry_backends::oci::credentials::Credentials;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};

use crate::oci::{backend, backend_with, client, id, repository, versions};

fn link(target: &str) -> String {
    format!("<{target}>; rel=\"next\"")
}

fn tags(names: &[&str]) -> Reply {
    Reply::json(serde_json::json!({"name": "x", "tags": names}).to_string())
}

fn repositories(names: &[&str]) -> Reply {
    Reply::json(serde_json::json!({"repositories": names}).to_string())
}

/// The tags of one repository, asked of a registry that answers so.
async fn tags_of(
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Names, ScriptedRegistry) {
    let server = ScriptedRegistry::start(answer).await;
    let client = client(&server.url(), Credentials::Anonymous);
    (client.lister().tags(&repository("aws-provider")).await.unwrap(), server)
}

#[tokio::test]
async fn case_01_manifests_are_asked_for_with_all_four_types() {
    let mut store = Store::default();
    store.push("provisioning/aws-provider", "1.0.0", b"archive");
    let played = PlayedRegistry::new(Dialect::Distribution, store);
    let server = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert!(extension.latest().unwrap().artifact.chosen().is_some());
    let seen = server.seen();
    let asked = seen.iter().find(|seen| seen.target.contains("/manifests/")).unwrap();
    let accept = asked.header("accept").unwrap();
    for kind in ["oci.image.manifest.v1", "oci.image.index.v1", "manifest.v2", "manifest.list.v2"] {
        assert!(accept.contains(kind), "{accept}");
    }
}

#[tokio::test]
async fn case_02_no_tags_are_no_releases() {
    let server = ScriptedRegistry::start(|_| Reply::json(r#"{"name":"x","tags":null}"#)).await;
    let extension = backend(&server.url()).extension(&id("aws-provider")).await.unwrap();
    assert!(extension.releases().is_empty() && extension.coverage().is_complete());
    assert_eq!(extension.faults(), []);
}

#[tokio::test]
async fn case_03_a_last_page_with_a_link_ends() {
    let (found, server) = tags_of(|seen| match seen.query("last").as_deref() {
        None => tags(&["1.0.0", "1.1.0"]).header("link", link("/v2/x/tags/list?last=1.1.0")),
        Some(_) => tags(&[]),
    })
    .await;
    assert_eq!(found.names, ["1.0.0", "1.1.0"]);
    assert!(found.gap.is_none());
    assert_eq!(server.take().len(), 2);
}

#[tokio::test]
async fn case_04_a_listing_whose_tag_vanished_is_begun_again_once() {
    let pages = |seen: &Seen| match seen.query("last") {
        None => tags(&["1.0.0", "1.1.0"]).header("link", link("/v2/x/tags/list?last=1.1.0")),
        Some(_) => Reply::new(404),
    };
    let (found, server) = tags_of(pages).await;
    assert_eq!(found.names, ["1.0.0", "1.1.0"]);
    assert!(found.gap.unwrap().is_not_found(), "partial");
    assert_eq!(server.take().len(), 4);
    let calls = AtomicUsize::new(0);
    let (found, _) = tags_of(move |seen| match calls.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => pages(seen),
        _ => tags(&["1.0.0", "1.2.0"]),
    })
    .await;
    assert_eq!(
        (found.names.as_slice(), found.gap.is_none()),
        (&["1.0.0", "1.2.0"].map(String::from)[..], true)
    );
}

#[tokio::test]
async fn case_05_pages_are_followed_by_their_links_and_behind_full_ones() {
    let (_, server) = tags_of(|_| tags(&["1.0.0", "1.1.0"])).await;
    assert!(server.take().iter().all(|asked| !asked.contains("last=")));
    // A hundred names and no link may be a part: a registry that has no other says them again.
    let hundred: Vec<String> = (0..100).map(|number| format!("1.{number}.0")).collect();
    let hundred: Vec<&'static str> = hundred.into_iter().map(|name| &*name.leak()).collect();
    let (found, server) = tags_of(move |_| tags(&hundred)).await;
    assert_eq!((found.names.len(), found.gap.is_none(), server.take().len()), (100, true, 2));
}

#[tokio::test]
async fn case_06_a_link_to_a_page_of_null_ends() {
    let (found, _) = tags_of(|seen| match seen.query("last") {
        None => tags(&["1.0.0"]).header("link", link("/v2/x/tags/list?n=1&last=1.0.0")),
        Some(_) => Reply::json(r#"{"name":"x","tags":null}"#),
    })
    .await;
    assert_eq!((found.names.as_slice(), found.gap.is_none()), (&["1.0.0".to_owned()][..], true));
}

#[tokio::test]
async fn case_07_a_link_to_another_server_is_not_followed() {
    let evil = ScriptedRegistry::start(|_| tags(&["6.6.6"])).await;
    let target = link(&format!("{}/v2/x/tags/list?last=1", evil.url()));
    let (found, _) = tags_of(move |_| tags(&["1.0.0"]).header("link", &target)).await;
    assert_eq!(found.names, ["1.0.0"]);
    assert_eq!(found.gap.unwrap().kind(), ErrorKind::BackendFaulty);
    assert_eq!(evil.take(), [""; 0]);
}

#[tokio::test]
async fn case_08_what_continues_a_listing_is_copied_unchanged() {
    let opaque = "next_page=gAAAAABm%2B%3D%3D&n=50";
    let (found, server) = tags_of(move |seen| match seen.query("next_page") {
        None => tags(&["1.0.0"]).header("link", link(&format!("/v2/x/tags/list?{opaque}"))),
        Some(_) => tags(&["1.1.0"]),
    })
    .await;
    assert_eq!(found.names, ["1.0.0", "1.1.0"]);
    assert!(server.take()[1].ends_with(opaque));
}

#[tokio::test]
async fn case_09_a_page_size_that_is_refused_is_left_out() {
    let played = PlayedRegistry::new(Dialect::Distribution, Store::of_recorded_zot());
    let server = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
    let client = client(&server.url(), Credentials::Anonymous);
    assert!(client.lister().catalog(|_| true).await.unwrap().names.len() > 11);
    assert_eq!(server.take(), ["GET /v2/_catalog?n=100"], "never more than any registry bears");
    for status in [400, 413] {
        let (found, _) = tags_of(move |seen| match seen.query("n") {
            Some(_) => Reply::new(status),
            None => tags(&["1.0.0"]),
        })
        .await;
        assert_eq!(found.names, ["1.0.0"]);
    }
}

#[tokio::test]
async fn case_10_without_a_catalog_the_configured_repositories_are_served() {
    for status in [401, 403, 404, 405] {
        let mut store = Store::default();
        store.push("provisioning/aws-provider", "1.0.0", b"archive");
        let played = PlayedRegistry::new(Dialect::Distribution, store);
        let server = ScriptedRegistry::start(move |seen| match seen.path() {
            "/v2/_catalog" => Reply::new(status),
            _ => played.answer(seen),
        })
        .await;
        let configured = backend_with(&server.url(), |settings| {
            settings.repositories = vec![id("aws-provider")];
        });
        let listing = configured.listing().await.unwrap();
        assert_eq!(
            (listing.ids, listing.coverage.is_complete()),
            (vec![id("aws-provider")], false)
        );
        assert_eq!(listing.faults.len(), 1, "a warning");
        let extension = configured.extension(&id("aws-provider")).await.unwrap();
        assert_eq!(versions(&extension), ["1.0.0"]);
        assert!(backend(&server.url()).listing().await.is_err(), "nothing can be said then");
    }
}

#[tokio::test]
async fn case_11_an_empty_catalog_is_an_answer() {
    for body in [r#"{"repositories":[]}"#, r#"{"repositories":null}"#] {
        let server = ScriptedRegistry::start(move |_| Reply::json(body)).await;
        let listing = backend(&server.url()).listing().await.unwrap();
        assert_eq!(
            (listing.ids.len(), listing.coverage.is_complete(), listing.faults.len()),
            (0, true, 0)
        );
        let configured = backend_with(&server.url(), |settings| {
            settings.repositories = vec![id("aws-provider")];
        });
        let listing = configured.listing().await.unwrap();
        assert!(!listing.coverage.is_complete(), "it hides what is there");
    }
}

#[tokio::test]
async fn an_empty_page_behind_an_unchanged_one_is_the_end() {
    let server = ScriptedRegistry::start(move |seen| match seen.query("last") {
        None => repositories(&["provisioning/aws-provider"])
            .header("link", link("/v2/_catalog?n=100&last=provisioning/aws-provider")),
        Some(_) => repositories(&[]),
    })
    .await;
    let listing = backend(&server.url()).listing().await.unwrap();
    assert_eq!((listing.ids, listing.coverage.is_complete()), (vec![id("aws-provider")], true));
    assert_eq!(listing.faults, []);
}

#[tokio::test]
async fn case_12_a_catalog_that_ends_early_proves_nothing() {
    let answers = Arc::new(AtomicUsize::new(0));
    let server = ScriptedRegistry::start(move |_| match answers.fetch_add(1, Ordering::SeqCst) {
        0 => repositories(&["provisioning/aws-provider"])
            .header("link", link("/v2/_catalog?n=100&last=provisioning/aws-provider")),
        _ => repositories(&[]),
    })
    .await;
    let listing = backend(&server.url()).listing().await.unwrap();
    assert_eq!((listing.ids, listing.coverage.is_complete()), (vec![id("aws-provider")], false));
}
