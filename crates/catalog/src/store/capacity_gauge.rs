//! Memory use of one backend's extensions, readable without the lock of the index.

use std::sync::atomic::{AtomicUsize, Ordering};

use registry_core::models::backend_id::BackendId;
use tracing::{info, warn};

use crate::LOG_TARGET;
use crate::index::Index;
use crate::index::backend_extensions::BackendExtensions;
use crate::index::capacity::CapacityUse;

/// Memory use of one backend's extensions.
#[derive(Debug)]
pub(super) struct CapacityGauge {
    backend: BackendId,
    bytes: AtomicUsize,
    refused: AtomicUsize,
}

impl CapacityGauge {
    pub(super) const fn new(backend: BackendId) -> Self {
        Self { backend, bytes: AtomicUsize::new(0), refused: AtomicUsize::new(0) }
    }

    pub(super) fn is_of(&self, backend: BackendId) -> bool {
        self.backend == backend
    }

    pub(super) fn get(&self) -> CapacityUse {
        CapacityUse {
            bytes: self.bytes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Takes the memory use over. Logs when the first extension is refused and when all fit again.
    pub(super) fn set_from(&self, index: &Index) {
        let Some(now) = index.backend(self.backend).map(BackendExtensions::capacity_use) else {
            return;
        };
        self.bytes.store(now.bytes, Ordering::Relaxed);
        let before = self.refused.swap(now.refused, Ordering::Relaxed);
        let (backend, bytes) = (self.backend, now.bytes);
        match (before, now.refused) {
            (0, 1..) => warn!(target: LOG_TARGET,
                %backend, bytes,
                "catalog.max_bytes leaves no room for more extensions of this backend"
            ),
            (1.., 0) => {
                info!(target: LOG_TARGET, %backend, bytes, "catalog.max_bytes has room for every extension again");
            }
            _ => {}
        }
    }
}
