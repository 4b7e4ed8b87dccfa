//! Memory permits: one large response of a backend is in memory at a time, and one long list.

use std::sync::Arc;
use std::time::Duration;

use registry_core::error::{Error, ErrorKind, Result};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::http::peer::Peer;

/// Bytes of a body that each call may hold without the permit.
pub(super) const BODY_SHARE: usize = 512 * 1024;
/// Estimated size of parsed JSON, in bytes, that each call may reach without the permit.
pub(super) const JSON_SHARE: usize = 1024 * 1024;
/// Bytes that each list may keep between two pages without the permit.
const LIST_SHARE: usize = 256 * 1024;

/// Longest wait for the list permit. A list of thousands of pages takes minutes.
const LIST_WAIT_MAX: Duration = Duration::from_mins(5);

/// The two permits of one client. Waiters are served in order.
pub(super) struct MemoryLimit {
    peer: Peer,
    responses: Arc<Semaphore>,
    lists: Arc<Semaphore>,
}

/// The right to hold one large response, or one long list, until it is dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    _permit: OwnedSemaphorePermit,
}

impl MemoryLimit {
    pub(super) fn new(peer: Peer) -> Self {
        let [responses, lists] = [(); 2].map(|()| Arc::new(Semaphore::new(1)));
        Self { peer, responses, lists }
    }

    /// Waits for the permit for a large response. Its holder waits for no other permit, so that the
    /// caller may hold a concurrency permit meanwhile (docs/adr/0025).
    pub(super) async fn response(&self, deadline: Instant) -> Result<Option<MemoryPermit>> {
        let permit = timeout_at(deadline, acquire(&self.responses)).await;
        permit.map_err(|_| too_many(&self.peer, "large responses"))
    }

    /// Starts the account of a list, without its permit.
    pub(super) fn list(&self) -> ListMemory {
        let (peer, lists) = (self.peer, Arc::clone(&self.lists));
        ListMemory { peer, lists, permit: OnceCell::new() }
    }
}

/// Memory of one list while its pages are read.
pub struct ListMemory {
    peer: Peer,
    lists: Arc<Semaphore>,
    permit: OnceCell<Option<MemoryPermit>>,
}

impl ListMemory {
    /// Waits for the permit if a list of this many bytes needs it. Call it between two pages: the
    /// caller must hold no response, because the holder of the permit waits for other calls. Fails
    /// with `BackendTimeout` after five minutes.
    pub async fn reserve(&self, bytes: usize) -> Result<()> {
        if bytes <= LIST_SHARE {
            return Ok(());
        }
        let permit = async {
            let permit = timeout(LIST_WAIT_MAX, acquire(&self.lists)).await;
            permit.map_err(|_| too_many(&self.peer, "long lists"))
        };
        self.permit.get_or_try_init(|| permit).await.map(|_| ())
    }
}

fn too_many(peer: &Peer, large: &str) -> Error {
    let message = format!("The {peer} sends too many {large} at once");
    Error::new(ErrorKind::BackendTimeout, message).not_asked()
}

/// Returns `None` only if the semaphore is closed, which never happens.
async fn acquire(semaphore: &Arc<Semaphore>) -> Option<MemoryPermit> {
    let permit = Arc::clone(semaphore).acquire_owned().await.ok()?;
    Some(MemoryPermit { _permit: permit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_long_list_is_read_at_a_time_and_no_other_waits_for_ever() {
        let limit = MemoryLimit::new(Peer::new("server"));
        let (first, second, short) = (limit.list(), limit.list(), limit.list());
        first.reserve(LIST_SHARE + 1).await.unwrap();
        first.reserve(LIST_SHARE + 2).await.unwrap();
        short.reserve(LIST_SHARE).await.unwrap();
        let begun = Instant::now();
        let error = second.reserve(LIST_SHARE + 1).await.unwrap_err();
        assert_eq!(begun.elapsed(), LIST_WAIT_MAX);
        assert_eq!((error.kind(), error.was_asked()), (ErrorKind::BackendTimeout, false));
        drop(first);
        second.reserve(LIST_SHARE + 1).await.unwrap();
    }
}
