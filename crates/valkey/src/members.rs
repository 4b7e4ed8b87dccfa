//! The replicas of a fleet in an engine.

use std::time::Duration;

use async_trait::async_trait;
use registry_fleet::config_digest::ConfigDigest;
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

/// The members of a fleet. Each is `REPLICA DIGEST SIGNATURE`, with the digest of its configuration;
/// `REPLICA SIGNATURE` of a version that reported no digest counts as configured alike.
pub struct EngineMembers {
    link: EngineLink,
    key: String,
    config: ConfigDigest,
}

/// A member, as this replica sees it.
enum ReportedMember {
    /// A replica of this fleet with the same configuration.
    Alike,
    /// A replica of this fleet with another configuration.
    Differing,
    /// It has another secret, or is no report of a replica.
    Foreign,
}

impl EngineMembers {
    /// Uses a link. Others are compared with this configuration.
    #[must_use]
    pub fn new(link: EngineLink, config: ConfigDigest) -> Self {
        Self { key: link.key("members"), link, config }
    }

    /// Uses another key, so that a check does not count as a replica.
    pub(crate) fn trial(link: EngineLink, config: ConfigDigest) -> Self {
        Self { key: link.key("doctor"), link, config }
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
        let mut presence = EnginePresence::default();
        for member in &found {
            match self.judged(member) {
                ReportedMember::Alike => presence.replicas += 1,
                ReportedMember::Differing => {
                    presence.replicas += 1;
                    presence.differing += 1;
                }
                ReportedMember::Foreign => presence.foreign += 1,
            }
        }
        Ok(presence)
    }

    fn judged(&self, member: &[u8]) -> ReportedMember {
        let Some(report) = self.signed(member) else { return ReportedMember::Foreign };
        let (replica, config) = match report.split_once(' ') {
            Some((replica, config)) => (replica, Some(config)),
            None => (report, None),
        };
        match config {
            _ if replica.parse::<ReplicaId>().is_err() => ReportedMember::Foreign,
            Some(config) if config != self.config.as_str() => ReportedMember::Differing,
            _ => ReportedMember::Alike,
        }
    }

    /// Returns what a replica of this fleet signed.
    fn signed<'a>(&self, member: &'a [u8]) -> Option<&'a str> {
        let (report, signature) = std::str::from_utf8(member).ok()?.rsplit_once(' ')?;
        let is_signed = signature.len() == SIGNATURE_DIGITS
            && self.link.verify(&self.key, report.as_bytes(), signature);
        is_signed.then_some(report)
    }
}

#[async_trait]
impl Members for EngineMembers {
    async fn present(&self, replica: &ReplicaId) -> Result<usize, Away> {
        let report = format!("{replica} {}", self.config.as_str());
        let signature = self.link.sign(&self.key, report.as_bytes());
        let presence = self.called(&format!("{report} {signature}")).await?;
        self.link.state().present(presence);
        Ok(presence.replicas)
    }
}
