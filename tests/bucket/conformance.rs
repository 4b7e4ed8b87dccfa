//! One list of behaviors for every bucket: the one in memory and the one of a real S3 server.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use registry_backends::http::metrics::UpstreamMetrics;
use registry_core::backend::download::Download;
use registry_core::bucket::{Bucket, ObjectKey};
use registry_core::error::{Error, ErrorKind};
use registry_core::models::digest::Digest;
use registry_s3::bucket::{PART, S3Bucket};
use registry_testing::chaos::{Chaos, Way};
use registry_testing::memory_bucket::MemoryBucket;
use registry_testing::versity::{ACCESS, BUCKET, Versity};

use super::{Calls, bucket_at, credentials, settings};

fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

fn content(size: usize) -> Bytes {
    (0..size).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect::<Vec<_>>().into()
}

/// Bytes in pieces of an odd size.
fn in_pieces(bytes: &Bytes) -> Download {
    let bytes = bytes.clone();
    let length = bytes.len() as u64;
    let pieces = (0..bytes.len())
        .step_by(99_991)
        .map(move |at| Ok(bytes.slice(at..bytes.len().min(at + 99_991))));
    Download { length, bytes: stream::iter(pieces).boxed() }
}

async fn conforms(bucket: &dyn Bucket) {
    let missing = key("not/there");
    assert!(bucket.get(&missing).await.map(|_| ()).unwrap_err().is_not_found());
    assert!(bucket.size(&missing).await.unwrap_err().is_not_found());
    bucket.delete(&missing).await.unwrap();
    for size in [1, 100, 100_000, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 12_345] {
        let (bytes, key) = (content(size), key(&format!("sizes/{size}")));
        bucket.put(&key, in_pieces(&bytes)).await.unwrap();
        assert_eq!(bucket.size(&key).await.unwrap(), size as u64);
        let found = bucket.get(&key).await.unwrap();
        assert_eq!(found.length, size as u64);
        assert!(found.collect().await.unwrap() == bytes, "{size} bytes");
    }
    let replaced = key("sizes/100");
    bucket.put(&replaced, in_pieces(&content(7))).await.unwrap();
    assert_eq!(bucket.get(&replaced).await.unwrap().collect().await.unwrap(), content(7));
    bucket.delete(&replaced).await.unwrap();
    assert!(bucket.get(&replaced).await.map(|_| ()).unwrap_err().is_not_found());
    lists(bucket).await;
    // A content that fails stores nothing, whole or in parts.
    for size in [100, 2 * PART] {
        let key = key(&format!("fails/{size}"));
        let half = content(size / 2);
        let failing = stream::iter([Ok(half), Err(Error::faulty("broken"))]).boxed();
        let failing = Download { length: size as u64, bytes: failing };
        let error = bucket.put(&key, failing).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::BackendFaulty, "broken"));
        assert!(bucket.size(&key).await.unwrap_err().is_not_found(), "{size} bytes");
    }
}

async fn lists(bucket: &dyn Bucket) {
    let listed = async |below: &str, most| {
        let keys = bucket.list(&key(below), most).await.unwrap();
        keys.iter().map(ToString::to_string).collect::<BTreeSet<_>>()
    };
    assert!(listed("many", 10).await.is_empty());
    // More than a page of a server, and names that only begin alike.
    let keys: BTreeSet<String> = (0..1_100).map(|number| format!("many/x/{number:04}")).collect();
    for other in keys.iter().map(String::as_str).chain(["many.more/x", "manyx"]) {
        bucket.put(&key(other), in_pieces(&content(1))).await.unwrap();
    }
    assert_eq!(listed("many", 2_000).await, keys);
    assert_eq!(listed("many/x", 2_000).await, keys);
    assert_eq!(listed("many", 7).await.len(), 7);
}

#[tokio::test]
async fn the_bucket_in_memory_conforms() {
    conforms(&*MemoryBucket::new()).await;
}

#[tokio::test]
async fn a_real_server_conforms() {
    let Some(server) = Versity::start().await else { return };
    let (bucket, calls) = bucket_at(&server.url());
    conforms(&*bucket).await;
    let archive = ObjectKey::of_archive(&Digest::sha256(b"x"));
    bucket.put(&archive, Download::from_bytes(Bytes::from_static(b"x"))).await.unwrap();
    let file = server.directory().join("some/prefix").join(archive.as_str());
    assert_eq!(std::fs::read(file).unwrap(), b"x", "the prefix is before every key");
    let unfinished = std::fs::read_dir(server.directory().join(".sgwtmp/multipart"));
    let unfinished = unfinished.map_or(0, |uploads| {
        uploads.map(|key| std::fs::read_dir(key.unwrap().path()).unwrap().count()).sum()
    });
    assert_eq!(unfinished, 0, "what failed was aborted");
    let odd = |call: &&(&str, &str)| !matches!(call.1, "ok" | "absent");
    assert_eq!(calls.0.lock().iter().filter(odd).count(), 0);
}

#[tokio::test]
async fn wrong_credentials_and_buckets_are_told_apart() {
    let Some(server) = Versity::start().await else { return };
    let metrics: Arc<dyn UpstreamMetrics> = Arc::new(Calls::default());
    let at = |store: &str, access| {
        S3Bucket::new(settings(&server.url(), store, ""), &credentials(access), &metrics).unwrap()
    };
    let error = async |bucket: &S3Bucket| bucket.get(&key("x")).await.map(|_| ()).unwrap_err();
    let own = format!("s3://{BUCKET}");
    let wrong = at(&own, [ACCESS[0], "canary"]);
    let refused = error(&wrong).await;
    assert_eq!(refused.kind(), ErrorKind::BackendRefused);
    assert!(refused.message().contains("403 SignatureDoesNotMatch"), "{refused}");
    assert!(!refused.report().contains("canary"), "{refused}");
    wrong.renew(&credentials(ACCESS));
    assert!(error(&wrong).await.is_not_found(), "other credentials are used at once");
    let unknown = error(&at("s3://no-such-bucket", ACCESS)).await;
    assert!(unknown.message().contains("The bucket does not exist"), "{unknown}");
}

#[tokio::test]
async fn tls_trusts_the_authority_of_the_ca_file_alone() {
    let Some(server) = Versity::start().await else { return };
    let behind = server.url();
    let way = Chaos::to(behind.strip_prefix("http://").unwrap(), true).await;
    let metrics: Arc<dyn UpstreamMetrics> = Arc::new(Calls::default());
    let at = |more: &str| {
        let settings = settings(&way.url(), &format!("s3://{BUCKET}"), more);
        S3Bucket::new(settings, &credentials(ACCESS), &metrics).unwrap()
    };
    let trusting = at(&format!("ca_file = \"{}\"\n", way.ca_file().unwrap().display()));
    let bytes = content(100_000);
    trusting.put(&key("x"), in_pieces(&bytes)).await.unwrap();
    assert_eq!(trusting.get(&key("x")).await.unwrap().collect().await.unwrap(), bytes);
    let error = at("").get(&key("x")).await.map(|_| ()).unwrap_err();
    assert!(error.kind().is_unreachable(), "{error:?}");
    way.set(Way::Expired).await;
    assert!(trusting.get(&key("x")).await.is_err());
}

#[tokio::test]
async fn uploads_without_checksums_are_signed_all_the_same() {
    let Some(server) = Versity::start().await else { return };
    let metrics: Arc<dyn UpstreamMetrics> = Arc::new(Calls::default());
    let settings = settings(&server.url(), &format!("s3://{BUCKET}"), "checksums = false\n");
    let bucket = S3Bucket::new(settings, &credentials(ACCESS), &metrics).unwrap();
    conforms(&bucket).await;
}
