//! Manifests and blobs of a backend that stores OCI artifacts, byte for byte.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use crate::backend::download::Download;
use crate::error::Result;
use crate::models::digest::Digest;
use crate::models::naming::ExtensionId;

/// Maximum length of a manifest, in bytes.
pub const MANIFEST_MAX: u64 = 4 << 20;

/// The stored OCI objects of one backend. A missing object is the error `NotFound`.
#[async_trait]
pub trait OciContent: Send + Sync {
    /// Reads a manifest or an index of the extension's repository. Its bytes match the digest.
    async fn manifest(&self, id: &ExtensionId, reference: &Reference) -> Result<StoredManifest>;

    /// Opens a blob of the extension's repository or a byte range, the end excluded; beyond it is
    /// `RangeNotSatisfiable`. The bytes are not verified.
    async fn blob(
        &self,
        id: &ExtensionId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<Download>;

    /// Reads the index of manifests that refer to a digest; else empty.
    async fn referrers(&self, id: &ExtensionId, subject: &Digest) -> Result<StoredManifest>;
}

/// Tag or digest of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A tag as the backend spells it.
    Tag(String),
    /// The digest of the bytes.
    Digest(Digest),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A manifest or index as the backend stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// The bytes, at most [`MANIFEST_MAX`].
    pub bytes: Bytes,
    /// Media type, as the backend or the document gives it.
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
}
