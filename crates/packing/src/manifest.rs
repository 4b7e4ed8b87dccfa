//! The manifest of a version: the archive, then the README.

use std::collections::BTreeMap;

use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::{OciLayer, OciManifest, README_TYPE, layer_type};

/// Name of the README in manifests, and at the root of archives.
pub const README: &str = "README.md";

/// An archive in a manifest.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveLayer<'a> {
    /// Name, such as `aws-1.2.0.tar.gz`.
    pub title: &'a str,
    /// Digest of the file.
    pub digest: &'a Digest,
    /// Length of the file in bytes.
    pub size: u64,
}

/// Returns the canonical manifest of a version. `None` if the title is not that of an archive.
#[must_use]
pub fn manifest_of(
    archive: ArchiveLayer<'_>,
    readme: Option<&[u8]>,
    annotations: BTreeMap<String, String>,
) -> Option<Vec<u8>> {
    let archive = OciLayer {
        media_type: layer_type(archive.title)?.to_owned(),
        digest: archive.digest.clone(),
        size: archive.size,
        title: archive.title.to_owned(),
    };
    let readme = readme.map(|bytes| OciLayer {
        media_type: README_TYPE.to_owned(),
        digest: Digest::sha256(bytes),
        size: bytes.len() as u64,
        title: README.to_owned(),
    });
    let layers = [archive].into_iter().chain(readme).collect();
    Some(OciManifest { layers, annotations }.to_bytes())
}
