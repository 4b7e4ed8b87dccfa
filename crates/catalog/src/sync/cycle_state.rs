//! Progress of the sync cycles over one backend.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use registry_core::backend::changes::ChangeCursor;
use registry_core::error::{Error, Result};
use registry_core::models::naming::ExtensionId;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use crate::health::status::Operation;
use crate::persistent_instant::PersistentInstant;

/// The result of a part of a cycle; a failure comes with the kind of request that failed.
pub(super) type CycleOutcome<T> = Result<T, (Operation, Error)>;

pub(super) const fn of_listing(error: Error) -> (Operation, Error) {
    (Operation::Listing, error)
}

pub(super) const fn of_read(error: Error) -> (Operation, Error) {
    (Operation::Read, error)
}

/// Progress of the cycles over one backend. A cycle serves every request that came before it.
#[derive(Default)]
pub(crate) struct CycleState {
    begun: AtomicU64,
    running: tokio::sync::Mutex<()>,
    /// Apart from `running`, so that it can be read during a cycle.
    position: Mutex<CyclePosition>,
    unfinished: Mutex<Option<SweepProgress>>,
}

/// Position from which the next cycle continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CyclePosition {
    pub(crate) cursor: Option<ChangeCursor>,
    pub(crate) swept: Option<PersistentInstant>,
}

/// A sweep that may have to be continued.
pub(super) struct SweepProgress {
    pub(super) begun: Instant,
    /// Taken before the first listing, so that the cycle after the sweep sees later changes.
    pub(super) cursor: Option<ChangeCursor>,
    pub(super) done: HashSet<ExtensionId>,
    /// Number of extensions that did not fit.
    pub(super) refused: usize,
}

impl CycleState {
    /// Returns the number of cycles that have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// Waits for the cycle in progress, and begins one unless another has begun after `seen`.
    pub(super) async fn begin_after(&self, seen: u64) -> Option<MutexGuard<'_, ()>> {
        let running = self.running.lock().await;
        // A cycle that began while this one waited for the lock has covered the request.
        if self.begun() > seen {
            return None;
        }
        self.begun.fetch_add(1, Ordering::AcqRel);
        Some(running)
    }

    pub(crate) fn position(&self) -> CyclePosition {
        self.position.lock().clone()
    }

    pub(crate) fn set_position(&self, position: CyclePosition) {
        *self.position.lock() = position;
    }

    pub(super) fn take_unfinished(&self) -> Option<SweepProgress> {
        self.unfinished.lock().take()
    }

    pub(super) fn keep_unfinished(&self, progress: SweepProgress) {
        *self.unfinished.lock() = Some(progress);
    }
}
