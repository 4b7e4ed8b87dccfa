//! Files of the store: kept over restarts, within a bound, damaged, foreign, or nowhere to be put.

use std::fs;
use std::path::{Path, PathBuf};

use extension_registry::cache::artifacts::Origin;
use extension_registry::models::artifact::Artifact;
use extension_registry::models::digest::Digest;

use super::{ROOM, artifact, files, having, nobody, read, store, wanted};

fn place(dir: &Path, bytes: &[u8]) -> PathBuf {
    let digest = Digest::sha256(bytes);
    dir.join("sha256").join(&digest.hex()[..2]).join(digest.hex())
}

/// Stores these bytes in a process of their own.
async fn stored(dir: &Path, bytes: &[u8]) {
    let store = store(dir, ROOM).await;
    let opened = store.open(wanted(&artifact(bytes), having(bytes))).await.unwrap();
    assert_eq!(read(opened.download).await.unwrap(), bytes);
    store.settle().await;
    assert!(place(dir, bytes).exists());
}

#[tokio::test]
async fn what_was_stored_comes_back_after_a_restart_whole_and_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"0123456789".repeat(100_000);
    stored(dir.path(), &bytes).await;
    let store = store(dir.path(), ROOM).await;
    let file = artifact(&bytes);
    let opened = store.open(wanted(&file, nobody())).await.unwrap();
    assert_eq!(opened.origin, Origin::Store);
    assert!(read(opened.download).await.unwrap() == bytes);
    let mut part = wanted(&file, nobody());
    part.range = Some(999_995..1_000_000);
    assert_eq!(read(store.open(part).await.unwrap().download).await.unwrap(), b"56789");
    assert_eq!(store.state().bytes, 1_000_000);
}

#[tokio::test]
async fn damaged_files_are_set_aside_and_fetched_again() {
    let bytes = b"bytes as they should be";
    for damaged in [&b"bytes as they shouldn't"[..], b"short", b"", b"bytes as they should be!"] {
        let dir = tempfile::tempdir().unwrap();
        stored(dir.path(), bytes).await;
        fs::write(place(dir.path(), bytes), damaged).unwrap();
        let store = store(dir.path(), ROOM).await;
        let opened = store.open(wanted(&artifact(bytes), having(bytes))).await.unwrap();
        assert_eq!(opened.origin, Origin::Backend, "{damaged:?}");
        assert_eq!(read(opened.download).await.unwrap(), bytes);
        store.settle().await;
        assert_eq!(fs::read(place(dir.path(), bytes)).unwrap(), bytes);
        let aside = dir.path().join("damaged").join(Digest::sha256(bytes).hex());
        assert_eq!(fs::read(aside).unwrap(), damaged);
    }
}

#[tokio::test]
async fn a_file_that_changes_while_the_service_runs_is_verified_again() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"bytes as they should be";
    let store = store(dir.path(), ROOM).await;
    for _ in 0..2 {
        let opened = store.open(wanted(&artifact(bytes), having(bytes))).await.unwrap();
        assert_eq!(read(opened.download).await.unwrap(), bytes);
        store.settle().await;
    }
    let path = place(dir.path(), bytes);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, b"bytes as they shouldn't").unwrap();
    let later = before + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let opened = store.open(wanted(&artifact(bytes), having(bytes))).await.unwrap();
    assert_eq!(opened.origin, Origin::Backend);
    assert_eq!(read(opened.download).await.unwrap(), bytes);
}

#[tokio::test]
async fn row_28_foreign_files_are_left_alone_and_unfinished_ones_removed() {
    let dir = tempfile::tempdir().unwrap();
    stored(dir.path(), b"ours").await;
    let hex = Digest::sha256(b"x").hex().to_owned();
    let foreign = [
        "sha256/README".to_owned(),
        "sha256/aa/README".to_owned(),
        format!("sha256/aa/{}", hex.to_uppercase()),
        format!("sha256/zz/{hex}"),
        "sha512/aa/short".to_owned(),
        "other/file".to_owned(),
    ];
    for path in &foreign {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "foreign").unwrap();
    }
    let target = dir.path().join("target");
    fs::write(&target, "x").unwrap();
    fs::create_dir_all(place(dir.path(), b"x").parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&target, place(dir.path(), b"x")).unwrap();
    fs::write(dir.path().join("unfinished/.tmp1234"), "half of").unwrap();
    let store = store(dir.path(), ROOM).await;
    assert_eq!((store.state().artifacts, store.state().bytes), (1, 4));
    assert!(foreign.iter().all(|path| dir.path().join(path).exists()));
    assert!(!dir.path().join("unfinished/.tmp1234").exists());
    let opened = store.open(wanted(&artifact(b"x"), having(b"x"))).await.unwrap();
    assert_eq!(opened.origin, Origin::Backend, "a link is none of ours");
}

#[tokio::test]
async fn the_longest_unused_leaves_beyond_the_bound_and_what_is_larger_is_passed_through() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 16).await;
    for bytes in [&b"aaaa"[..], b"bbbb", b"dddd", b"eeee", b"aaaa", b"cccc", b"seventeen bytes !"] {
        let opened = store.open(wanted(&artifact(bytes), having(bytes))).await.unwrap();
        assert_eq!(read(opened.download).await.unwrap(), bytes);
        store.settle().await;
    }
    let origin = async |bytes: &[u8]| {
        store.open(wanted(&artifact(bytes), having(bytes))).await.unwrap().origin
    };
    assert_eq!((origin(b"aaaa").await, origin(b"cccc").await), (Origin::Store, Origin::Store));
    assert_eq!(store.state().bytes, 16);
    assert_eq!(origin(b"seventeen bytes !").await, Origin::Backend);
    assert_eq!(origin(b"bbbb").await, Origin::Backend);
    assert_eq!(store.state().failure, None, "too large is no failure");
}

#[tokio::test]
async fn a_size_that_is_only_announced_costs_no_stored_archive() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 16).await;
    let kept = [&b"aaaa"[..], b"bbbb", b"cccc", b"dddd"];
    for bytes in kept {
        let opened = store.open(wanted(&artifact(bytes), having(bytes))).await.unwrap();
        assert_eq!(read(opened.download).await.unwrap(), bytes);
        store.settle().await;
    }
    // What is more than a quarter of the store is passed through, whatever becomes of it; what fits
    // in takes no room before it comes.
    for announced in [10 << 30, 16, 5, 4] {
        let bogus = Artifact { size: announced, ..artifact(b"bogus") };
        let failed = match store.open(wanted(&bogus, having(b""))).await {
            Ok(opened) => read(opened.download).await.is_err(),
            Err(_) => true,
        };
        assert!(failed, "{announced}");
        store.settle().await;
        assert_eq!(store.state().artifacts, 4, "{announced}");
    }
    for bytes in kept {
        let opened = store.open(wanted(&artifact(bytes), nobody())).await.unwrap();
        assert_eq!(opened.origin, Origin::Store);
    }
    assert_eq!(files(dir.path()).len(), 4, "nor is a file removed");
}

#[tokio::test]
async fn row_27_without_a_usable_directory_everything_is_passed_through_and_health_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a file");
    fs::write(&file, "in the way").unwrap();
    let nowhere = store(&file, ROOM).await;
    assert!(nowhere.state().enabled && nowhere.state().failure.is_some());
    for _ in 0..2 {
        let opened = nowhere.open(wanted(&artifact(b"abc"), having(b"abc"))).await.unwrap();
        assert_eq!(opened.origin, Origin::Backend);
        assert_eq!(read(opened.download).await.unwrap(), b"abc");
    }
    let bad = nowhere.open(wanted(&artifact(b"abc"), having(b"abd"))).await;
    assert!(bad.is_err(), "verified all the same");

    // A directory that goes away while the service runs, and comes back.
    let gone = dir.path().join("store");
    let store = store(&gone, ROOM).await;
    fs::remove_dir_all(&gone).unwrap();
    let opened = store.open(wanted(&artifact(b"abc"), having(b"abc"))).await.unwrap();
    assert_eq!(read(opened.download).await.unwrap(), b"abc");
    assert!(store.state().failure.is_some());
    fs::create_dir_all(gone.join("unfinished")).unwrap();
    let opened = store.open(wanted(&artifact(b"abc"), having(b"abc"))).await.unwrap();
    assert_eq!(read(opened.download).await.unwrap(), b"abc");
    store.settle().await;
    assert_eq!(store.state().failure, None);
    assert_eq!(files(&gone).len(), 1);
}
