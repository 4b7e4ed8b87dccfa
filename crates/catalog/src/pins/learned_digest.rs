//! The digest of a file for which its backend reports none.

use registry_core::models::artifact::ArtifactKey;
use registry_core::models::digest::Digest;

/// The digest of a file, computed from its first download.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LearnedDigest {
    pub(crate) file: ArtifactKey,
    pub(crate) digest: Digest,
}
