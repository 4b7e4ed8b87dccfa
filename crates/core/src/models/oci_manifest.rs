//! The canonical OCI manifest of an extension: equal input makes equal bytes, on every machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::models::artifact::archive_ending;
use crate::models::digest::Digest;

/// Media type of an image manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an image index.
pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// Media types of manifests and indexes, Docker's included, as the value of `Accept`: a registry hides
/// those that are not accepted.
pub const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";
/// Artifact type of a manifest that is an extension.
pub const EXTENSION_TYPE: &str = "application/vnd.provisioning.extension.v1";
/// Media type of the empty configuration.
pub const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// Content of the empty configuration.
pub const EMPTY_CONFIG: &[u8] = b"{}";
/// Media type of a README.
pub const README_TYPE: &str = "text/markdown";
/// Annotation of a layer: the name of the file.
pub const TITLE: &str = "org.opencontainers.image.title";
/// Annotation of a descriptor in a layout: the tag.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation of a manifest: the version.
pub const VERSION: &str = "org.opencontainers.image.version";

/// A manifest with the empty configuration, the artifact type of an extension, and titled layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciManifest {
    /// The archive, then other files.
    pub layers: Vec<OciLayer>,
    /// Annotations, written in the order of their keys.
    pub annotations: BTreeMap<String, String>,
}

/// One file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciLayer {
    /// Media type; [`layer_type`] of an archive.
    pub media_type: String,
    /// Digest of the file.
    pub digest: Digest,
    /// Length of the file in bytes.
    pub size: u64,
    /// Name of the file. Untrusted if the manifest was parsed: never used as a path.
    pub title: String,
}

/// Returns the media type of the layer for an archive of this name; `None` if it is no archive.
#[must_use]
pub fn layer_type(file_name: &str) -> Option<&'static str> {
    Some(match archive_ending(file_name)? {
        ".tar.gz" | ".tgz" => "application/vnd.oci.image.layer.v1.tar+gzip",
        ".tar.zst" => "application/vnd.oci.image.layer.v1.tar+zstd",
        ".tar" => "application/vnd.oci.image.layer.v1.tar",
        ".zip" => "application/zip",
        ".tar.xz" | ".txz" => "application/x-xz",
        ".tar.bz2" | ".tbz2" => "application/x-bzip2",
        _ => return None,
    })
}

impl OciManifest {
    /// Writes the canonical form: keys in a fixed order, no spaces, UTF-8, annotations sorted. A
    /// change of these bytes changes the digest under pins, so it needs a new artifact type.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let empty = ManifestDescriptor {
            media_type: EMPTY_TYPE.to_owned(),
            digest: Digest::sha256(EMPTY_CONFIG).to_string(),
            size: EMPTY_CONFIG.len() as u64,
            annotations: BTreeMap::new(),
        };
        let layers = self.layers.iter().map(|layer| ManifestDescriptor {
            media_type: layer.media_type.clone(),
            digest: layer.digest.to_string(),
            size: layer.size,
            annotations: BTreeMap::from([(TITLE.to_owned(), layer.title.clone())]),
        });
        let document = ManifestDocument {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            artifact_type: EXTENSION_TYPE.to_owned(),
            config: empty,
            layers: layers.collect(),
            annotations: self.annotations.clone(),
        };
        // Strings and numbers always have a JSON form.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// Parses a manifest of an extension, canonical or not.
    ///
    /// # Errors
    ///
    /// The reason, if it is no such manifest or a digest in it is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: ManifestDocument =
            serde_json::from_slice(bytes).map_err(|error| format!("is no manifest: {error}"))?;
        if document.schema_version != 2 || document.media_type != MANIFEST_TYPE {
            return Err(format!("is no {MANIFEST_TYPE}"));
        }
        if document.artifact_type != EXTENSION_TYPE {
            return Err(format!("does not have the artifact type {EXTENSION_TYPE}"));
        }
        let layers = document.layers.into_iter().map(|mut layer| {
            let digest = layer.digest.parse().map_err(|_| "has a malformed digest".to_owned())?;
            let title = layer.annotations.remove(TITLE).unwrap_or_default();
            Ok(OciLayer { media_type: layer.media_type, digest, size: layer.size, title })
        });
        let layers = layers.collect::<Result<_, String>>()?;
        Ok(Self { layers, annotations: document.annotations })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDocument {
    schema_version: u32,
    media_type: String,
    artifact_type: String,
    config: ManifestDescriptor,
    layers: Vec<ManifestDescriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDescriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> OciManifest {
        let archive = OciLayer {
            media_type: layer_type("aws-1.2.0.tar.gz").unwrap().to_owned(),
            digest: Digest::sha256(b"archive"),
            size: 7,
            title: "aws-1.2.0.tar.gz".to_owned(),
        };
        let annotations = [(VERSION, "1.2.0"), ("org.opencontainers.image.authors", "Zoë")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        OciManifest { layers: vec![archive], annotations: annotations.into() }
    }

    #[test]
    fn the_canonical_bytes_never_change() {
        let golden = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.provisioning.extension.v1","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:0eb3e36bfb24dcd9bb1d1bece1531216b59539a8fde17ee80224af0653c92aa3","size":7,"annotations":{"org.opencontainers.image.title":"aws-1.2.0.tar.gz"}}],"annotations":{"org.opencontainers.image.authors":"Zoë","org.opencontainers.image.version":"1.2.0"}}"#;
        assert_eq!(String::from_utf8(sample().to_bytes()).unwrap(), golden);
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(OciManifest::parse(&sample().to_bytes()), Ok(sample()));
    }

    #[test]
    fn other_documents_are_refused_with_the_reason() {
        let text = String::from_utf8(sample().to_bytes()).unwrap();
        for (wrong, reason) in [
            ("<html>".to_owned(), "is no manifest"),
            ("[1]".to_owned(), "is no manifest"),
            (text.replace("image.manifest", "image.index"), "is no application"),
            (text.replace("provisioning.extension", "other"), "artifact type"),
            (text.replace("sha256:", "sha256:x"), "malformed digest"),
            (text.replace("\"size\":7", "\"size\":-7"), "is no manifest"),
        ] {
            let error = OciManifest::parse(wrong.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
