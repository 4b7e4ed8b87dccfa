//! Pinned digest of a version in words.

use jiff::Timestamp;

use crate::digest::DigestView;

/// Origin of a pinned digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinOrigin {
    /// The registry names the digest of the layer.
    Registry,
    /// The release has a checksum file.
    ChecksumFile,
    /// The release has a manifest with the digest.
    Manifest,
    /// The archive of the first download.
    FirstDownload,
}

/// Pinned digest of a version.
#[derive(Clone, Debug)]
pub enum PinView {
    /// The archive was never downloaded, and no digest is published.
    Unknown,
    /// A digest is published, but the archive was never downloaded.
    Published {
        /// The digest.
        digest: DigestView,
        /// Its origin.
        origin: PinOrigin,
    },
    /// The archive is pinned.
    Pinned {
        /// The digest.
        digest: DigestView,
        /// Its origin.
        origin: PinOrigin,
        /// Name of the pinned file.
        file: String,
        /// Time of the first download, if recorded.
        since: Option<Timestamp>,
        /// Digest of the archive that the backend has now, if it differs and is known.
        current: Option<DigestView>,
        /// True if the archive at the backend differs from the pinned one.
        is_changed: bool,
    },
}

impl PinOrigin {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Registry => "from the registry, which names the layer by it",
            Self::ChecksumFile => "from a checksum file of the release",
            Self::Manifest => "from the manifest of the release",
            Self::FirstDownload => "computed at the first download",
        }
    }
}
