//! Locks of fetches: one replica fetches an archive.

use std::time::Duration;

use registry_core::models::digest::Digest;
use registry_fleet::fetch_locks::{FETCH_LOCK, FetchLocks};
use tokio::time::{Instant, sleep};

use crate::fleet::connected::answered;
use crate::ids::unique;

fn archive() -> Digest {
    Digest::sha256(unique("archive").as_bytes())
}

/// Checks [`FetchLocks`], through two replicas of one fleet.
pub async fn fetch_locks(one: &dyn FetchLocks, other: &dyn FetchLocks) {
    let (first, second) = (archive(), archive());
    assert!(answered(|| one.take(&first)).await);
    assert!(answered(|| one.take(&first)).await, "its holder renews it");
    assert!(!answered(|| other.take(&first)).await);
    assert!(answered(|| other.take(&second)).await, "another archive");
    answered(|| other.release(&first)).await;
    assert!(!answered(|| other.take(&first)).await, "only its holder ends it");
    answered(|| one.release(&first)).await;
    assert!(answered(|| other.take(&first)).await);
    assert!(!answered(|| one.take(&first)).await);
}

/// Checks that a lock ends [`FETCH_LOCK`] after it was taken. Takes that long.
pub async fn fetch_lock_ends(one: &dyn FetchLocks, other: &dyn FetchLocks) {
    let archive = archive();
    let taken = Instant::now();
    assert!(answered(|| one.take(&archive)).await);
    while !answered(|| other.take(&archive)).await {
        assert!(taken.elapsed() < 3 * FETCH_LOCK, "the lock does not end");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(taken.elapsed() >= FETCH_LOCK, "{:?}", taken.elapsed());
    assert!(!answered(|| one.take(&archive)).await);
}
