//! The role of a replica for one backend.

use registry_fleet::epoch::Epoch;
use tokio::time::Instant;

/// What a replica does about one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplicaRole {
    /// Reads it for itself: the engine is away, or was not read yet.
    Alone { since: Instant },
    /// Applies the log, and sends requests to the writer.
    Follower,
    /// Reads it for all replicas.
    Writer { epoch: Epoch },
}

impl ReplicaRole {
    pub(crate) const fn is_writer(self) -> bool {
        matches!(self, Self::Writer { .. })
    }
}
