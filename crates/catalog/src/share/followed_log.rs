//! The log as this replica follows it.

use registry_fleet::epoch::{Epoch, LogPosition};
use tokio::sync::watch;
use tokio::time::Instant;

/// How far this replica has applied the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogProgress {
    pub(crate) position: LogPosition,
    /// Highest epoch of which this replica has learned.
    pub(crate) seen: Epoch,
    /// Epoch in which this replica is the writer, or was for the last time.
    pub(crate) written: Option<Epoch>,
    /// Time of the last entry that this replica has applied or written; that of the start before the
    /// first one.
    pub(crate) heard: Instant,
    /// Time of the last entry, applied or not; that of the start before the first one.
    pub(crate) appended: Instant,
    /// True if entries are missing between the position and what the log has.
    pub(crate) has_gap: bool,
}

/// Progress of this replica in the log, which others wait for.
pub(crate) struct FollowedLog(watch::Sender<LogProgress>);

impl FollowedLog {
    /// Begins before the first entry.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let progress = LogProgress {
            position: LogPosition::START,
            seen: Epoch::default(),
            written: None,
            heard: now,
            appended: now,
            has_gap: false,
        };
        Self(watch::Sender::new(progress))
    }

    pub(crate) fn progress(&self) -> LogProgress {
        *self.0.borrow()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut LogProgress)) {
        self.0.send_modify(change);
    }

    /// Notes an epoch, so that the own next one is above it.
    pub(crate) fn saw(&self, epoch: Epoch) {
        self.change(|now| now.seen = now.seen.max(epoch));
    }

    /// Notes that a writer appended an entry of this epoch, which may not be applicable here.
    pub(crate) fn saw_entry(&self, epoch: Epoch) {
        self.change(|now| {
            now.seen = now.seen.max(epoch);
            now.appended = Instant::now();
        });
    }

    /// Notes that this replica has an entry of the log.
    pub(crate) fn has_entry(&self, position: LogPosition) {
        self.change(|now| {
            now.position = now.position.max(position);
            now.heard = Instant::now();
        });
    }

    /// Continues with the log from before a restart. Without effect after the first entry.
    pub(crate) fn resume(&self, position: LogPosition) {
        self.change(|now| {
            if now.position == LogPosition::START {
                now.position = position;
                now.seen = now.seen.max(position.epoch);
            }
        });
    }

    /// Waits until the log is applied up to this position.
    pub(crate) async fn reached(&self, position: LogPosition) {
        // Never an error: the sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|now| now.position >= position).await;
    }
}
