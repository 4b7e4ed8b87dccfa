//! Every link of every page leads to a page, below the address of the API too.

use std::collections::BTreeSet;

use registry_backends::local::samples::unpack_samples;
use registry_core::models::scope::Scope;
use reqwest::StatusCode;

use super::attributes;
use crate::support::served::Served;

#[tokio::test]
async fn no_link_of_the_samples_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    unpack_samples(dir.path()).unwrap();
    let served = Served::local(dir.path()).await;
    served.catalog.reader.ready(Scope::All).await.unwrap();
    let mut found = BTreeSet::from(["/".to_owned()]);
    let mut left = vec!["/".to_owned()];
    while let Some(path) = left.pop() {
        let got = served.visit(&path).await;
        assert!(
            matches!(got.status, StatusCode::OK | StatusCode::PERMANENT_REDIRECT),
            "{path}: {} {}",
            got.status,
            String::from_utf8_lossy(&got.body)
        );
        if !got.header("content-type").starts_with("text/html") {
            continue;
        }
        let html = got.text();
        for link in attributes(&html, "href").into_iter().chain(attributes(&html, "action")) {
            // Facets multiply, so that lists of lists are followed once.
            let is_deep = link.matches('&').count() > 1 || link.contains("/files/");
            let link = link.split('#').next().unwrap().to_owned();
            let is_form = link == "/search" || link.ends_with("/changes");
            if link.starts_with('/') && !is_deep && !is_form && found.insert(link.clone()) {
                left.push(link);
            }
        }
    }
    assert!(found.len() > 100, "{}", found.len());
}
