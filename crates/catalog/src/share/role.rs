//! The role of a replica for one backend.

use registry_fleet::epoch::Epoch;
use tokio::time::Instant;

/// Role of a replica for one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaRole {
    /// It reads the backend for itself: the engine is away, or was not read yet.
    Alone {
        /// Time at which that began.
        since: Instant,
    },
    /// It applies the log, and sends requests to the writer.
    Follower,
    /// It reads the backend for all replicas.
    Writer {
        /// Epoch of its lease.
        epoch: Epoch,
    },
}

impl ReplicaRole {
    /// Returns true if it reads the backend for all replicas.
    #[must_use]
    pub const fn is_writer(self) -> bool {
        matches!(self, Self::Writer { .. })
    }

    /// Returns the word used in `/health`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alone { .. } => "alone",
            Self::Follower => "follower",
            Self::Writer { .. } => "writer",
        }
    }
}
