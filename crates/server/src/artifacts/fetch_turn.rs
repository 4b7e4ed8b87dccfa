//! Turns at the backend: when several replicas need an archive that the bucket lacks, one fetches it,
//! and the others wait for it in the bucket.

use std::sync::Arc;
use std::time::Duration;

use registry_core::backend::download::Download;
use registry_core::models::digest::Digest;
use registry_fleet::fetch_locks::FetchLocks;
use tokio::time::{Instant, sleep};

use crate::artifacts::bucket::SharedBucket;

/// Maximum wait for another replica. After it a second fetch is better than a client that waits.
const WAIT_MAX: Duration = Duration::from_millis(2500);
/// Pause between two attempts to take the lock.
const TRY_EVERY: Duration = Duration::from_millis(250);

/// The lock of a fetch, held until the archive is in the bucket. Ends by itself if it is dropped.
pub(super) struct FetchLock {
    locks: Arc<dyn FetchLocks>,
    archive: Digest,
}

impl FetchLock {
    async fn release(self) {
        // Otherwise it ends by itself: others wait for no longer than without this.
        let _ = self.locks.release(&self.archive).await;
    }
}

/// Ends a lock, if there is one.
pub(super) async fn release(lock: Option<FetchLock>) {
    if let Some(lock) = lock {
        lock.release().await;
    }
}

/// Takes the turn to fetch an archive that the bucket lacks. Returns the archive if another replica
/// brought it into the bucket meanwhile, else the lock; neither after [`WAIT_MAX`], or while the
/// engine or the bucket is away.
pub(super) async fn take_turn(
    locks: &Arc<dyn FetchLocks>,
    bucket: &Arc<SharedBucket>,
    archive: &Digest,
    size: u64,
) -> (Option<Download>, Option<FetchLock>) {
    let begun = Instant::now();
    let mut has_waited = false;
    while bucket.is_readable() {
        match locks.take(archive).await {
            Ok(true) => {
                let lock = FetchLock { locks: Arc::clone(locks), archive: archive.clone() };
                if has_waited && let Some(download) = bucket.open(archive, size).await {
                    lock.release().await;
                    return (Some(download), None);
                }
                return (None, Some(lock));
            }
            Ok(false) if begun.elapsed() + TRY_EVERY <= WAIT_MAX => {
                sleep(TRY_EVERY).await;
                has_waited = true;
            }
            Ok(false) | Err(_) => break,
        }
    }
    (None, None)
}
