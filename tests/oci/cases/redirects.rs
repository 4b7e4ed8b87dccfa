//! Redirects of a registry: what goes along, and that they are not kept.

use std::sync::Arc;

use extension_registry::backend::Backend as _;
use parking_lot::Mutex;

use super::transfer::{ARCHIVE, sending};
use crate::oci::{backend_with, credentials_of, id, whole};
use crate::support::scripted_registry::{Reply, ScriptedRegistry, Seen};

#[tokio::test]
async fn row_17_credentials_go_to_no_other_origin_and_do_not_come_back() {
    let home = Arc::new(Mutex::new(String::new()));
    let back = Arc::clone(&home);
    let other = ScriptedRegistry::start(move |_| {
        Reply::new(302)
            .header("location", format!("{}/v2/x/blobs/back", back.lock()))
            .header("set-cookie", "canary=1")
    })
    .await;
    let away = format!("{}/signed", other.url());
    let (registry, artifact) = sending(move |seen| match seen.header("authorization") {
        _ if seen.path().ends_with("/back") => Reply::new(200).bytes(ARCHIVE),
        Some(_) => Reply::new(307).header("location", &away).header("set-cookie", "canary=1"),
        None => Reply::new(401).header("www-authenticate", "Basic realm=x"),
    })
    .await;
    *home.lock() = registry.url();
    let backend = backend_with(&registry.url(), |settings| {
        settings.credentials = credentials_of(&registry.url(), "user:SECRET");
        settings.allow_private_redirects = true;
    });
    let opened = backend.open(&id("aws-provider"), &artifact, None).await.unwrap();
    assert_eq!(whole(opened, &artifact).await.unwrap(), ARCHIVE);
    let at_home = registry.seen();
    let returned: Vec<&Seen> =
        at_home.iter().filter(|seen| seen.path().ends_with("/back")).collect();
    let strangers = other.seen();
    assert_eq!((strangers.len(), returned.len()), (1, 1));
    for seen in strangers.iter().chain(returned) {
        for secret in ["authorization", "cookie", "referer"] {
            assert_eq!(seen.header(secret), None, "{}", seen.target);
        }
    }
}

#[tokio::test]
async fn row_18_a_signed_address_is_asked_for_anew_each_time() {
    let used = Mutex::new(Vec::new());
    let storage = ScriptedRegistry::start(move |seen| {
        let mut used = used.lock();
        if used.contains(&seen.target) {
            return Reply::new(403);
        }
        used.push(seen.target.clone());
        Reply::new(200).bytes(ARCHIVE)
    })
    .await;
    let (store, signed) = (storage.url(), Mutex::new(0));
    let (registry, artifact) = sending(move |_| {
        let mut signed = signed.lock();
        *signed += 1;
        let location = format!("{store}/blob?X-Amz-Signature={signed}");
        Reply::new(307).header("location", location).header("cache-control", "max-age=3600")
    })
    .await;
    let backend = backend_with(&registry.url(), |settings| settings.allow_private_redirects = true);
    for _ in 0..3 {
        let opened = backend.open(&id("aws-provider"), &artifact, None).await.unwrap();
        assert_eq!(whole(opened, &artifact).await.unwrap(), ARCHIVE);
    }
    assert_eq!((registry.count("/blobs/"), storage.take().len()), (3, 3));
}
