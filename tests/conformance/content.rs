//! What every backend must do that stores OCI content: manifests, blobs and referrers as they are.

use async_trait::async_trait;
use registry_core::backend::oci_content::{MANIFEST_MAX, Reference, StoredManifest};
use registry_core::error::ErrorKind;
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_testing::ids::id;
use registry_testing::registry_store::{OCI_INDEX, OCI_MANIFEST};
use serde_json::Value;

use super::Stage;

/// A backend of stored content.
#[async_trait]
pub trait Stores: Stage {
    /// Publishes a manifest that refers to this digest, and answers its own digest.
    async fn refer(&self, id: &ExtensionId, subject: &Digest) -> Digest;
}

/// Makes a test of each behavior for a backend.
macro_rules! stores {
    ($backend:ident, $stage:expr) => {
        $crate::conformance::content::each_behavior!($backend, $stage;
            a_manifest_is_had_by_tag_and_by_digest
            a_replaced_tag_is_seen_at_once
            an_unknown_manifest_is_not_found
            a_reference_that_is_none_is_not_found
            content_belongs_to_its_extension
            a_blob_is_no_manifest
            a_blob_is_opened_whole_and_in_parts
            a_part_outside_a_blob_is_refused
            an_unknown_blob_is_not_found
            referrers_are_an_index_with_equal_bytes
            a_manifest_without_referrers_has_an_empty_index
        );
    };
}

macro_rules! each_behavior {
    ($backend:ident, $stage:expr; $($behavior:ident)+) => {
        mod $backend {
            $(
                #[tokio::test]
                async fn $behavior() {
                    let stage = $stage;
                    $crate::conformance::content::$behavior(&stage).await;
                }
            )+

            #[test]
            fn no_behavior_of_stored_content_is_left_out() {
                let listed = [$(stringify!($behavior)),+].len();
                let written = include_str!("content.rs").matches("\npub async fn ").count();
                assert_eq!(listed, written, "behaviors listed, and written");
            }
        }
    };
}

pub(crate) use {each_behavior, stores};

const ARCHIVE: &[u8] = b"0123456789";

fn aws() -> ExtensionId {
    id("provider/aws")
}

fn tag(text: &str) -> Reference {
    Reference::Tag(text.to_owned())
}

async fn publish(stage: &impl Stores) {
    stage.publish(&aws(), "1.0.0", "described", ARCHIVE).await;
}

async fn manifest(stage: &impl Stores, of: &ExtensionId, reference: &Reference) -> StoredManifest {
    let backend = stage.backend();
    let stored = backend.oci_content().unwrap().manifest(of, reference).await.unwrap();
    assert!(stored.digest.matches(&stored.bytes));
    assert!(stored.bytes.len() as u64 <= MANIFEST_MAX);
    stored
}

async fn failure(stage: &impl Stores, of: &ExtensionId, reference: &Reference) -> ErrorKind {
    let backend = stage.backend();
    backend.oci_content().unwrap().manifest(of, reference).await.unwrap_err().kind()
}

async fn blob(
    stage: &impl Stores,
    of: &ExtensionId,
    digest: &Digest,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, ErrorKind> {
    let backend = stage.backend();
    let opened = backend.oci_content().unwrap().blob(of, digest, range).await;
    let download = opened.map_err(|error| error.kind())?;
    let length = download.length;
    let bytes = download.collect().await.unwrap();
    assert_eq!(bytes.len() as u64, length, "announced and sent");
    Ok(bytes.to_vec())
}

pub async fn a_manifest_is_had_by_tag_and_by_digest(stage: &impl Stores) {
    publish(stage).await;
    let by_tag = manifest(stage, &aws(), &tag("1.0.0")).await;
    assert_eq!(by_tag.media_type, OCI_MANIFEST);
    let document: Value = serde_json::from_slice(&by_tag.bytes).unwrap();
    assert_eq!(document["layers"][0]["digest"], Digest::sha256(ARCHIVE).to_string());
    let release = stage.backend().version(&aws(), &"1.0.0".parse().unwrap()).await.unwrap();
    assert_eq!(release.manifest_digest.as_ref(), Some(&by_tag.digest), "the catalog's digest");
    let by_digest = manifest(stage, &aws(), &Reference::Digest(by_tag.digest.clone())).await;
    assert_eq!(by_digest, by_tag);
    let spelled = manifest(stage, &id("provider/AWS"), &tag("1.0.0")).await;
    assert_eq!(spelled, by_tag, "names ignore case");
}

pub async fn a_replaced_tag_is_seen_at_once(stage: &impl Stores) {
    publish(stage).await;
    let before = manifest(stage, &aws(), &tag("1.0.0")).await;
    stage.publish(&aws(), "1.0.0", "described", b"other bytes").await;
    let after = manifest(stage, &aws(), &tag("1.0.0")).await;
    assert_ne!(before.digest, after.digest);
    assert_eq!(manifest(stage, &aws(), &Reference::Digest(after.digest.clone())).await, after);
    let archive = Digest::sha256(b"other bytes");
    assert_eq!(blob(stage, &aws(), &archive, None).await.unwrap(), b"other bytes");
}

pub async fn an_unknown_manifest_is_not_found(stage: &impl Stores) {
    publish(stage).await;
    let sha512 = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
    for reference in [
        tag("9.9.9"),
        tag("latest"),
        Reference::Digest(Digest::sha256(b"unknown")),
        Reference::Digest(sha512),
    ] {
        assert_eq!(failure(stage, &aws(), &reference).await, ErrorKind::NotFound, "{reference}");
        let unknown = failure(stage, &id("cluster/unknown"), &reference).await;
        assert_eq!(unknown, ErrorKind::NotFound, "{reference} of an unknown extension");
    }
}

pub async fn a_reference_that_is_none_is_not_found(stage: &impl Stores) {
    publish(stage).await;
    for text in [
        "",
        "..",
        "../../aws-provider/manifests/1.0.0",
        "1.0.0/../1.0.0",
        "1.0.0?x",
        "1.0.0#",
        "1.0.0%2f",
        "a\r\nb",
        "é",
        &"1".repeat(300),
    ] {
        assert_eq!(failure(stage, &aws(), &tag(text)).await, ErrorKind::NotFound, "{text:?}");
    }
}

pub async fn content_belongs_to_its_extension(stage: &impl Stores) {
    publish(stage).await;
    stage.publish(&id("taskserv/redis"), "1.0.0", "described", b"another archive").await;
    let stored = manifest(stage, &aws(), &tag("1.0.0")).await;
    // Read under its own name first, so that a cache could have it.
    assert_eq!(manifest(stage, &aws(), &Reference::Digest(stored.digest.clone())).await, stored);
    let digest = Reference::Digest(stored.digest);
    let redis = id("taskserv/redis");
    assert_eq!(failure(stage, &redis, &digest).await, ErrorKind::NotFound);
    let archive = Digest::sha256(ARCHIVE);
    assert_eq!(blob(stage, &aws(), &archive, None).await.unwrap(), ARCHIVE);
    assert_eq!(blob(stage, &redis, &archive, None).await, Err(ErrorKind::NotFound));
}

pub async fn a_blob_is_no_manifest(stage: &impl Stores) {
    publish(stage).await;
    for digest in [Digest::sha256(ARCHIVE), Digest::sha256(b"{}")] {
        let found = failure(stage, &aws(), &Reference::Digest(digest)).await;
        assert_eq!(found, ErrorKind::NotFound);
    }
}

pub async fn a_blob_is_opened_whole_and_in_parts(stage: &impl Stores) {
    publish(stage).await;
    let archive = Digest::sha256(ARCHIVE);
    for (range, expected) in [
        (None, &b"0123456789"[..]),
        (Some(0..10), b"0123456789"),
        (Some(0..1), b"0"),
        (Some(2..5), b"234"),
        (Some(9..10), b"9"),
    ] {
        let opened = blob(stage, &aws(), &archive, range.clone()).await.unwrap();
        assert_eq!(opened, expected, "{range:?}");
    }
    assert_eq!(blob(stage, &aws(), &Digest::sha256(b"{}"), None).await.unwrap(), b"{}");
    let large: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
    stage.publish(&aws(), "2.0.0", "described", &large).await;
    let digest = Digest::sha256(&large);
    assert!(blob(stage, &aws(), &digest, None).await.unwrap() == large);
    let part = blob(stage, &aws(), &digest, Some(99_999..200_001)).await.unwrap();
    assert!(part == large[99_999..200_001]);
}

#[expect(clippy::reversed_empty_ranges, reason = "a caller may ask for one")]
pub async fn a_part_outside_a_blob_is_refused(stage: &impl Stores) {
    publish(stage).await;
    for range in [10..11, 5..11, 100..200, 3..3, 5..2, 9..u64::MAX] {
        let refused = blob(stage, &aws(), &Digest::sha256(ARCHIVE), Some(range.clone())).await;
        assert_eq!(refused, Err(ErrorKind::RangeNotSatisfiable { size: 10 }), "{range:?}");
    }
}

pub async fn an_unknown_blob_is_not_found(stage: &impl Stores) {
    publish(stage).await;
    let sha512: Digest = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
    for digest in [Digest::sha256(b"unknown"), sha512] {
        for range in [None, Some(0..1)] {
            for of in [aws(), id("cluster/unknown")] {
                let found = blob(stage, &of, &digest, range.clone()).await;
                assert_eq!(found, Err(ErrorKind::NotFound), "{of} {digest}");
            }
        }
    }
}

pub async fn referrers_are_an_index_with_equal_bytes(stage: &impl Stores) {
    publish(stage).await;
    let subject = manifest(stage, &aws(), &tag("1.0.0")).await.digest;
    let referrer = stage.refer(&aws(), &subject).await;
    let backend = stage.backend();
    let content = backend.oci_content().unwrap();
    let index = content.referrers(&aws(), &subject).await.unwrap();
    assert_eq!(index.media_type, OCI_INDEX);
    assert!(index.digest.matches(&index.bytes));
    let document: Value = serde_json::from_slice(&index.bytes).unwrap();
    assert_eq!(document["mediaType"], OCI_INDEX);
    let [entry] = document["manifests"].as_array().unwrap().as_slice() else {
        panic!("one referrer: {document}")
    };
    assert_eq!(entry["digest"], referrer.to_string());
    assert_eq!(entry["artifactType"], "application/vnd.example.signature");
    let stored = manifest(stage, &aws(), &Reference::Digest(referrer)).await;
    assert_eq!(entry["size"], stored.bytes.len());
    assert_eq!(content.referrers(&aws(), &subject).await.unwrap(), index);
}

pub async fn a_manifest_without_referrers_has_an_empty_index(stage: &impl Stores) {
    publish(stage).await;
    let known = manifest(stage, &aws(), &tag("1.0.0")).await.digest;
    let backend = stage.backend();
    let content = backend.oci_content().unwrap();
    for subject in [known, Digest::sha256(b"unknown")] {
        let index = content.referrers(&aws(), &subject).await.unwrap();
        let document: Value = serde_json::from_slice(&index.bytes).unwrap();
        assert_eq!(document["manifests"].as_array().map(Vec::len), Some(0), "{document}");
        assert_eq!(
            (index.media_type.as_str(), document["schemaVersion"].as_i64()),
            (OCI_INDEX, Some(2))
        );
    }
}
