//! The origin of a digest: who stated it.

use registry_core::models::backend_kind::BackendKind;
use registry_core::models::digest::Digest;
use serde::{Deserialize, Serialize};

/// Who stated the digest of a file. The words are those of the API and of the state on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestOrigin {
    /// The registry, or the image layout, that holds the file.
    Registry,
    /// A checksum file beside the archive.
    Checksum,
    /// A manifest among the files of the release.
    Manifest,
    /// This service, which computed it from the first download.
    FirstDownload,
}

/// A digest, and who stated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownDigest {
    pub(crate) digest: Digest,
    /// `None` in state that was written before origins were recorded.
    pub(crate) origin: Option<DigestOrigin>,
}

impl DigestOrigin {
    /// Returns the origin of a digest that a backend of this kind reports.
    #[must_use]
    pub const fn reported_by(kind: BackendKind) -> Self {
        match kind {
            // Gitea computes no digests, so what it reports was read from a checksum file.
            BackendKind::Gitea => Self::Checksum,
            BackendKind::Oci | BackendKind::Local => Self::Registry,
        }
    }

    /// Returns the word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Checksum => "checksum",
            Self::Manifest => "manifest",
            Self::FirstDownload => "first_download",
        }
    }
}
