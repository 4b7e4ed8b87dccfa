//! An engine in memory, in virtual time: leases, a log and snapshots, with faults.

mod append_record;
mod connection;
mod data;
mod item_stream;
mod journaled_map;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use self::data::EngineData;
use crate::fleet::fault::Fault;

pub use self::connection::EngineConnection;

/// Time of the engine's clock at its start, in milliseconds. A jump may set it back.
const CLOCK_AT_START: u64 = 1_000_000_000;

/// One engine, which replicas share.
pub struct MemoryEngine {
    begun: Instant,
    /// Milliseconds by which the clock was set forward.
    clock_jumps: Mutex<i64>,
    data: Mutex<EngineData>,
    fault: Mutex<Fault>,
    /// Wakes readers of the log, in the order in which they wait.
    changes: Notify,
}

impl MemoryEngine {
    /// Creates an empty engine.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            clock_jumps: Mutex::default(),
            data: Mutex::default(),
            fault: Mutex::default(),
            changes: Notify::new(),
        })
    }

    /// Connects a replica.
    pub fn connect(self: &Arc<Self>) -> Arc<EngineConnection> {
        EngineConnection::new(Arc::clone(self))
    }

    /// Sets what happens to later calls of every connection.
    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock() = fault;
        self.wake();
    }

    /// Deletes everything.
    pub fn flush(&self) {
        self.change(|data, _| data.flush());
        self.wake();
    }

    /// Loses the writes of the last `lost`, at most five seconds, as a replica of the engine that
    /// takes over does.
    pub fn fail_over(&self, lost: Duration) {
        self.change(|data, _| data.undo(lost));
        self.wake();
    }

    /// Loses the highest numbers of epochs.
    pub fn lose_counters(&self) {
        self.change(|data, _| data.lose_counters());
    }

    /// Ends every lease.
    pub fn lose_leases(&self) {
        self.change(|data, _| data.lose_leases());
    }

    /// Deletes the log but for its last entries.
    pub fn trim(&self, kept: usize) {
        self.change(|data, _| data.keep_entries(kept));
        self.wake();
    }

    /// Sets the clock forward by this number of milliseconds, or back.
    pub fn jump_clock(&self, millis: i64) {
        *self.clock_jumps.lock() += millis;
    }

    /// Number of entries that were appended.
    pub fn appended(&self) -> usize {
        self.data.lock().appends.entries
    }

    /// Number of entries that were appended although an entry of a higher position was there.
    pub fn disordered(&self) -> usize {
        self.data.lock().appends.disordered
    }

    fn fault(&self) -> Fault {
        *self.fault.lock()
    }

    /// Returns a future that ends with the next change after this call.
    fn changed(&self) -> Notified<'_> {
        self.changes.notified()
    }

    fn wake(&self) {
        self.changes.notify_waiters();
    }

    /// Makes one step, at the engine's time in milliseconds.
    fn change<T>(&self, step: impl FnOnce(&mut EngineData, u64) -> T) -> T {
        let millis = CLOCK_AT_START + self.begun.elapsed().as_millis() as u64;
        let millis = millis.saturating_add_signed(*self.clock_jumps.lock());
        let mut data = self.data.lock();
        let before = data.ends();
        let outcome = step(&mut data, millis);
        if data.ends() != before {
            self.wake();
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
