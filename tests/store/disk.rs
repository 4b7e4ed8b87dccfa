//! Files of the store: kept over restarts, within a bound, damaged, foreign, or nowhere to be put.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use registry_core::models::artifact::Artifact;
use registry_core::models::digest::Digest;
use registry_server::artifacts::{Artifacts, DownloadOrigin};
use registry_testing::log::Lines;

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
    assert_eq!(opened.origin, DownloadOrigin::Store);
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
        assert_eq!(opened.origin, DownloadOrigin::Backend, "{damaged:?}");
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
    assert_eq!(opened.origin, DownloadOrigin::Backend);
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
    assert_eq!(opened.origin, DownloadOrigin::Backend, "a link is none of ours");
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
    assert_eq!(
        (origin(b"aaaa").await, origin(b"cccc").await),
        (DownloadOrigin::Store, DownloadOrigin::Store)
    );
    assert_eq!(store.state().bytes, 16);
    assert_eq!(origin(b"seventeen bytes !").await, DownloadOrigin::Backend);
    assert_eq!(origin(b"bbbb").await, DownloadOrigin::Backend);
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
        assert_eq!(opened.origin, DownloadOrigin::Store);
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
        assert_eq!(opened.origin, DownloadOrigin::Backend);
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

/// Opens this artifact; from where it came. Whatever it is, its bytes are right.
async fn origin(store: &std::sync::Arc<Artifacts>, bytes: &[u8]) -> DownloadOrigin {
    let opened = store.open(wanted(&artifact(bytes), having(bytes))).await.unwrap();
    assert_eq!(read(opened.download).await.unwrap(), bytes);
    store.settle().await;
    opened.origin
}

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Things that nobody put there for us, which cost neither what is kept nor what is theirs.
#[tokio::test]
async fn s16_foreign_things_in_the_store_cost_no_kept_archive_and_no_file_of_others() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("theirs"), "theirs").unwrap();
    fs::write(outside.path().join(".tmpAAAAAA"), "theirs").unwrap();
    for folder in ["unfinished", "damaged"] {
        let dir = tempfile::tempdir().unwrap();
        stored(dir.path(), b"kept").await;
        let foreign = dir.path().join(folder).join("folder");
        fs::create_dir_all(foreign.join("inner")).unwrap();
        pipe(&dir.path().join(folder).join("pipe"));
        let link = dir.path().join(folder).join("link");
        symlink(outside.path(), &link).unwrap();
        let (lines, guard) = Lines::capture(tracing::Level::WARN);
        let store = store(dir.path(), ROOM).await;
        drop(guard);
        let warned = lines.take();
        for name in ["folder", "pipe", "link"] {
            let place = dir.path().join(folder).join(name).display().to_string();
            assert!(warned.contains(&place) && warned.contains("remove it"), "{name}: {warned}");
        }
        assert!(foreign.join("inner").exists(), "left alone");
        assert_eq!(store.state().failure, None);
        assert_eq!(origin(&store, b"kept").await, DownloadOrigin::Store);
        assert_eq!(origin(&store, b"new").await, DownloadOrigin::Backend);
        assert_eq!(origin(&store, b"new").await, DownloadOrigin::Store, "and more are kept");
    }
    assert_eq!(files(outside.path()), [".tmpAAAAAA", "theirs"]);
}

#[tokio::test]
async fn s16b_a_link_in_the_place_of_a_folder_is_not_followed_and_told() {
    for folder in ["unfinished", "damaged", "sha256"] {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        stored(dir.path(), b"kept").await;
        let place = dir.path().join(folder);
        fs::rename(&place, dir.path().join("aside")).unwrap();
        for name in ["theirs", ".tmpAAAAAA"] {
            fs::write(outside.path().join(name), "theirs").unwrap();
        }
        symlink(outside.path(), &place).unwrap();
        let store = store(dir.path(), ROOM).await;
        assert_eq!(files(outside.path()), [".tmpAAAAAA", "theirs"], "{folder}");
        let kept = origin(&store, b"kept").await;
        assert_eq!(kept == DownloadOrigin::Store, folder != "sha256", "{folder}");
        origin(&store, b"new").await;
        assert_eq!(files(outside.path()), [".tmpAAAAAA", "theirs"], "{folder}");
        let failure = store.state().failure.unwrap_or_default();
        if folder != "damaged" {
            assert!(failure.contains(folder) && failure.contains("link"), "{folder}: {failure}");
        }
        fs::remove_file(&place).unwrap();
        fs::rename(dir.path().join("aside"), &place).unwrap();
        assert_eq!(origin(&store, b"newer").await, DownloadOrigin::Backend);
        assert_eq!(origin(&store, b"newer").await, DownloadOrigin::Store, "{folder} is used again");
        assert_eq!(store.state().failure, None);
    }
}

#[tokio::test]
async fn s16c_a_pipe_or_a_link_in_the_place_of_an_archive_is_not_opened() {
    for swap in [
        pipe as fn(&Path),
        |path| symlink("/dev/zero", path).unwrap(),
        |path| {
            fs::create_dir(path).unwrap();
        },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), ROOM).await;
        origin(&store, b"swapped").await;
        origin(&store, b"other").await;
        let place = place(dir.path(), b"swapped");
        fs::remove_file(&place).unwrap();
        swap(&place);
        assert_eq!(origin(&store, b"swapped").await, DownloadOrigin::Backend);
        assert_eq!(origin(&store, b"other").await, DownloadOrigin::Store);
    }
}

/// A mount that goes and comes, or a directory that an operator made anew.
#[tokio::test]
async fn s16d_a_directory_that_comes_back_is_used_again_with_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (place, aside) = (dir.path().join("store"), dir.path().join("aside"));
    fs::create_dir(&place).unwrap();
    let store = store(&place, ROOM).await;
    origin(&store, b"kept").await;
    fs::rename(&place, &aside).unwrap();
    assert_eq!(origin(&store, b"meanwhile").await, DownloadOrigin::Backend);
    assert!(store.state().failure.is_some());
    assert!(!place.exists(), "what is gone is not made anew where it may belong to a mount");
    fs::create_dir(&place).unwrap();
    assert_eq!(origin(&store, b"meanwhile").await, DownloadOrigin::Backend);
    assert_eq!(store.state().failure, None);
    assert_eq!(origin(&store, b"meanwhile").await, DownloadOrigin::Store);
    fs::remove_dir_all(&place).unwrap();
    fs::rename(&aside, &place).unwrap();
    origin(&store, b"meanwhile").await;
    assert_eq!(origin(&store, b"kept").await, DownloadOrigin::Store, "as it lay there");
    assert_eq!((store.state().artifacts, store.state().failure), (2, None));
}

/// Bytes that change under a time that is put back: what no look at size and time shows.
fn flipped(path: &Path) {
    let before = fs::metadata(path).unwrap();
    let times = fs::FileTimes::new()
        .set_modified(before.modified().unwrap())
        .set_accessed(before.accessed().unwrap());
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    let file = fs::File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    file.set_times(times).unwrap();
    assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), before.modified().unwrap());
}

#[tokio::test]
async fn s17_an_archive_that_was_flipped_in_place_under_its_old_time_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"0123456789".repeat(100_000);
    stored(dir.path(), &bytes).await;
    for restart in [true, false] {
        let running = store(dir.path(), ROOM).await;
        assert_eq!(origin(&running, &bytes).await, DownloadOrigin::Store);
        flipped(&place(dir.path(), &bytes));
        let asked = if restart { store(dir.path(), ROOM).await } else { running };
        assert_eq!(origin(&asked, &bytes).await, DownloadOrigin::Backend, "restart: {restart}");
        assert_eq!(origin(&asked, &bytes).await, DownloadOrigin::Store);
    }
}

/// Kinds of change that a time put back hides, and that cost no archive.
#[tokio::test]
async fn s17b_a_file_put_in_place_of_another_is_verified_and_uses_alone_verify_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"0123456789".repeat(1_000);
    let store = store(dir.path(), ROOM).await;
    origin(&store, &bytes).await;
    let path = place(dir.path(), &bytes);
    let times = fs::metadata(&path).unwrap();
    let other = dir.path().join("other");
    fs::write(&other, b"9876543210".repeat(1_000)).unwrap();
    fs::File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(times.modified().unwrap())
        .unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(origin(&store, &bytes).await, DownloadOrigin::Backend);
    // Our own note of a use is a change too, and leaves what was verified verified.
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    for _ in 0..3 {
        fs::File::open(&path)
            .unwrap()
            .set_times(fs::FileTimes::new().set_accessed(long_ago))
            .unwrap();
        assert_eq!(origin(&store, &bytes).await, DownloadOrigin::Store);
        assert!(fs::metadata(&path).unwrap().accessed().unwrap() > long_ago, "noted");
        assert_eq!(origin(&store, &bytes).await, DownloadOrigin::Store);
    }
}
