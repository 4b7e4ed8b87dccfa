//! State of the store, for `/health`, the log and metrics.

use std::fmt::Display;

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::artifacts::Artifacts;

/// State of the artifact store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreState {
    /// True if a directory for artifacts is configured.
    pub enabled: bool,
    /// The current failure; `None` while the store works. Downloads continue without the store.
    pub failure: Option<String>,
    /// Number of stored artifacts.
    pub artifacts: usize,
    /// Size of the stored artifacts in bytes.
    pub bytes: u64,
    /// Limit in bytes.
    pub max_bytes: u64,
}

#[derive(Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Artifacts {
    /// Returns the state of the store.
    #[must_use]
    pub fn state(&self) -> StoreState {
        let shelf = self.shelf.lock();
        StoreState {
            enabled: self.disk.is_some(),
            failure: self.trouble.0.lock().clone(),
            artifacts: shelf.len(),
            bytes: shelf.bytes(),
            max_bytes: shelf.max_bytes(),
        }
    }

    pub(super) fn count(&self) {
        let shelf = self.shelf.lock();
        self.counters.stored(shelf.len(), shelf.bytes());
    }

    /// Records a failure of the disk. Only the first in a row is logged.
    pub(super) fn failed(&self, failure: &impl Display) {
        self.counters.failed();
        // Counted every time, so that a metric shows how often requests miss the store.
        let before = self.trouble.0.lock().replace(failure.to_string());
        if before.is_none() {
            warn!("artifacts cannot be stored and are streamed from their backends: {failure}");
        }
    }

    pub(super) fn recovered(&self) {
        if self.trouble.0.lock().take().is_some() {
            info!("artifacts are stored again");
        }
    }
}
