//! A version as it is published: the same archive, README and manifest at every kind of target.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::{Tag, TagStyle};
use registry_core::models::version::Version;
use registry_packing::{ArchiveLayer, manifest_of};

use crate::failure::{ClientFailure, Result};

/// A version to publish.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) id: ExtensionId,
    /// Tag as the publisher spells it: the version, or a word such as `nightly`.
    pub(crate) tag: Tag,
    /// The version; `None` for a tag that is not a version.
    pub(crate) version: Option<Version>,
    pub(crate) archive: ArchiveFile,
    /// Content of the README, if the archive has one at its root.
    pub(crate) readme: Option<Vec<u8>>,
    /// Canonical manifest of the archive and the README, with the annotations.
    pub(crate) manifest: Vec<u8>,
    /// Notes in Markdown; empty without any.
    pub(crate) notes: String,
}

/// An archive on the disk.
#[derive(Clone, Debug)]
pub(crate) struct ArchiveFile {
    /// Open for reading. Readers use positions of their own.
    pub(crate) file: Arc<File>,
    /// Name in manifests, such as `aws-1.2.0.tar.gz`.
    pub(crate) title: String,
    pub(crate) digest: Digest,
    /// Length in bytes.
    pub(crate) size: u64,
}

impl Publication {
    /// Makes the manifest of a version. Fails if the name of the archive is not that of one.
    pub(crate) fn new(
        id: ExtensionId,
        tag: Tag,
        archive: ArchiveFile,
        readme: Option<Vec<u8>>,
        annotations: BTreeMap<String, String>,
        notes: String,
    ) -> Result<Self> {
        let ArchiveFile { title, digest, size, .. } = &archive;
        let layer = ArchiveLayer { title, digest, size: *size };
        let manifest = manifest_of(layer, readme.as_deref(), annotations).ok_or_else(|| {
            ClientFailure::usage(format!("{title} is not the name of an archive"))
        })?;
        let version = tag.version(TagStyle::Plain);
        Ok(Self { id, tag, version, archive, readme, manifest, notes })
    }

    /// Returns the digest of the manifest.
    pub(crate) fn manifest_digest(&self) -> Digest {
        Digest::sha256(&self.manifest)
    }

    /// Returns true if a manifest, canonical or not, has the same archive.
    pub(crate) fn has_archive_of(&self, manifest: &[u8]) -> bool {
        let digest = self.archive.digest.to_string();
        serde_json::from_slice::<serde_json::Value>(manifest).is_ok_and(|manifest| {
            let layers = manifest.get("layers").and_then(serde_json::Value::as_array);
            layers.into_iter().flatten().any(|layer| {
                layer.get("digest").and_then(serde_json::Value::as_str) == Some(&*digest)
            })
        })
    }

    /// Returns true for a version before a release, and for a tag that is no version.
    pub(crate) fn is_prerelease(&self) -> bool {
        self.version.as_ref().is_none_or(Version::is_prerelease)
    }

    /// Returns the tag at registries and in layouts, which cannot contain `+`. Fails for a tag
    /// outside their grammar.
    pub(crate) fn oci_tag(&self) -> Result<String> {
        let tag = self.tag.as_str().replacen('+', "_", 1);
        let is_valid = tag.len() <= 128
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if is_valid {
            return Ok(tag);
        }
        let message = format!(
            "{} cannot be a tag of a registry or a layout: they have at most 128 of A-Z a-z 0-9 . _ -",
            self.tag
        );
        Err(ClientFailure::usage(message))
    }
}
