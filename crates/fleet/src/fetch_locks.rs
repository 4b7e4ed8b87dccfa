//! Locks of fetches: one replica fetches an archive from its backend, and the others wait for it in
//! the bucket.

use std::time::Duration;

use async_trait::async_trait;
use registry_core::models::digest::Digest;

use crate::failure::Away;

/// Time after which a lock ends by itself, as that of a replica that was killed does.
pub const FETCH_LOCK: Duration = Duration::from_secs(10);

/// The locks of one fleet, as one replica sees them: at most one replica holds that of an archive.
#[async_trait]
pub trait FetchLocks: Send + Sync {
    /// Takes the lock of an archive, or renews it for its holder. Returns false if another replica
    /// holds it.
    async fn take(&self, archive: &Digest) -> Result<bool, Away>;

    /// Ends a lock. Without effect unless this replica holds it.
    async fn release(&self, archive: &Digest) -> Result<(), Away>;
}
