//! One locked extension.

use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;

/// The release and the archive that a requirement was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockedEntry {
    pub(crate) id: ExtensionId,
    /// Version or range of the manifest.
    pub(crate) requested: String,
    pub(crate) version: String,
    pub(crate) tag: String,
    /// Kind of the backend. Not compared while the digest is the same.
    pub(crate) source: String,
    /// Name of the backend. Not compared while the digest is the same.
    pub(crate) backend: Option<String>,
    /// Name of the archive, never a path.
    pub(crate) file: String,
    /// Length of the archive in bytes.
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    /// Digest of the manifest, where the backend has one.
    pub(crate) manifest: Option<String>,
    /// Keys of other releases of this program, with their values as TOML.
    pub(crate) unknown: Vec<(String, String)>,
}

impl LockedEntry {
    /// Returns the text that entries are sorted by.
    pub(crate) fn sort_key(&self) -> String {
        self.id.to_string().to_ascii_lowercase()
    }

    /// Returns the name of the backend, or the kind in a lock without names.
    pub(crate) fn backend_name(&self) -> &str {
        self.backend.as_deref().unwrap_or(&self.source)
    }
}
