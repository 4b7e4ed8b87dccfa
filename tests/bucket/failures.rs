//! What an S3 server does wrong: no call takes long, nothing wrong is taken for an object, and a dead
//! server is left alone.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use registry_core::backend::download::Download;
use registry_core::bucket::{Bucket, ObjectKey};
use registry_core::error::{Error, ErrorKind};
use registry_s3::bucket::S3Bucket;
use registry_testing::scripted_s3::{S3Answer, ScriptedS3};
use tokio::time::{Instant, sleep};

use super::bucket_at;

fn key() -> ObjectKey {
    "archives/sha256/ab/abc".parse().unwrap()
}

async fn read(bucket: &S3Bucket) -> Result<Bytes, Error> {
    bucket.get(&key()).await?.collect().await
}

fn one(method: &str, count: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([(method.to_owned(), count)])
}

#[tokio::test]
async fn statuses_are_errors_that_say_what_to_do_and_no_call_is_repeated() {
    let server = ScriptedS3::start(|_| S3Answer::error(500, "InternalError")).await;
    for (answer, says) in [
        (
            S3Answer::error(403, "SignatureDoesNotMatch"),
            "denies access (403 SignatureDoesNotMatch)",
        ),
        (S3Answer::error(403, "RequestTimeTooSkewed"), "403 RequestTimeTooSkewed"),
        (S3Answer::new(401, "", b"<html>"), "denies access (401)"),
        (S3Answer::error(404, "NoSuchBucket"), "does not exist"),
        (S3Answer::error(400, "AuthorizationHeaderMalformed"), "400 AuthorizationHeaderMalformed"),
        (S3Answer::error(500, "InternalError"), "status 500 InternalError"),
        (S3Answer::error(507, "XMinioStorageFull"), "status 507 XMinioStorageFull"),
        (S3Answer::new(200, "Transfer-Encoding: chunked\r\n", b"zz"), ""),
        (S3Answer::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()), "does not speak HTTP"),
        (S3Answer::Bytes(Vec::new()), "closed the connection"),
    ] {
        let (bucket, _) = bucket_at(&server.url());
        let shown = format!("{answer:?}");
        server.set(move |_| answer.clone());
        let error = read(&bucket).await.unwrap_err();
        assert!(!error.is_not_found(), "{shown}: {error}");
        assert!(error.message().contains(says), "{shown}: {error}");
        assert_eq!(server.take_counts(), one("GET", 1), "{shown}");
        let put = bucket.put(&key(), Download::from_bytes(Bytes::from_static(b"x"))).await;
        assert!(put.is_err() || says.is_empty(), "{shown}");
        assert_eq!(server.take_counts(), one("PUT", 1), "{shown}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_signature_leaves() {
    let elsewhere = ScriptedS3::start(|_| S3Answer::new(200, "", b"stolen")).await;
    let to = format!("Location: {}/x\r\n", elsewhere.url());
    let server = ScriptedS3::start(|_| S3Answer::error(500, "")).await;
    for status in [301, 302, 303, 307, 308] {
        let (bucket, _) = bucket_at(&server.url());
        let to = to.clone();
        server.set(move |_| S3Answer::new(status, &to, b""));
        let error = read(&bucket).await.unwrap_err();
        assert!(error.message().contains("redirect"), "{error}");
        let put = bucket.put(&key(), Download::from_bytes(Bytes::from_static(b"x"))).await;
        assert!(put.unwrap_err().message().contains("redirect"), "{status}");
        assert!(bucket.size(&key()).await.unwrap_err().message().contains("redirect"), "{status}");
    }
    assert_eq!(elsewhere.requests().len(), 0);
    let signed = server
        .requests()
        .iter()
        .filter(|request| request.head.contains("AWS4-HMAC-SHA256"))
        .count();
    assert_eq!(signed, server.requests().len(), "every request is signed");
}

#[tokio::test]
async fn what_is_cut_short_is_an_error() {
    let server = ScriptedS3::start(|_| S3Answer::of_length(200, "", b"half", 8)).await;
    let (bucket, _) = bucket_at(&server.url());
    let opened = bucket.get(&key()).await.unwrap();
    assert_eq!(opened.length, 8);
    let error = opened.collect().await.unwrap_err();
    assert!(error.kind().is_unreachable(), "the rest may come from elsewhere: {error:?}");
    server.set(|_| S3Answer::of_length(200, "", b"half", 8).stops());
    let begun = Instant::now();
    let error = read(&bucket).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BackendTimeout);
    assert!(begun.elapsed() >= Duration::from_secs(1), "a pause may last as long");
    // Bytes beyond the announced length are none of the object.
    server.set(|_| S3Answer::of_length(200, "", b"more than that", 4));
    assert_eq!(read(&bucket).await.unwrap(), "more");
}

#[tokio::test]
async fn row_47_a_dead_server_costs_five_calls_and_is_asked_again_by_nobody_who_waits() {
    for silent in [true, false] {
        let dead = move |_: &_| {
            if silent {
                S3Answer::Stops(Vec::new())
            } else {
                S3Answer::error(503, "ServiceUnavailable")
            }
        };
        let server = ScriptedS3::start(dead).await;
        let (bucket, _) = bucket_at(&server.url());
        let errors = join_all((0..5).map(|_| read(&bucket))).await;
        assert!(
            errors.iter().all(|end| end.as_ref().is_err_and(|error| error.kind().is_unreachable()))
        );
        let asked = server.take_counts();
        for _ in 0..50 {
            let error = read(&bucket).await.unwrap_err();
            assert!(!error.was_asked(), "{error}");
            assert!(bucket.size(&key()).await.is_err_and(|error| !error.was_asked()));
        }
        assert!(asked["GET"] >= 1);
        assert_eq!(server.take_counts(), BTreeMap::new(), "silent: {silent}");
        server.set(|request| match request.method.as_str() {
            "HEAD" => S3Answer::new(404, "", b""),
            _ => S3Answer::new(200, "", b"object"),
        });
        let watching = tokio::spawn(std::sync::Arc::clone(&bucket).watch());
        let begun = Instant::now();
        while read(&bucket).await.is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1), "it is not asked again");
            sleep(Duration::from_millis(20)).await;
        }
        watching.abort();
        let probed =
            server.requests().into_iter().find(|request| request.method == "HEAD").unwrap();
        assert!(probed.target.contains("/some/prefix/archives/"), "{}", probed.target);
        assert_eq!(read(&bucket).await.unwrap(), "object");
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_read_all_the_same() {
    let server = ScriptedS3::start(|request| match request.method.as_str() {
        "GET" => S3Answer::new(200, "", b"object"),
        _ => S3Answer::error(507, "StorageFull"),
    })
    .await;
    let (bucket, _) = bucket_at(&server.url());
    for _ in 0..20 {
        let put = bucket.put(&key(), Download::from_bytes(Bytes::from_static(b"x"))).await;
        assert!(put.is_err());
    }
    assert!(server.take_counts()["PUT"] <= 6, "its circuit breaker opens");
    assert_eq!(read(&bucket).await.unwrap(), "object");
}

#[tokio::test]
async fn large_errors_and_answers_take_no_memory() {
    let huge = vec![b'x'; 4 << 20];
    let server = ScriptedS3::start(move |_| S3Answer::new(403, "", &huge)).await;
    let (bucket, _) = bucket_at(&server.url());
    let error = read(&bucket).await.unwrap_err();
    assert!(error.report().len() < 1_000, "{error}");
    let put = bucket.put(&key(), Download::from_bytes(Bytes::from_static(b"x"))).await;
    assert!(put.unwrap_err().is_too_long());
}
