//! Metrics of the calls to an engine.

use std::time::Duration;

use crate::failure::AwayReason;

/// Receives one record per call.
pub trait EngineMetrics: Send + Sync {
    /// Called when a call ends, also if it was not sent because the engine is away.
    fn record(&self, call: &EngineCall);

    /// Called when the connection is made or lost.
    fn connected(&self, is_connected: bool);
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineOperation {
    /// Appending an entry to the log.
    Append,
    /// Taking tokens from buckets.
    Bucket,
    /// Taking or releasing the lock of a fetch.
    FetchLock,
    /// Reading the log.
    Follow,
    /// Taking, renewing or releasing a lease.
    Lease,
    /// Reporting a replica.
    Member,
    /// Offering a pin.
    Pin,
    /// Posting a request to a writer.
    Request,
    /// Reading or writing a snapshot.
    Snapshot,
}

impl EngineOperation {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Append,
        Self::Bucket,
        Self::FetchLock,
        Self::Follow,
        Self::Lease,
        Self::Member,
        Self::Pin,
        Self::Request,
        Self::Snapshot,
    ];

    /// Returns the word used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Bucket => "bucket",
            Self::FetchLock => "fetch-lock",
            Self::Follow => "follow",
            Self::Lease => "lease",
            Self::Member => "member",
            Self::Pin => "pin",
            Self::Request => "request",
            Self::Snapshot => "snapshot",
        }
    }
}

/// Record of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineCall {
    /// Kind of call.
    pub operation: EngineOperation,
    /// Why it failed; `None` for a success.
    pub failure: Option<AwayReason>,
    /// Time until the answer or the failure.
    pub duration: Duration,
}
