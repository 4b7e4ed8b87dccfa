//! The replicas of a fleet.

use async_trait::async_trait;

use crate::failure::Away;
use crate::replica::ReplicaId;

/// The replicas that use the engine.
#[async_trait]
pub trait Members: Send + Sync {
    /// Notes that this replica is there. Returns the number of replicas that did so within the last 15
    /// seconds, itself included.
    async fn present(&self, replica: &ReplicaId) -> Result<usize, Away>;
}
