//! Leases: who may write about a topic.

use std::time::Duration;

use async_trait::async_trait;

use crate::epoch::{Epoch, LogPosition};
use crate::failure::Away;
use crate::replica::ReplicaId;
use crate::topic::Topic;

/// Time after its last renewal at which a lease ends.
pub const LEASE: Duration = Duration::from_secs(10);

/// State of a lease after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// The caller holds it for [`LEASE`] from the time at which the engine took the call.
    Held {
        /// Epoch of the caller; a new one if it did not hold the lease before.
        epoch: Epoch,
        /// Position of the last entry of the topic.
        tail: LogPosition,
    },
    /// Another replica holds it.
    Taken {
        /// Epoch of that replica.
        epoch: Epoch,
    },
}

/// The leases of one fleet: at most one replica holds the lease of a topic.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease of a topic, or renews it for its holder. A new epoch has this nonce, and a
    /// number one above the highest of the engine's counter, the topic's last entry, and `seen`. A lease
    /// of an epoch below one of these is void: followers ignore what its holder writes.
    async fn take(
        &self,
        topic: &Topic,
        replica: &ReplicaId,
        seen: Epoch,
        nonce: u16,
    ) -> Result<LeaseState, Away>;

    /// Ends a lease. Without effect unless the replica holds it in this epoch.
    async fn release(&self, topic: &Topic, replica: &ReplicaId, epoch: Epoch) -> Result<(), Away>;
}
