//! Parameters and archives beyond their bounds: each answer names the bound.

use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_testing::ids::id;
use reqwest::StatusCode;

use super::{FILES, backend, fails, file, paths, serving};
use crate::support::layouts;
use crate::support::served::Served;
use registry_testing::archives::{File, packed, tar};

#[tokio::test]
async fn invalid_parameters_are_named_with_their_bounds() {
    let served = serving(packed(&[File::new("a", "x")])).await;
    let long = format!("{FILES}?path={}", "a".repeat(3073));
    let version = "version must be 1 to 255";
    for (path, parts) in [
        (&*format!("{FILES}?path="), &["path must be 1 to 3072 characters"][..]),
        (&long, &["path must be 1 to 3072 characters"]),
        (&format!("{FILES}?against="), &["against", version]),
        (&format!("{FILES}?against=../x"), &["against", version]),
        (&format!("{FILES}?against=1.0.0@"), &["against", "1 to 32 of a-z"]),
        (&format!("{FILES}?against=1.0.0@OCI"), &["against", "1 to 32 of a-z"]),
        (&format!("{FILES}?against=@oci"), &["against", version]),
        (&format!("{FILES}?against=1.0.0%00"), &["against", version]),
        ("/extensions/provider/aws/..%2F..%2Fetc/files", &[version]),
        ("/extensions/provider/aws/1.0%00/files", &[version]),
        ("/extensions/provider/a%2fb/1.0.0/files", &["name must be 1 to 100"]),
        ("/extensions/x/aws/1.0.0/files", &["type must be one of"]),
        (&format!("{FILES}?source=x"), &["source must be one of"]),
    ] {
        fails(&served.get(path).await, 400, "bad_request", parts);
    }
    assert_eq!(served.get(&format!("{FILES}?unknown=1")).await.status, StatusCode::OK);
    let posted = served.send(reqwest::Method::POST, FILES, &[]).await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let served = serving(packed(&[File::new("a", "x")])).await;
    for path in [
        "/extensions/provider/none/1.0.0/files",
        "/extensions/provider/aws/9.0.0/files",
        &format!("{FILES}?against=9.0.0"),
        &format!("{FILES}?against=1.0.0@nowhere"),
        &format!("{FILES}?backend=nowhere"),
    ] {
        fails(&served.get(path).await, 404, "not_found", &["provider/"]);
    }
}

#[tokio::test]
async fn a_bomb_ends_at_the_ratio() {
    let served = serving(packed(&[File::new("zeros", vec![0; 4 << 20])])).await;
    let parts = ["200 unpacked bytes for each packed byte", "download it instead"];
    fails(&served.get(FILES).await, 413, "payload_too_large", &parts);
    fails(&served.get(&file("zeros")).await, 413, "payload_too_large", &parts);
    assert_eq!(served.get("/extensions/provider/aws/1.0.0").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_archive_of_more_than_64_mib_is_not_read() {
    let served = serving(vec![0; (64 << 20) + 1]).await;
    fails(&served.get(FILES).await, 413, "payload_too_large", &["64 MiB packed"]);
}

#[tokio::test]
async fn entries_beyond_the_first_10000_are_left_out_and_not_reported_as_absent() {
    let files: Vec<File> = (0..10_001).map(|n| File::new(format!("f{n}"), "x")).collect();
    let served = serving(packed(&files)).await;
    let list = served.get(FILES).await.json();
    assert_eq!((list["truncated"].as_bool(), paths(&list["entries"]).len()), (Some(true), 10_000));
    assert_eq!(served.get(&file("f9999")).await.text(), "x");
    fails(&served.get(&file("f10000")).await, 413, "payload_too_large", &["first 10000"]);
    let same = format!("{FILES}?against=1.0.0");
    assert_eq!(served.get(&same).await.json()["truncated"], true);
    let one = format!("{same}&path=f10000");
    fails(&served.get(&one).await, 413, "payload_too_large", &["first 10000"]);
}

#[tokio::test]
async fn a_line_of_5_mb_is_sent_and_a_file_of_more_than_16_mib_is_not() {
    let line: String = (0..5_000_000_u64).map(|n| char::from(b'a' + (n * n % 26) as u8)).collect();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take((16 << 20) + 1).collect();
    let files = [File::new("line", &line), File::new("long", &noise)];
    // Not packed, so that the ratio of the line does not count.
    let served = serving(tar(&files)).await;
    let got = served.get(&file("line")).await;
    assert!(got.body == line.as_bytes(), "{} bytes", got.body.len());
    fails(&served.get(&file("long")).await, 413, "payload_too_large", &["16 MiB"]);
}

#[tokio::test]
async fn what_is_no_archive_is_named() {
    let cut = packed(&[File::new("a", "x".repeat(5000))]);
    for (bytes, part) in [
        (b"just a text".to_vec(), "not an archive"),
        (Vec::new(), "not an archive"),
        (b"\xfd7zXZ\0\0".to_vec(), "xz"),
        (b"BZh91AY&SY".to_vec(), "bzip2"),
        (cut[..cut.len() - 20].to_vec(), "cut off at entry 1"),
    ] {
        let served = serving(bytes).await;
        fails(&served.get(FILES).await, 415, "unsupported_media_type", &[part]);
        fails(&served.get(&file("a")).await, 415, "unsupported_media_type", &[part]);
    }
}

#[tokio::test]
async fn several_candidates_are_named_and_one_of_them_can_be_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let archives = ["one", "two"].map(|name| packed(&[File::new(name, "x")]));
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    let files = [(gzip, "one.tar.gz", &*archives[0]), (gzip, "two.tar.gz", &*archives[1])];
    layouts::publish_with(dir.path(), &id("provider/aws"), "1.0.0", ("a", "b"), &files);
    let served = Served::local(dir.path()).await;
    let got = served.get(FILES).await;
    fails(&got, 404, "not_found", &["several archives", "?asset=", "one.tar.gz, two.tar.gz"]);
    let chosen = served.get(&format!("{FILES}?asset=two.tar.gz")).await.json();
    assert_eq!(paths(&chosen["entries"]), ["two"]);
}

#[tokio::test]
async fn bytes_that_fail_their_digest_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let [good, bad] = ["1", "2"].map(|content| tar(&[File::new("a", content)]));
    layouts::publish(dir.path(), &id("provider/aws"), "1.0.0", "d", &good);
    let blob = dir.path().join("aws-provider/blobs/sha256").join(Digest::sha256(&good).hex());
    std::fs::write(&blob, &bad).unwrap();
    let served = Served::local(dir.path()).await;
    fails(&served.get(FILES).await, 502, "backend_error", &["digest"]);
    let health = served.get("/health").await.json();
    let reason = &health["backends"]["local"]["faults"][0]["reason"];
    assert!(reason.as_str().unwrap().contains("digest"), "{health}");
}

#[tokio::test]
async fn a_name_whose_owner_is_unknown_is_not_read() {
    let down = registry_testing::scripted::Scripted::down(BackendId::GITEA);
    let known = backend(BackendId::OCI, &[packed(&[File::new("a", "x")])]);
    let served = Served::over(vec![down, known]).await;
    fails(&served.get(FILES).await, 503, "backend_unavailable", &["source"]);
    assert_eq!(served.get(&format!("{FILES}?source=oci")).await.status, StatusCode::OK);
}
