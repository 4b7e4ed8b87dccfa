//! An engine in memory, in virtual time: leases, a log and snapshots, with faults.

mod append_record;
mod connection;
mod journaled_map;
mod state;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use self::state::EngineState;
use crate::fleet::fault::Fault;

pub use self::connection::EngineConnection;

/// Time of the engine's clock at its start, in milliseconds. A jump may set it back.
const CLOCK_AT_START: u64 = 1_000_000_000;

/// One engine, which replicas share.
pub struct MemoryEngine {
    begun: Instant,
    /// Milliseconds by which the clock was set forward.
    clock_jumps: Mutex<i64>,
    state: Mutex<EngineState>,
    fault: Mutex<Fault>,
    /// Wakes readers of the log.
    changes: watch::Sender<()>,
}

impl MemoryEngine {
    /// Creates an empty engine.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            clock_jumps: Mutex::default(),
            state: Mutex::default(),
            fault: Mutex::default(),
            changes: watch::Sender::default(),
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
        self.change(|state, _| state.flush());
        self.wake();
    }

    /// Loses the writes of the last `lost`, at most five seconds, as a replica of the engine that
    /// takes over does.
    pub fn fail_over(&self, lost: Duration) {
        self.change(|state, _| state.undo(lost));
        self.wake();
    }

    /// Loses the highest numbers of epochs.
    pub fn lose_counters(&self) {
        self.change(|state, _| state.lose_counters());
    }

    /// Ends every lease.
    pub fn lose_leases(&self) {
        self.change(|state, _| state.lose_leases());
    }

    /// Deletes the log but for its last entries.
    pub fn trim(&self, kept: usize) {
        self.change(|state, _| state.keep_entries(kept));
        self.wake();
    }

    /// Sets the clock forward by this number of milliseconds, or back.
    pub fn jump_clock(&self, millis: i64) {
        *self.clock_jumps.lock() += millis;
    }

    /// Number of entries that were appended.
    pub fn appended(&self) -> usize {
        self.state.lock().appends.entries
    }

    /// Number of entries that were appended although an entry of a higher position was there.
    pub fn disordered(&self) -> usize {
        self.state.lock().appends.disordered
    }

    fn fault(&self) -> Fault {
        *self.fault.lock()
    }

    fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn wake(&self) {
        self.changes.send_replace(());
    }

    /// Makes one step, at the engine's time in milliseconds.
    fn change<T>(&self, step: impl FnOnce(&mut EngineState, u64) -> T) -> T {
        let millis = CLOCK_AT_START + self.begun.elapsed().as_millis() as u64;
        let millis = millis.saturating_add_signed(*self.clock_jumps.lock());
        let mut state = self.state.lock();
        let before = state.ends();
        let outcome = step(&mut state, millis);
        if state.ends() != before {
            self.wake();
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
