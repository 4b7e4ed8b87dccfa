//! Artifacts that are refused after their bytes were verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use registry_core::error::{Error, ErrorKind};
use registry_server::artifacts::{ArtifactRequest, Artifacts};
use registry_server::metrics::Metrics;

use super::{ROOM, artifact, files, having, nobody, read, store, wanted};

/// A request whose witness refuses, and the number of its decisions.
fn refused(wanted: ArtifactRequest) -> (ArtifactRequest, Arc<AtomicUsize>) {
    let decisions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&decisions);
    let witness = Arc::new(move |_| {
        let counted = Arc::clone(&counted);
        async move {
            tokio::task::yield_now().await;
            counted.fetch_add(1, Ordering::SeqCst);
            Err(Error::faulty("another archive is pinned"))
        }
        .boxed()
    });
    (ArtifactRequest { witness, ..wanted }, decisions)
}

async fn outcome(artifacts: &Artifacts, wanted: ArtifactRequest) -> Result<Vec<u8>, Error> {
    read(artifacts.open(wanted).await?.download).await
}

#[tokio::test]
async fn a_refused_artifact_is_passed_whole_on_no_way_and_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::new(&["artifact"], &[]).unwrap();
    let passing = Artifacts::passing(metrics.cache("artifact"), metrics.artifacts().clone());
    let stored = store(dir.path(), ROOM).await;
    let large = vec![7; 300_000];
    for bytes in [b"x".as_slice(), b"bytes", &large] {
        let artifact = artifact(bytes);
        for artifacts in [&passing, &stored] {
            let (wanted, decisions) = refused(wanted(&artifact, having(bytes)));
            let error = outcome(artifacts, wanted).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BackendFaulty);
            assert_eq!(decisions.load(Ordering::SeqCst), 1);
        }
        stored.settle().await;
        assert_eq!(files(dir.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_stored_artifact_is_refused_like_a_fetched_one_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let stored = store(dir.path(), ROOM).await;
    let artifact = artifact(b"bytes");
    let given = outcome(&stored, wanted(&artifact, having(b"bytes"))).await.unwrap();
    assert_eq!(given, b"bytes");
    stored.settle().await;
    let (refused, decisions) = refused(wanted(&artifact, nobody()));
    assert!(outcome(&stored, refused).await.is_err());
    assert_eq!(decisions.load(Ordering::SeqCst), 1);
    assert_eq!(outcome(&stored, wanted(&artifact, nobody())).await.unwrap(), b"bytes");
}
