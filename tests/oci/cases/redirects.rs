//! Redirects of a registry: where they may lead, what goes along, and that they are not kept.

use std::sync::Arc;

use extension_registry::backend::Backend as _;
use extension_registry::error::ErrorKind;
use parking_lot::Mutex;

use super::transfer::{ARCHIVE, sending};
use crate::oci::{backend_as, backend_with, credentials_of, id, whole};
use crate::support::scripted_registry::{Reply, ScriptedRegistry, Seen};

/// Ways to write an address that nobody outside may make us dial; `PORT` is the canary's.
const PRIVATE: [&str; 29] = [
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.127.127.127:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://[::]:PORT/",
    "http://[::1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://user:password@127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "\\\\127.0.0.1:PORT/",
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://[fd00::1]/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/",
    "data:text/plain,x",
];

#[tokio::test]
async fn row_16_redirects_to_private_addresses_are_refused_before_anybody_is_dialled() {
    let canary = ScriptedRegistry::start(|_| Reply::new(200).bytes(ARCHIVE)).await;
    let port = canary.url().rsplit_once(':').unwrap().1.to_owned();
    let to = Arc::new(Mutex::new(String::new()));
    let target = Arc::clone(&to);
    let (registry, artifact) =
        sending(move |_| Reply::new(307).header("location", &*target.lock())).await;
    let backend = backend_as(&registry.url(), "user:canary");
    for address in PRIVATE {
        *to.lock() = address.replace("PORT", &port);
        let refused = backend.open(&id("aws-provider"), &artifact, None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{address}: {}", refused.report());
    }
    assert_eq!(canary.take(), [""; 0]);
}

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
        settings.credentials = credentials_of(&registry.url(), "user:canary");
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
