//! Artifacts on disk, by their digest: fetched once for all who ask at the same time, verified,
//! bounded. Where there is no disk to keep them on, they are passed through.

pub mod buffers;
mod disk;
mod fetch;
mod fill;
mod filling;
mod finding;
mod reader;
mod shelf;
mod state;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::warn;

use crate::backend::coalesce::Coalesced;
use crate::backend::download::Download;
use crate::cache::artifacts::buffers::{Allowance, Buffers};
use crate::cache::artifacts::disk::{Disk, Found};
use crate::cache::artifacts::fill::Fill;
use crate::cache::artifacts::shelf::Shelf;
pub use crate::cache::artifacts::state::StoreState;
use crate::cache::artifacts::state::Trouble;
use crate::error::{Error, ErrorKind, Result};
use crate::files::lane::Lane;
use crate::metrics::artifacts::ArtifactCounters;
use crate::metrics::caches::CacheCounters;
use crate::models::artifact::{Artifact, ArtifactKey};
use crate::models::backend_id::BackendId;
use crate::models::backend_kind::BackendKind;
use crate::models::digest::{Algorithm, Digest};

/// Stored files that are opened at once.
const LOOKS_MAX: usize = 64;
/// How long the disk may take to open a file; what takes longer is fetched past the store.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the artifact at its backend, or the given part of it.
pub type Upstream =
    Arc<dyn Fn(Option<Range<u64>>) -> BoxFuture<'static, Result<Download>> + Send + Sync>;

/// Is told the digest of an artifact each time that all of it was verified.
pub type Witness = Arc<dyn Fn(&Digest) + Send + Sync>;

/// What is asked for, and where it is to be had.
#[derive(Clone)]
pub struct Wanted {
    /// The backend that has it.
    pub backend: BackendId,
    /// The artifact; what its digest is to be, where that is known.
    pub artifact: Arc<Artifact>,
    /// Which part of it; all of it if `None`.
    pub range: Option<Range<u64>>,
    /// Its backend.
    pub upstream: Upstream,
    /// Who wants to know its digest.
    pub witness: Witness,
}

/// An artifact on its way to a caller.
#[derive(Debug)]
pub struct Opened {
    /// The bytes asked for.
    pub download: Download,
    /// Where they come from.
    pub origin: Origin,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file of ours.
    Store,
    /// A backend, for this caller first.
    Backend,
    /// A fetch that another caller began.
    Shared,
}

/// The artifacts of one process.
pub struct Artifacts {
    disk: Option<Disk>,
    /// Where short questions to the disk are put.
    lane: Lane,
    shelf: Mutex<Shelf>,
    fills: Mutex<HashMap<Identity, Arc<Fill>>>,
    /// Files that are being verified, each once for all who want it.
    verifying: Coalesced<Digest, bool>,
    buffers: Buffers,
    trouble: Trouble,
    hits: CacheCounters,
    counters: ArtifactCounters,
    /// Fetches under way; they are waited for at the end.
    busy: watch::Sender<usize>,
}

/// What a fetch is of: a file of one backend, and what its digest is to be. The digest alone would
/// not do: a backend may say of a file of its own that it has the digest of another's, and whoever
/// wants that one would be given what comes of it, or does not.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Identity {
    backend: BackendId,
    key: ArtifactKey,
    digest: Option<Digest>,
}

impl Identity {
    fn of(wanted: &Wanted) -> Self {
        let Artifact { key, digest, .. } = &*wanted.artifact;
        Self { backend: wanted.backend, key: key.clone(), digest: digest.clone() }
    }
}

impl Artifacts {
    /// Passes everything through and keeps nothing.
    #[must_use]
    pub fn passing(hits: CacheCounters, counters: ArtifactCounters) -> Arc<Self> {
        Arc::new(Self::of(None, 0, hits, counters))
    }

    /// Keeps artifacts in this directory, at most so many bytes of them.
    ///
    /// A directory that cannot be used is said to be so, and everything is passed through.
    pub async fn stored_in(
        dir: impl Into<PathBuf>,
        max_bytes: u64,
        hits: CacheCounters,
        counters: ArtifactCounters,
    ) -> Arc<Self> {
        let disk = Disk::new(dir);
        let this = Arc::new(Self::of(Some(disk.clone()), max_bytes, hits, counters));
        let found = tokio::task::spawn_blocking(move || disk.open()).await;
        match found.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok((found, told)) => {
                this.restock(found);
                told.iter().for_each(|what| warn!("artifact store: {what}"));
            }
            Err(error) => this.failed(&error),
        }
        this
    }

    fn of(
        disk: Option<Disk>,
        max_bytes: u64,
        hits: CacheCounters,
        counters: ArtifactCounters,
    ) -> Self {
        Self {
            disk,
            lane: Lane::new(LOOKS_MAX, PATIENCE),
            shelf: Mutex::new(Shelf::new(max_bytes)),
            fills: Mutex::default(),
            verifying: Coalesced::default(),
            buffers: Buffers::default(),
            trouble: Trouble::default(),
            hits,
            counters,
            busy: watch::Sender::new(0),
        }
    }

    /// What is stored is what was found, and nothing else.
    fn restock(&self, found: Vec<Found>) {
        self.shelf.lock().clear();
        for file in found {
            let left = self.shelf.lock().put(file.digest, file.size, None);
            self.remove(left);
        }
        self.count();
    }

    /// The bytes asked for: from the store, from a fetch under way, or from a fetch that begins
    /// now. Nobody gets all of an artifact before its size and digest agree.
    ///
    /// # Errors
    /// The backend's, as long as nothing was passed on; `Overloaded` while as many downloads as may be
    /// are under way.
    pub async fn open(self: &Arc<Self>, wanted: Wanted) -> Result<Opened> {
        let allowance = self.buffers.allow().ok_or_else(|| {
            Error::new(ErrorKind::Overloaded, "Too many concurrent downloads; retry later")
        })?;
        let allowance = Arc::new(allowance);
        let part = wanted.range.clone().unwrap_or(0..wanted.artifact.size);
        if let Some((file, part)) = self.find(&wanted.artifact, part.clone()).await {
            let download = reader::stored(file, part, allowance);
            self.hits.hit();
            wanted.artifact.digest.iter().for_each(|digest| (wanted.witness)(digest));
            return Ok(Opened { download, origin: Origin::Store });
        }
        self.hits.miss();
        // A file of this machine needs no second one.
        let worth = wanted.backend.kind() != BackendKind::Local && !part.is_empty();
        if worth
            && let Some((reader, origin)) = self.join(&wanted, part, &allowance)
            && let Some(download) = reader.begun().await?
        {
            return Ok(Opened { download, origin });
        }
        let download = self.pass(wanted, allowance).await?;
        Ok(Opened { download, origin: Origin::Backend })
    }

    /// Passes the bytes of a backend on. The whole of an artifact is verified on its way; a part of
    /// it cannot be.
    async fn pass(self: &Arc<Self>, wanted: Wanted, allowance: Arc<Allowance>) -> Result<Download> {
        let opened = (wanted.upstream)(wanted.range.clone()).await?;
        let opened = reader::allowed(opened, allowance);
        if wanted.range.is_some() {
            return opened.begun().await;
        }
        let (size, algorithm) = (wanted.artifact.size, algorithm_of(&wanted.artifact));
        let this = Arc::clone(self);
        let judge = move |found: Digest| {
            this.judge(&wanted, &found)?;
            (wanted.witness)(&found);
            Ok(())
        };
        opened.verified(size, algorithm, judge).begun().await
    }

    /// Whether an artifact is the one that was asked for.
    fn judge(&self, wanted: &Wanted, found: &Digest) -> Result<()> {
        match &wanted.artifact.digest {
            Some(expected) if expected != found => {
                self.counters.mismatch(wanted.backend.as_str());
                let message = format!("The artifact's digest is {found}, not {expected}");
                Err(Error::faulty(message))
            }
            _ => Ok(()),
        }
    }
}

/// How the digest of an artifact is made: as its own is, where that is known.
fn algorithm_of(artifact: &Artifact) -> Algorithm {
    artifact.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm)
}
