//! The replicas of a fleet in an engine.

use std::time::Duration;

use async_trait::async_trait;
use registry_fleet::failure::Away;
use registry_fleet::members::Members;
use registry_fleet::metrics::EngineOperation;
use registry_fleet::replica::ReplicaId;
use registry_fleet::state::EnginePresence;

use crate::link::EngineLink;
use crate::script::MEMBERS;
use crate::secrets::SIGNATURE_DIGITS;

/// Time for which a replica counts after it reported.
const PRESENT: Duration = Duration::from_secs(15);
/// Maximum number of members that are counted.
const MEMBERS_MAX: usize = 1000;

/// The members of a fleet, each as its name with a signature.
pub struct EngineMembers {
    link: EngineLink,
    key: String,
}

impl EngineMembers {
    /// Uses a link.
    #[must_use]
    pub fn new(link: EngineLink) -> Self {
        Self { key: link.key("members"), link }
    }

    /// Uses another key, so that a check does not count as a replica.
    pub(crate) fn trial(link: EngineLink) -> Self {
        Self { key: link.key("doctor"), link }
    }

    /// Returns the members without reporting one.
    pub(crate) async fn seen(&self) -> Result<EnginePresence, Away> {
        self.called("").await
    }

    async fn called(&self, member: &str) -> Result<EnginePresence, Away> {
        let mut script = MEMBERS.prepare_invoke();
        let counts = u64::try_from(PRESENT.as_millis()).unwrap_or(u64::MAX);
        script.key(&self.key).arg(member).arg(counts).arg(MEMBERS_MAX);
        let found: Vec<Vec<u8>> = self.link.call(EngineOperation::Member, &script).await?;
        let replicas = found.iter().filter(|member| self.is_ours(member)).count();
        Ok(EnginePresence { replicas, foreign: found.len() - replicas })
    }

    fn is_ours(&self, member: &[u8]) -> bool {
        let Ok(member) = std::str::from_utf8(member) else { return false };
        let Some((replica, signature)) = member.split_once(' ') else { return false };
        signature.len() == SIGNATURE_DIGITS
            && replica.parse::<ReplicaId>().is_ok()
            && self.link.verify(&self.key, replica.as_bytes(), signature)
    }
}

#[async_trait]
impl Members for EngineMembers {
    async fn present(&self, replica: &ReplicaId) -> Result<usize, Away> {
        let signature = self.link.sign(&self.key, replica.as_str().as_bytes());
        let presence = self.called(&format!("{replica} {signature}")).await?;
        self.link.state().present(presence);
        Ok(presence.replicas)
    }
}
