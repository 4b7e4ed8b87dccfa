//! What there is no room for, in the words of operators and of callers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tracing::{info, warn};

use crate::backend::Fault;
use crate::catalog::evidence::listing_fault;
use crate::catalog::index::Held;
use crate::catalog::member::Member;
use crate::error::Error;
use crate::models::backend_id::BackendId;

/// When asking again may help: room comes back when others go, or by an operator.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// What is held of one backend, for readers who wait for no writer.
#[derive(Debug, Default)]
pub(super) struct HeldCell {
    bytes: AtomicUsize,
    refused: AtomicUsize,
}

impl Member {
    /// What is held of it.
    pub(super) fn held(&self) -> Held {
        let HeldCell { bytes, refused } = &self.held;
        Held { bytes: bytes.load(Ordering::Relaxed), refused: refused.load(Ordering::Relaxed) }
    }

    /// This is held of it now. Only that there is no room any more is news, and that there is again.
    pub(super) fn holds(&self, held: Held) {
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

/// What an operator is told of extensions that there is no room for, if there are any.
pub(super) fn no_room_for(backend: BackendId, extensions: usize) -> Option<Fault> {
    let plural = if extensions == 1 { "" } else { "s" };
    let reason =
        format!("catalog.max_bytes leaves no room for {extensions} extension{plural} of {backend}");
    (extensions > 0).then(|| listing_fault(&reason))
}

/// What a caller is told who asks for one of them: it is there, and cannot be served.
pub(super) fn no_room(source: BackendId) -> Error {
    let message = format!(
        "The {source} backend has more than there is room for here (catalog.max_bytes), and what \
         is not known of it cannot be answered"
    );
    Error::unavailable(message, RETRY_AFTER)
}
