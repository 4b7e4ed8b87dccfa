//! How the store is, for `/health`, the log and metrics.

use std::fmt::Display;

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::cache::artifacts::Artifacts;

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreState {
    /// Whether artifacts are to be kept at all.
    pub enabled: bool,
    /// What it last failed with, while it fails. Downloads go on, past the store.
    pub failure: Option<String>,
    /// Artifacts in it.
    pub artifacts: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The most bytes that it may hold.
    pub max_bytes: u64,
}

/// What the disk last failed with, while it fails.
#[derive(Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Artifacts {
    /// How the store is.
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

    /// Shows in metrics what the store holds.
    pub(super) fn count(&self) {
        let shelf = self.shelf.lock();
        self.counters.stored(shelf.len(), shelf.bytes());
    }

    /// The disk failed. Only the first time in a row is news.
    pub(super) fn failed(&self, failure: &impl Display) {
        self.counters.failed();
        let before = self.trouble.0.lock().replace(failure.to_string());
        if before.is_none() {
            warn!("artifacts cannot be stored and are streamed from their backends: {failure}");
        }
    }

    /// The disk took an artifact.
    pub(super) fn recovered(&self) {
        if self.trouble.0.lock().take().is_some() {
            info!("artifacts are stored again");
        }
    }
}
