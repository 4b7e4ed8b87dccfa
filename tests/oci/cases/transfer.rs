//! Bytes on their way: redirects, ranges, lies about digests and lengths, limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use registry_backends::oci::credentials::Credentials;
use registry_core::backend::Backend as _;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::artifact::Artifact;
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen, Sending};

use crate::oci::{backend, backend_as, backend_with, client, id, repository, whole};

pub(super) const ARCHIVE: &[u8] = b"an archive of thirty-two bytes..";

/// A registry with one release whose archive is sent as told.
pub(super) async fn sending(
    blob: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (ScriptedRegistry, Arc<Artifact>) {
    let mut store = Store::default();
    store.push("provisioning/aws-provider", "1.0.0", ARCHIVE);
    let played = PlayedRegistry::new(Dialect::Distribution, store);
    let server = ScriptedRegistry::start(move |seen| {
        if seen.path().contains("/blobs/") { blob(seen) } else { played.answer(seen) }
    })
    .await;
    let tag = "1.0.0".parse().unwrap();
    let release = backend(&server.url()).version(&id("aws-provider"), &tag).await.unwrap();
    (server, release.artifact.chosen().unwrap().clone())
}

async fn download(url: &str, artifact: &Artifact) -> Result<Bytes, Error> {
    let opened = backend(url).open(&id("aws-provider"), artifact, None).await?;
    whole(opened, artifact).await
}

#[tokio::test]
async fn case_21_a_redirect_to_storage_shows_nothing_of_us() {
    for (sent, intact) in [(ARCHIVE, true), (&[0; 32][..], false)] {
        let storage = ScriptedRegistry::start(move |_| Reply::new(200).bytes(sent)).await;
        let target = format!("{}/signed?X-Amz-Signature=1", storage.url());
        let (registry, artifact) = sending(move |seen| match seen.header("authorization") {
            Some(_) => Reply::new(307).header("location", &target),
            None => Reply::new(401).header("www-authenticate", "Basic realm=x"),
        })
        .await;
        let signed_in = backend_with(&registry.url(), |settings| {
            settings.credentials = super::super::credentials_of(&registry.url(), "user:SECRET");
            settings.upstream.allow_private_redirects = true;
        });
        let opened = signed_in.open(&id("aws-provider"), &artifact, None).await.unwrap();
        assert_eq!(whole(opened, &artifact).await.is_ok(), intact);
        let seen = storage.seen();
        assert!(!seen.is_empty() && seen.iter().all(|seen| seen.header("authorization").is_none()));
        assert!(seen.iter().all(|seen| !format!("{:?}", seen.headers).contains("canary")));
        // Without the operator's word a registry cannot send us to private addresses.
        let careful = backend_as(&registry.url(), "user:SECRET");
        let refused = careful.open(&id("aws-provider"), &artifact, None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BackendFaulty);
    }
}

#[tokio::test]
async fn case_22_a_registry_without_ranges_is_cut_to_the_part() {
    let whole = |_: &Seen| Reply::new(200).bytes(ARCHIVE);
    let lying =
        |_: &Seen| Reply::new(206).header("content-range", "bytes 0-3/32").bytes(&ARCHIVE[..4]);
    let (registry, artifact) = sending(whole).await;
    let backend_of = |url: &str| backend(url);
    let part = backend_of(&registry.url());
    let part = part.open(&id("aws-provider"), &artifact, Some(3..10)).await.unwrap();
    assert_eq!(part.length, 7);
    assert_eq!(part.collect().await.unwrap(), "archive");
    assert_eq!(registry.seen().last().unwrap().header("range"), Some("bytes=3-9"));
    let (registry, artifact) = sending(lying).await;
    let wrong = backend_of(&registry.url());
    let wrong = wrong.open(&id("aws-provider"), &artifact, Some(3..10)).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::BackendFaulty);
}

#[tokio::test]
async fn case_23_wrong_bytes_never_arrive_whole() {
    let altered: Bytes = {
        let mut bytes = ARCHIVE.to_vec();
        bytes[7] ^= 1;
        bytes.into()
    };
    let longer = Bytes::from([ARCHIVE, b"!"].concat());
    let (cut, stop) = (Bytes::from_static(&ARCHIVE[..9]), Bytes::from_static(&ARCHIVE[..31]));
    for body in [
        Sending::Whole(altered.clone()),
        Sending::Chunked(altered),
        Sending::Whole(longer.clone()),
        Sending::Chunked(longer),
        Sending::Cut { announced: 32, bytes: cut },
        Sending::Chunked(stop.clone()),
        Sending::Whole(stop),
    ] {
        let name = format!("{body:?}");
        let body = parking_lot::Mutex::new(Some(body));
        let (registry, artifact) =
            sending(move |_| Reply::new(200).sending(body.lock().take().unwrap())).await;
        let error = download(&registry.url(), &artifact).await.unwrap_err();
        let kinds =
            matches!(error.kind(), ErrorKind::BackendFaulty | ErrorKind::BackendUnavailable { .. });
        assert!(kinds, "{name}: {error:?}");
    }
    let (registry, artifact) =
        sending(|_| Reply::new(200).header("content-encoding", "gzip").bytes(ARCHIVE)).await;
    let untouched = download(&registry.url(), &artifact).await.unwrap();
    assert_eq!(untouched, ARCHIVE, "an encoding that a registry claims changes nothing");
}

#[tokio::test]
async fn case_24_a_head_that_tells_nothing_falls_to_a_get() {
    let mut store = Store::default();
    for tag in ["1.0.0", "1.0"] {
        store.push("provisioning/aws-provider", tag, ARCHIVE);
    }
    let played = PlayedRegistry::new(Dialect::Zot, store);
    let server = ScriptedRegistry::start(move |seen| {
        let mut reply = played.answer(seen);
        if seen.method == "HEAD" {
            reply.headers.remove("docker-content-digest");
        }
        reply
    })
    .await;
    let backend = backend(&server.url());
    let tag = "1.0.0".parse().unwrap();
    let first = backend.version(&id("aws-provider"), &tag).await.unwrap();
    server.take();
    assert_eq!(backend.version(&id("aws-provider"), &tag).await.unwrap(), first);
    assert_eq!((server.count("HEAD "), server.count("GET ")), (1, 1));
    let all = backend.releases(&id("aws-provider")).await.unwrap();
    assert_eq!(crate::oci::versions(&all), ["1.0.0"], "hidden once its manifest was read");
}

#[tokio::test]
async fn case_25_digests_are_computed_not_believed() {
    let mut store = Store::default();
    let digest = store.push("provisioning/aws-provider", "1.0.0", ARCHIVE);
    let hex = digest.trim_start_matches("sha256:").to_owned();
    for claimed in [hex, format!("sha512:{}", "a".repeat(128)), "nonsense".to_owned()] {
        let played = PlayedRegistry::new(Dialect::Zot, store.clone());
        let server = ScriptedRegistry::start(move |seen| {
            let mut reply = played.answer(seen);
            if reply.headers.contains_key("docker-content-digest") {
                reply.headers.insert("docker-content-digest", claimed.parse().unwrap());
            }
            reply
        })
        .await;
        let tag = "1.0.0".parse().unwrap();
        let release = backend(&server.url()).version(&id("aws-provider"), &tag).await.unwrap();
        assert_eq!(release.manifest_digest.unwrap().to_string(), digest);
    }
    // By digest, other bytes are no answer, whatever the header says.
    let other = ScriptedRegistry::start(|_| Reply::json(r#"{"schemaVersion":2}"#)).await;
    let client = client(&other.url(), Credentials::Anonymous);
    let digest = digest.parse().unwrap();
    let reference = registry_backends::oci::client::ManifestReference::Digest(&digest);
    let error = client.manifests().read(&repository("aws-provider"), reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendFaulty);
}

#[tokio::test]
async fn case_30_a_limit_is_passed_on_and_not_stormed() {
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (header, seconds) in [(Some("3"), 3), (Some(past), 1), (Some("9999999"), 300), (None, 5)] {
        let server = ScriptedRegistry::start(move |_| {
            let reply = Reply::new(429).header("content-type", "text/plain").bytes("slow down");
            header.map_or(reply, |value| Reply::new(429).header("retry-after", value))
        })
        .await;
        let backend = backend(&server.url());
        let expected = ErrorKind::BackendUnavailable { retry_after: Duration::from_secs(seconds) };
        assert_eq!(backend.listing().await.unwrap_err().kind(), expected);
        assert_eq!(backend.extension(&id("aws-provider")).await.unwrap_err().kind(), expected);
        // Nobody is asked within the pause that callers are told.
        assert_eq!(server.take().len(), 1, "{header:?}");
    }
}
