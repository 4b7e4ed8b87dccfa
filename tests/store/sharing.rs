//! One fetch for all who ask at the same time: joining, leaving, standing still, going on.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use registry_core::backend::download::Download;
use registry_core::error::{Error, Result};
use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_server::artifacts::{ArtifactRequest, DownloadOrigin, Opened, Upstream};
use tokio::sync::mpsc;

use super::{ROOM, artifact, files, having, nobody, read, store, wanted};

/// One opening of an artifact, whose bytes the test hands out.
struct Opening {
    range: Option<Range<u64>>,
    pieces: mpsc::Sender<Result<Bytes>>,
}

/// A backend whose openings a test sees.
fn tapped() -> (Upstream, mpsc::UnboundedReceiver<Opening>) {
    let (opened, openings) = mpsc::unbounded_channel();
    let upstream: Upstream = Arc::new(move |range| {
        let (pieces, mut given) = mpsc::channel(1);
        opened.send(Opening { range, pieces }).unwrap();
        let bytes = stream::poll_fn(move |context| given.poll_recv(context)).boxed();
        async move { Ok(Download { length: 0, bytes }) }.boxed()
    });
    (upstream, openings)
}

impl Opening {
    async fn give(&self, bytes: &[u8]) {
        self.pieces.send(Ok(Bytes::copy_from_slice(bytes))).await.unwrap();
    }
}

async fn next(opened: &mut Opened) -> Bytes {
    opened.download.bytes.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn row_24_fifty_callers_share_one_fetch_and_the_last_gets_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROOM).await;
    let bytes = b"0123456789".repeat(100);
    let file = artifact(&bytes);
    let (upstream, mut openings) = tapped();
    let early = (0..50).map(|_| {
        let (store, wanted) = (Arc::clone(&store), wanted(&file, Arc::clone(&upstream)));
        tokio::spawn(async move { store.open(wanted).await.unwrap() })
    });
    let early: Vec<_> = early.collect();
    let opening = openings.recv().await.unwrap();
    opening.give(&bytes[..500]).await;
    let early: Vec<Opened> = join_all(early).await.into_iter().map(Result::unwrap).collect();
    let first = early.iter().filter(|opened| opened.origin == DownloadOrigin::Backend).count();
    assert_eq!(first, 1, "the others joined");
    let late = store.open(wanted(&file, nobody())).await.unwrap();
    assert_eq!(late.origin, DownloadOrigin::Shared);
    let all = early.into_iter().chain([late]);
    let all: Vec<_> = all.map(|opened| tokio::spawn(read(opened.download))).collect();
    opening.give(&bytes[500..]).await;
    drop(opening);
    for read in join_all(all).await {
        assert_eq!(read.unwrap().unwrap(), bytes);
    }
    assert!(openings.try_recv().is_err(), "nobody else asked the backend");
    store.settle().await;
    assert_eq!(store.open(wanted(&file, nobody())).await.unwrap().origin, DownloadOrigin::Store);
}

#[tokio::test]
async fn a_byte_is_passed_on_before_the_next_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROOM).await;
    let (upstream, mut openings) = tapped();
    let opened = {
        let (store, wanted) = (Arc::clone(&store), wanted(&artifact(b"abc"), upstream));
        tokio::spawn(async move { store.open(wanted).await.unwrap() })
    };
    let opening = openings.recv().await.unwrap();
    opening.give(b"a").await;
    let mut opened = opened.await.unwrap();
    assert_eq!(next(&mut opened).await, "a");
    opening.give(b"b").await;
    assert_eq!(next(&mut opened).await, "b");
    opening.give(b"c").await;
    assert!(opened.download.bytes.next().now_or_never().is_none(), "not before it is verified");
    drop(opening);
    assert_eq!(next(&mut opened).await, "c");
}

#[tokio::test]
async fn row_33_a_fetch_goes_on_without_its_first_reader_and_ends_with_its_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROOM).await;
    let (upstream, mut openings) = tapped();
    let file = artifact(b"abcd");
    let open = || {
        let (store, wanted) = (Arc::clone(&store), wanted(&file, Arc::clone(&upstream)));
        tokio::spawn(async move { store.open(wanted).await.unwrap() })
    };
    let first = open();
    let opening = openings.recv().await.unwrap();
    opening.give(b"ab").await;
    let (first, mut second) = (first.await.unwrap(), open().await.unwrap());
    drop(first);
    opening.give(b"c").await;
    assert_eq!((next(&mut second).await, next(&mut second).await), ("ab".into(), "c".into()));
    drop(second);
    opening.pieces.closed().await;
    store.settle().await;
    assert_eq!(files(dir.path()), [""; 0], "nothing is left of it");
    let third = open();
    let opening = openings.recv().await.unwrap();
    opening.give(b"abcd").await;
    drop(opening);
    assert_eq!(read(third.await.unwrap().download).await.unwrap(), b"abcd");
}

#[tokio::test]
async fn who_claims_the_digest_of_another_backends_archive_touches_nobodys_fetch_but_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROOM).await;
    let file = artifact(b"good bytes");
    // A checksum file of a release may say anything; what it names drips, and is something else.
    let (upstream, mut openings) = tapped();
    for (backend, key) in [(BackendId::GITEA, "uuid"), (BackendId::OCI, "another file")] {
        let claimed = Artifact { key: ArtifactKey::new(key), ..file.clone() };
        let claimed = ArtifactRequest { backend, ..wanted(&claimed, Arc::clone(&upstream)) };
        let ours = Arc::clone(&store);
        let evil = tokio::spawn(async move { ours.open(claimed).await.unwrap() });
        let opening = openings.recv().await.unwrap();
        opening.give(b"evil").await;
        let evil = evil.await.unwrap();
        let good = store.open(wanted(&file, having(b"good bytes"))).await.unwrap();
        assert_eq!(good.origin, DownloadOrigin::Backend, "it joins nobody who is not asked for it");
        assert_eq!(read(good.download).await.unwrap(), b"good bytes");
        opening.give(b" bytes").await;
        drop(opening);
        assert!(read(evil.download).await.is_err());
        store.settle().await;
        std::fs::remove_dir_all(dir.path().join("sha256")).unwrap();
    }
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROOM).await;
    let bytes = b"0123456789abcdef".repeat(512 * 1024);
    let file = artifact(&bytes);
    let upstream = in_pieces(&bytes, Arc::default());
    let mut still = store.open(wanted(&file, upstream)).await.unwrap();
    let mut begun = next(&mut still).await.to_vec();
    let moving = store.open(wanted(&file, nobody())).await.unwrap();
    assert!(read(moving.download).await.unwrap() == bytes);
    begun.extend(read(still.download).await.unwrap());
    assert!(begun == bytes, "and it gets everything when it goes on");
}

/// A backend that counts the bytes taken from it.
fn in_pieces(bytes: &[u8], taken: Arc<AtomicU64>) -> Upstream {
    let bytes = Bytes::copy_from_slice(bytes);
    Arc::new(move |_| {
        let (bytes, taken) = (bytes.clone(), Arc::clone(&taken));
        let length = bytes.len() as u64;
        let pieces = stream::iter((0..bytes.len()).step_by(16 * 1024)).map(move |at| {
            let piece = bytes.slice(at..bytes.len().min(at + 16 * 1024));
            taken.fetch_add(piece.len() as u64, Ordering::SeqCst);
            Ok(piece)
        });
        async move { Ok(Download { length, bytes: pieces.boxed() }) }.boxed()
    })
}

#[tokio::test]
async fn row_30_a_fetch_into_a_file_waits_for_no_reader() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROOM).await;
    let bytes = vec![7; 16 << 20];
    let taken = Arc::new(AtomicU64::new(0));
    let upstream = in_pieces(&bytes, Arc::clone(&taken));
    let reader = store.open(wanted(&artifact(&bytes), upstream)).await.unwrap();
    // Nobody reads: the backend is let go all the same.
    store.settle().await;
    assert_eq!(taken.load(Ordering::SeqCst), bytes.len() as u64);
    assert!(read(reader.download).await.unwrap() == bytes);
}

fn part(file: &Artifact, range: Range<u64>) -> ArtifactRequest {
    ArtifactRequest { range: Some(range), ..wanted(file, nobody()) }
}

#[tokio::test]
async fn parts_come_from_the_fetch_and_wait_for_all_of_it_to_be_good() {
    let good = b"0123456789".repeat(100);
    let mut bad = good.clone();
    bad[999] ^= 1;
    for (sent, intact) in [(&good, true), (&bad, false)] {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), ROOM).await;
        let file = artifact(&good);
        let (upstream, mut openings) = tapped();
        let (ours, whole) = (Arc::clone(&store), wanted(&file, upstream));
        let whole = tokio::spawn(async move { ours.open(whole).await.unwrap() });
        let opening = openings.recv().await.unwrap();
        opening.give(&sent[..500]).await;
        let whole = whole.await.unwrap();
        let mut parts = Vec::new();
        for range in [0..1, 10..20, 700..900, 999..1000] {
            let (store, wanted) = (Arc::clone(&store), part(&file, range.clone()));
            let read = async move { read(store.open(wanted).await?.download).await };
            parts.push((range, tokio::spawn(read)));
        }
        opening.give(&sent[500..]).await;
        drop(opening);
        assert_eq!(read(whole.download).await.is_ok(), intact);
        for (range, read) in parts {
            let wanted = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            match read.await.unwrap() {
                Ok(read) => assert!(intact && read == good[wanted], "{range:?}"),
                Err(error) => assert!(!intact, "{range:?}: {error}"),
            }
        }
        store.settle().await;
        assert_eq!(files(dir.path()).len(), usize::from(intact));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_where_it_broke() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROOM).await;
    let (upstream, mut openings) = tapped();
    let (ours, all) = (Arc::clone(&store), wanted(&artifact(b"abcdef"), upstream));
    let opened = tokio::spawn(async move { ours.open(all).await.unwrap() });
    let broken = || Err(Error::unavailable("broken", Duration::from_secs(1)));
    for (begins, bytes) in [(None, b"ab"), (Some(2..6), b"cd")] {
        let opening = openings.recv().await.unwrap();
        assert_eq!(opening.range, begins);
        opening.give(bytes).await;
        opening.pieces.send(broken()).await.unwrap();
    }
    let last = openings.recv().await.unwrap();
    assert_eq!(last.range, Some(4..6));
    last.give(b"ef").await;
    drop(last);
    assert_eq!(read(opened.await.unwrap().download).await.unwrap(), b"abcdef");
}

#[tokio::test]
async fn row_25_a_failure_reaches_every_reader_and_the_next_asks_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), ROOM).await;
    let file = artifact(b"good bytes");
    for bad in [&b"evil bytes"[..], b"short", b"longer than the good bytes", b""] {
        let failures = join_all((0..3).map(|_| store.open(wanted(&file, having(bad))))).await;
        assert!(failures.iter().all(Result::is_err), "{bad:?}");
    }
    let good = store.open(wanted(&file, having(b"good bytes"))).await.unwrap();
    assert_eq!(read(good.download).await.unwrap(), b"good bytes");
}
