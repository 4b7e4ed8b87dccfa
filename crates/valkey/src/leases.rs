//! Leases in an engine.

use async_trait::async_trait;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::leases::{LEASE, LeaseState, Leases};
use registry_fleet::metrics::EngineOperation;
use registry_fleet::replica::ReplicaId;
use registry_fleet::topic::Topic;

use crate::failure::UNKNOWN_FORM;
use crate::link::EngineLink;
use crate::log_keys::{LogKeys, holder};
use crate::script::{RELEASE, TAKE_LEASE};

/// The leases of a fleet. They are not signed: a forged one delays the writers, and what they publish
/// is signed.
pub struct EngineLeases {
    link: EngineLink,
    keys: LogKeys,
}

impl EngineLeases {
    /// Uses a link.
    #[must_use]
    pub fn new(link: EngineLink) -> Self {
        Self { keys: LogKeys::of(&link), link }
    }

    /// Uses keys that no replica uses.
    pub(crate) fn trial(link: EngineLink) -> Self {
        Self { keys: LogKeys::trial(&link), link }
    }
}

#[async_trait]
impl Leases for EngineLeases {
    async fn take(
        &self,
        topic: &Topic,
        replica: &ReplicaId,
        seen: Epoch,
        nonce: u16,
    ) -> Result<LeaseState, Away> {
        let (lease, millis) = (self.keys.lease(topic), LEASE.as_millis());
        let mut script = TAKE_LEASE.prepare_invoke();
        script.key(lease).key(&self.keys.epochs).key(&self.keys.tails);
        script.arg(topic.as_str()).arg(replica.as_str()).arg(seen.to_string());
        script.arg(format!("{nonce:04x}")).arg(millis.to_string());
        let (is_held, epoch, tail): (bool, String, String) =
            self.link.call(EngineOperation::Lease, &script).await?;
        match (epoch.parse::<Epoch>(), tail.parse::<LogPosition>()) {
            (Ok(epoch), Ok(tail)) if is_held => Ok(LeaseState::Held { epoch, tail }),
            (Ok(epoch), Ok(_)) => Ok(LeaseState::Taken { epoch }),
            _ => Err(Away::new(AwayReason::Refused, UNKNOWN_FORM)),
        }
    }

    async fn release(&self, topic: &Topic, replica: &ReplicaId, epoch: Epoch) -> Result<(), Away> {
        let mut script = RELEASE.prepare_invoke();
        script.key(self.keys.lease(topic)).arg(holder(replica, epoch));
        self.link.call::<u8>(EngineOperation::Lease, &script).await.map(drop)
    }
}
