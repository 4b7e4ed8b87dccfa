//! Locks of fetches in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use registry_core::models::digest::Digest;
use registry_fleet::DEADLINE;
use registry_fleet::failure::Away;
use registry_fleet::fetch_locks::{FETCH_LOCK, FetchLocks};
use tokio::time::Instant;

use crate::fleet::fault::Fault;

/// The locks of one fleet: holder and end of each.
#[derive(Default)]
pub struct MemoryFetchLocks(Mutex<BTreeMap<String, (usize, Instant)>>);

/// The locks as one replica sees them, with a fault.
pub struct FetchLockConnection {
    locks: Arc<MemoryFetchLocks>,
    replica: usize,
    fault: Mutex<Fault>,
}

impl MemoryFetchLocks {
    /// Connects a replica with this number.
    pub fn connect(self: &Arc<Self>, replica: usize) -> Arc<FetchLockConnection> {
        let (locks, fault) = (Arc::clone(self), Mutex::default());
        Arc::new(FetchLockConnection { locks, replica, fault })
    }

    /// Number of locks that are held.
    pub fn held(&self) -> usize {
        let now = Instant::now();
        self.0.lock().values().filter(|(_, end)| *end > now).count()
    }
}

impl FetchLockConnection {
    /// Sets what happens to later calls.
    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock() = fault;
    }

    async fn call<T: Send + 'static>(
        &self,
        archive: &Digest,
        step: impl FnOnce(&mut BTreeMap<String, (usize, Instant)>, String) -> T + Send + 'static,
    ) -> Result<T, Away> {
        let (fault, locks, archive) =
            (*self.fault.lock(), Arc::clone(&self.locks), archive.to_string());
        fault.call(DEADLINE, move || step(&mut locks.0.lock(), archive)).await
    }
}

#[async_trait]
impl FetchLocks for FetchLockConnection {
    async fn take(&self, archive: &Digest) -> Result<bool, Away> {
        let replica = self.replica;
        self.call(archive, move |locks, archive| {
            let now = Instant::now();
            let is_free =
                locks.get(&archive).is_none_or(|(holder, end)| *holder == replica || *end <= now);
            if is_free {
                locks.insert(archive, (replica, now + FETCH_LOCK));
            }
            is_free
        })
        .await
    }

    async fn release(&self, archive: &Digest) -> Result<(), Away> {
        let replica = self.replica;
        self.call(archive, move |locks, archive| {
            if locks.get(&archive).is_some_and(|(holder, _)| *holder == replica) {
                locks.remove(&archive);
            }
        })
        .await
    }
}
