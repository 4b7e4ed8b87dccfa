//! The store of artifacts: fetches that are shared, files that are verified, bytes that are wrong.

mod blobs;
mod bucket;
mod changes;
mod disk;
mod fetch_turns;
mod live;
mod refusal;
mod sharing;
mod wrong_bytes;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use registry_core::backend::download::Download;
use registry_core::error::Result;
use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_server::artifacts::{ArtifactRequest, Artifacts, Upstream};
use registry_server::metrics::Metrics;

/// Room for everything that a test fetches.
const ROOM: u64 = 1 << 30;

async fn store(dir: &Path, max_bytes: u64) -> Arc<Artifacts> {
    let metrics = Metrics::new(&["artifact"], &[]).unwrap();
    let counters = metrics.artifacts().clone();
    Artifacts::stored_in(dir, max_bytes, metrics.cache("artifact"), counters).await
}

/// A file of these bytes, whose digest is known.
fn artifact(bytes: &[u8]) -> Artifact {
    let digest = Digest::sha256(bytes);
    Artifact {
        key: ArtifactKey::new(digest.to_string()),
        file_name: "x.tar.gz".into(),
        size: bytes.len() as u64,
        digest: Some(digest),
        url: None,
    }
}

/// All of an artifact that this backend has.
fn wanted(artifact: &Artifact, upstream: Upstream) -> ArtifactRequest {
    let witness = Arc::new(|_: Digest| async { Ok(()) }.boxed());
    ArtifactRequest {
        backend: BackendId::OCI,
        artifact: Arc::new(artifact.clone()),
        range: None,
        upstream,
        witness,
    }
}

/// A backend that has these bytes.
fn having(bytes: &[u8]) -> Upstream {
    let bytes = Bytes::copy_from_slice(bytes);
    Arc::new(move |range| {
        let part = range.map_or(0..bytes.len(), |part| {
            usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap()
        });
        let part = bytes.slice(part);
        async move { Ok(Download::from_bytes(part)) }.boxed()
    })
}

/// A backend that nobody may ask.
fn nobody() -> Upstream {
    Arc::new(|_| panic!("the backend was asked"))
}

async fn read(mut download: Download) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = download.bytes.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

/// The names of everything below a directory, without folders.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found.sort();
    found
}
