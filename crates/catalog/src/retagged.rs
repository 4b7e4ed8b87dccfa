//! Tags that stand for another release when read by themselves.

use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::extension::Release;

/// Returns true if the tag stands for another object than the known one.
pub(super) fn is_retagged(known: &Release, read: &Release) -> bool {
    read.manifest_digest.is_some() && known.manifest_digest != read.manifest_digest
}

/// Returns the release that replaces the known one in the index.
pub(super) fn retagged(known: &Release, read: &Release) -> Release {
    match known.artifact {
        // Only the digest, which is small: the rest was not checked against the capacity.
        ArtifactChoice::Unread => {
            Release { manifest_digest: read.manifest_digest.clone(), ..known.clone() }
        }
        // Notes stay out of the index: they are large, and read with each response that shows them.
        // Faults of files are kept with the evidence.
        _ => Release { notes: None, checksum_fault: None, manifest_fault: None, ..read.clone() },
    }
}
