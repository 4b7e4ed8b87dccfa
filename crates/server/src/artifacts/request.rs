//! Requests for artifacts, and the bytes on their way to callers.

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use registry_core::backend::download::Download;
use registry_core::error::{Error, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::{Algorithm, Digest};

use crate::metrics::artifacts::ArtifactCounters;

/// Opens the artifact at its backend, or the given byte range.
pub type Upstream =
    Arc<dyn Fn(Option<Range<u64>>) -> BoxFuture<'static, Result<Download>> + Send + Sync>;

/// Called with the digest of an artifact each time it was verified as a whole, before its last byte is
/// passed on. An error refuses the artifact.
pub type Witness = Arc<dyn Fn(Digest) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A request for an artifact, and access to its backend.
#[derive(Clone)]
pub struct ArtifactRequest {
    /// The backend that has it.
    pub backend: BackendId,
    /// The artifact, with its expected digest if that is known.
    pub artifact: Arc<Artifact>,
    /// The requested byte range; `None` for the whole artifact.
    pub range: Option<Range<u64>>,
    /// Opens the artifact at the backend.
    pub upstream: Upstream,
    /// Decides on the artifact after a verification.
    pub witness: Witness,
}

/// An artifact on its way to a caller.
#[derive(Debug)]
pub struct Opened {
    /// The requested bytes.
    pub download: Download,
    /// Source of the bytes.
    pub origin: DownloadOrigin,
}

/// Source of the bytes of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadOrigin {
    /// A file in the store.
    Store,
    /// A backend; this request started the fetch.
    Backend,
    /// A fetch that another request started.
    Shared,
    /// The shared bucket; this request started the fetch.
    Bucket,
}

impl ArtifactRequest {
    pub(super) fn algorithm(&self) -> Algorithm {
        self.artifact.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm)
    }

    /// Compares the digest of a whole artifact with the expected one, and asks the witness.
    pub(super) async fn judge(&self, found: Digest, counters: &ArtifactCounters) -> Result<()> {
        // Without an expected digest, the first download establishes it.
        if let Some(expected) = &self.artifact.digest
            && *expected != found
        {
            counters.mismatch(self.backend.as_str());
            let message = format!("The artifact's digest is {found}, not {expected}");
            return Err(Error::faulty(message));
        }
        (self.witness)(found).await
    }
}
