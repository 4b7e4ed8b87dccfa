//! Manifests of snapshots: a position and the digests of segments, signed.

use registry_core::models::digest::Digest;
use registry_fleet::epoch::LogPosition;

use crate::link::EngineLink;

/// What a snapshot consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotManifest {
    /// Position of the last entry that the snapshot includes.
    pub(crate) position: LogPosition,
    /// Digests of its segments, in order.
    pub(crate) segments: Vec<Digest>,
}

impl SnapshotManifest {
    /// Returns the value that is stored under a key.
    pub(crate) fn sealed(&self, link: &EngineLink, key: &str) -> String {
        let mut words = self.position.to_string();
        for segment in &self.segments {
            words += &format!(" {segment}");
        }
        let signature = link.sign(key, words.as_bytes());
        format!("{words} {signature}")
    }

    /// Parses the value of a key; `None` if no replica of this fleet stored it there.
    pub(crate) fn opened(link: &EngineLink, key: &str, value: &[u8]) -> Option<Self> {
        let (words, signature) = std::str::from_utf8(value).ok()?.rsplit_once(' ')?;
        if !link.verify(key, words.as_bytes(), signature) {
            return None;
        }
        let mut words = words.split(' ');
        let position = words.next()?.parse().ok()?;
        let segments = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        Some(Self { position, segments })
    }
}
