//! Messages about extensions over the capacity, for operators and callers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tracing::{info, warn};

use crate::backend::Fault;
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::evidence::listing_fault;
use crate::catalog::index::CapacityUse;
use crate::error::Error;
use crate::models::backend_id::BackendId;

/// `Retry-After` for an extension over the capacity, which removals or an operator free.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Memory use of one backend's extensions, readable without the lock of the index.
#[derive(Debug, Default)]
pub(super) struct CapacityCell {
    bytes: AtomicUsize,
    refused: AtomicUsize,
}

impl BackendHandle {
    pub(super) fn held(&self) -> CapacityUse {
        let CapacityCell { bytes, refused } = &self.held;
        CapacityUse {
            bytes: bytes.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
        }
    }

    /// Stores the memory use. Logs when the first extension is refused and when all fit again.
    pub(super) fn holds(&self, held: CapacityUse) {
        self.held.bytes.store(held.bytes, Ordering::Relaxed);
        let before = self.held.refused.swap(held.refused, Ordering::Relaxed);
        let (backend, bytes) = (self.id(), held.bytes);
        match (before, held.refused) {
            (0, 1..) => warn!(
                %backend, bytes,
                "catalog.max_bytes leaves no room for more extensions of this backend"
            ),
            (1.., 0) => {
                info!(%backend, bytes, "catalog.max_bytes has room for every extension again")
            }
            _ => {}
        }
    }
}

pub(super) fn no_room_for(backend: BackendId, extensions: usize) -> Option<Fault> {
    let plural = if extensions == 1 { "" } else { "s" };
    let reason =
        format!("catalog.max_bytes leaves no room for {extensions} extension{plural} of {backend}");
    (extensions > 0).then(|| listing_fault(&reason))
}

/// Error for a request that may concern an extension over the capacity: it exists but is not served.
pub(super) fn over_capacity(source: BackendId) -> Error {
    let message = format!(
        "The {source} backend exceeds catalog.max_bytes; extensions beyond it cannot be served"
    );
    Error::unavailable(message, RETRY_AFTER)
}
