//! Names of the keys that leases, log and snapshots use together.

use registry_core::models::digest::Digest;
use registry_fleet::epoch::Epoch;
use registry_fleet::replica::ReplicaId;
use registry_fleet::topic::Topic;

use crate::link::EngineLink;

/// Keys of one fleet. All are in one slot.
#[derive(Clone, Debug)]
pub(crate) struct LogKeys {
    base: String,
    /// Hash: the highest number of an epoch of each topic.
    pub(crate) epochs: String,
    /// Stream: entries of all topics.
    pub(crate) log: String,
    /// Hash: the place of the last entry of the log when the snapshot of a topic was written.
    pub(crate) marks: String,
    /// Stream: requests of all topics.
    pub(crate) requests: String,
    /// Hash: the position of the last entry of each topic.
    pub(crate) tails: String,
}

impl LogKeys {
    /// Returns the keys of a fleet.
    pub(crate) fn of(link: &EngineLink) -> Self {
        Self::under(link.key(""))
    }

    /// Returns keys that no replica uses.
    pub(crate) fn trial(link: &EngineLink) -> Self {
        Self::under(link.key("doctor-"))
    }

    fn under(base: String) -> Self {
        let key = |name| format!("{base}{name}");
        let (epochs, log, marks) = (key("epochs"), key("log"), key("marks"));
        Self { epochs, log, marks, requests: key("requests"), tails: key("tails"), base }
    }

    /// Returns the key of a topic's lease.
    pub(crate) fn lease(&self, topic: &Topic) -> String {
        format!("{}lease:{topic}", self.base)
    }

    /// Returns the key of the manifest of a topic's snapshot.
    pub(crate) fn snapshot(&self, topic: &Topic) -> String {
        format!("{}snapshot:{topic}", self.base)
    }

    /// Returns the key of a segment with this digest.
    pub(crate) fn segment(&self, digest: &Digest) -> String {
        format!("{}segment:{}", self.base, digest.hex())
    }
}

/// Returns the value of a lease.
pub(crate) fn holder(replica: &ReplicaId, epoch: Epoch) -> String {
    format!("{replica} {epoch}")
}
