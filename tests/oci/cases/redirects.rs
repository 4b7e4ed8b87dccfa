//! Redirects of a registry: what goes along, and that they are not kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use registry_backends::oci::client::referrers;
use registry_core::backend::Backend as _;
use registry_core::error::ErrorKind;
use registry_core::models::digest::Digest;
use registry_testing::canary::secret_for;
use registry_testing::chaos::Chaos;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};

use super::transfer::{ARCHIVE, sending};
use crate::oci::{backend_with, client, credentials_of, id, repository, whole};

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
        settings.upstream.allow_private_redirects = true;
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
    let backend =
        backend_with(&registry.url(), |settings| settings.upstream.allow_private_redirects = true);
    for _ in 0..3 {
        let opened = backend.open(&id("aws-provider"), &artifact, None).await.unwrap();
        assert_eq!(whole(opened, &artifact).await.unwrap(), ARCHIVE);
    }
    assert_eq!((registry.count("/blobs/"), storage.take().len()), (3, 3));
}

/// Lists of a stranger, whose next page is its own as well.
fn strange_list(seen: &Seen) -> Reply {
    let body = match seen.path() {
        path if path.ends_with("/_catalog") => r#"{"repositories":["provisioning/x-provider"]}"#,
        path if path.ends_with("/tags/list") => r#"{"tags":["6.6.6"]}"#,
        _ => r#"{"manifests":[]}"#,
    };
    match seen.query("last") {
        None => Reply::json(body).header("link", format!("<{}?last=x>; rel=next", seen.path())),
        Some(_) => Reply::json(body),
    }
}

/// A registry for who has a password; it sends the questions that are meant to this address.
async fn redirecting(
    to: String,
    meant: impl Fn(&Seen) -> bool + Send + Sync + 'static,
) -> ScriptedRegistry {
    ScriptedRegistry::start(move |seen| match seen.header("authorization") {
        None => Reply::new(401).header("www-authenticate", "Basic realm=x"),
        Some(_) if meant(seen) => {
            Reply::new(307).header("location", format!("{to}{}", seen.target))
        }
        Some(_) => Reply::json(r#"{"tags":["1.0.0"]}"#).header("link", "<?last=1.0.0>; rel=next"),
    })
    .await
}

#[tokio::test]
async fn row_17_a_list_that_is_redirected_elsewhere_cannot_be_read_and_nobody_there_is_asked() {
    let stranger = ScriptedRegistry::start(strange_list).await;
    let registry = redirecting(stranger.url(), |_| true).await;
    let credentials = || credentials_of(&registry.url(), "user:SECRET");
    let asking = client(&registry.url(), credentials());
    let aws = repository("aws-provider");
    let ends = [
        asking.lister().catalog(|_| true).await.map(|_| ()),
        asking.lister().tags(&aws).await.map(|_| ()),
        referrers(&asking, &aws, &Digest::sha256(b"subject")).await.map(|_| ()),
    ];
    for end in ends {
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendFaulty, "{}", error.report());
    }
    let backend = backend_with(&registry.url(), |settings| {
        settings.credentials = credentials();
        settings.repositories = vec![id("aws-provider")];
        settings.upstream.allow_private_redirects = true;
    });
    let listing = backend.listing().await.unwrap();
    assert!(
        !listing.coverage.is_complete(),
        "what is configured is served, and the rest is not gone"
    );
    assert!(listing.faults[0].reason.contains("another server"), "{:?}", listing.faults);
    let later = redirecting(stranger.url(), |seen| seen.query("last").is_some()).await;
    let asking = client(&later.url(), credentials_of(&later.url(), "user:SECRET"));
    let found = asking.lister().tags(&aws).await.unwrap();
    assert_eq!((found.names.len(), found.gap.unwrap().kind()), (1, ErrorKind::BackendFaulty));
    assert_eq!(stranger.take(), [""; 0]);
}

/// Storage behind a redirect that refuses and says where a password should go.
#[tokio::test]
async fn row_17_what_storage_says_of_how_to_be_let_in_is_not_believed() {
    let evil = ScriptedRegistry::start(|_| Reply::json(r#"{"token":"x"}"#)).await;
    let bearer = format!("Bearer realm=\"{}/token\",scope=\"x\"", evil.url());
    for challenge in [bearer.as_str(), "Basic realm=x", ""] {
        for status in [401, 403] {
            let said = challenge.to_owned();
            let storage = ScriptedRegistry::start(move |_| {
                Reply::new(status).header("www-authenticate", &said)
            })
            .await;
            let away = format!("{}/signed", storage.url());
            let (registry, artifact) =
                sending(move |_| Reply::new(307).header("location", &away)).await;
            let backend = backend_with(&registry.url(), |settings| {
                settings.credentials = credentials_of(&registry.url(), "user:SECRET");
                settings.upstream.allow_private_redirects = true;
            });
            let refused = backend.open(&id("aws-provider"), &artifact, None).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::BackendFaulty, "{}", refused.report());
            assert_eq!((registry.count("/blobs/"), storage.take().len()), (1, 1), "{challenge}");
        }
    }
    assert_eq!(evil.take(), [""; 0]);
}

#[tokio::test]
async fn row_17_a_refusal_by_storage_is_no_absence_and_takes_no_token_from_us() {
    let refuses = Arc::new(AtomicBool::new(false));
    let now_refuses = Arc::clone(&refuses);
    let storage = ScriptedRegistry::start(|_| Reply::new(403)).await;
    let away = format!("{}/manifest", storage.url());
    let registry = ScriptedRegistry::start(move |seen| {
        let host = seen.header("host").unwrap();
        match seen.path() {
            "/token" => Reply::json(format!(
                r#"{{"token":"{}","expires_in":300}}"#,
                secret_for(host, "good")
            )),
            _ if seen.header("authorization").is_none() => Reply::new(401)
                .header("www-authenticate", format!("Bearer realm=\"http://{host}/token\"")),
            path if path.contains("/manifests/") && now_refuses.load(Ordering::SeqCst) => {
                Reply::new(307).header("location", &away)
            }
            path if path.contains("/manifests/") => Reply::new(404),
            _ => Reply::json(r#"{"tags":["1.0.0"],"name":"x"}"#),
        }
    })
    .await;
    let backend = backend_with(&registry.url(), |settings| {
        settings.upstream.allow_private_redirects = true;
    });
    let (aws, tag) = (id("aws-provider"), "1.0.0".parse().unwrap());
    // The same credentials served here a moment ago, which makes a refusal by the registry a "no".
    assert!(backend.version(&aws, &tag).await.unwrap_err().is_not_found());
    refuses.store(true, Ordering::SeqCst);
    for status in ["refusal", "the same again"] {
        let error = backend.version(&aws, &tag).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BackendFaulty, "{status}: {}", error.report());
    }
    assert_eq!(registry.count("/token"), 1, "the token is still good");
    assert!(storage.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

/// A registry can name ever new servers: to none of them is a connection kept.
#[tokio::test]
async fn no_connection_is_kept_to_storage_behind_a_redirect() {
    let storage = ScriptedRegistry::start(|_| Reply::new(200).bytes(ARCHIVE)).await;
    let place = |url: String| url.trim_start_matches("http://").to_owned();
    let counted = Chaos::to(&place(storage.url()), false).await;
    let away = format!("{}/blob", counted.url());
    let (registry, artifact) = sending(move |_| Reply::new(307).header("location", &away)).await;
    let home = Chaos::to(&place(registry.url()), false).await;
    let backend =
        backend_with(&home.url(), |settings| settings.upstream.allow_private_redirects = true);
    for _ in 0..3 {
        let opened = backend.open(&id("aws-provider"), &artifact, None).await.unwrap();
        assert_eq!(whole(opened, &artifact).await.unwrap(), ARCHIVE);
    }
    assert_eq!((home.take_arrived(), counted.take_arrived()), (1, 3));
}
