//! Image manifests and indexes (OCI image-spec 1.1, Docker schema 2). They are lenient, because
//! publishers write `null`, omit fields and add unknown ones.

use std::collections::BTreeMap;

use serde::Deserialize;

pub use registry_core::models::oci_manifest::{
    EMPTY_TYPE as EMPTY, INDEX_TYPE as OCI_INDEX, MANIFEST_TYPE as OCI_MANIFEST,
};

use crate::oci::lenient::{is_there, list, object, present, texts, value, value_or_default};

/// Media type of Docker's manifest list.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Media type of Docker's image manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Annotations, or labels of a config blob.
pub type Annotations = BTreeMap<String, String>;

/// A manifest or an index. The fields decide which.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Media type of the document; optional in OCI.
    #[serde(default, deserialize_with = "value_or_default")]
    pub media_type: String,
    /// Artifact type; optional.
    #[serde(default, deserialize_with = "value_or_default")]
    pub artifact_type: String,
    /// Manifest that this one refers to, such as the signed one.
    #[serde(default, deserialize_with = "object")]
    pub subject: Option<Box<Descriptor>>,
    /// Entries of an index. `null`, which zot writes for an empty index, becomes an empty list.
    #[serde(default, deserialize_with = "present")]
    pub manifests: Option<Vec<Descriptor>>,
    /// Config blob with metadata of the producer.
    #[serde(default, deserialize_with = "object")]
    pub config: Option<Descriptor>,
    /// Files of a manifest.
    #[serde(default, deserialize_with = "list")]
    pub layers: Vec<Descriptor>,
    /// True for an artifact manifest, a format that OCI dropped before version 1.1.
    #[serde(default, deserialize_with = "is_there")]
    pub blobs: bool,
    /// True if the document has the field of a Docker schema 1 manifest.
    #[serde(default, deserialize_with = "is_there")]
    pub fs_layers: bool,
    /// Annotations of the publisher.
    #[serde(default, deserialize_with = "texts")]
    pub annotations: Annotations,
}

impl Document {
    /// Returns true if the document lists other documents instead of files.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), OCI_INDEX | DOCKER_INDEX) || self.manifests.is_some()
    }

    /// Returns the approximate size in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let single = self.config.iter().chain(self.subject.as_deref());
        let entries = self.manifests.iter().flatten().chain(single).chain(&self.layers);
        let entries: usize = entries.map(Descriptor::weight).sum();
        let texts = self.media_type.len() + self.artifact_type.len();
        texts + entries + weight_of(&self.annotations)
    }
}

/// Reference to content by digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    #[serde(default, deserialize_with = "value_or_default")]
    pub media_type: String,
    /// Digest of the content, not validated.
    #[serde(default, deserialize_with = "value_or_default")]
    pub digest: String,
    /// Length of the content, in bytes.
    #[serde(default, deserialize_with = "value_or_default")]
    pub size: u64,
    /// Annotations of the publisher. On layers, `title` is a file name.
    #[serde(default, deserialize_with = "texts")]
    pub annotations: Annotations,
    /// Artifact type, in an index.
    #[serde(default, deserialize_with = "value_or_default")]
    pub artifact_type: String,
    /// Target platform, in an index.
    #[serde(default, deserialize_with = "object")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Returns true if the element of a list was not a descriptor.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the approximate size in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let platform = self.platform.as_ref();
        let platform = platform.map_or(0, |one| one.os.len() + one.architecture.len());
        let texts = self.media_type.len() + self.digest.len() + self.artifact_type.len();
        size_of::<Self>() + texts + platform + weight_of(&self.annotations)
    }
}

fn weight_of(annotations: &Annotations) -> usize {
    let texts = annotations.iter().map(|(key, value)| key.len() + value.len());
    texts.sum::<usize>() + annotations.len() * 2 * size_of::<String>()
}

/// Target platform of an index entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// Operating system, in Go's naming.
    #[serde(default, deserialize_with = "value_or_default")]
    pub os: String,
    /// Processor architecture, in Go's naming.
    #[serde(default, deserialize_with = "value_or_default")]
    pub architecture: String,
}

/// Descriptive fields of a config blob: our own, Helm's `Chart.yaml`, or an image configuration.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ConfigBlob {
    /// Short description.
    #[serde(default, deserialize_with = "value")]
    pub description: Option<String>,
    /// Author.
    #[serde(default, deserialize_with = "value")]
    pub author: Option<String>,
    /// Creation time.
    #[serde(default, deserialize_with = "value")]
    pub created: Option<String>,
    /// License as an SPDX expression.
    #[serde(default, deserialize_with = "value")]
    pub license: Option<String>,
    /// Search keywords.
    #[serde(default, deserialize_with = "list")]
    pub keywords: Vec<String>,
    /// Inner configuration of an image.
    #[serde(default, deserialize_with = "object")]
    pub config: Option<ImageConfig>,
}

/// Descriptive part of an image configuration.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ImageConfig {
    /// Labels, which use the same names as annotations.
    #[serde(rename = "Labels", default, deserialize_with = "texts")]
    pub labels: Annotations,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::object::from_object;

    #[test]
    fn null_missing_and_unknown_fields_are_read() {
        let text = r#"{"schemaVersion":2,"layers":null,"annotations":null,"config":null,"x":[1]}"#;
        let manifest: Document = from_object(text.as_bytes()).unwrap();
        assert!(!manifest.is_index() && manifest.layers.is_empty());
        let index: Document = serde_json::from_str(r#"{"manifests":[{"digest":null}]}"#).unwrap();
        assert!(index.is_index());
        let empty: Document = serde_json::from_str(r#"{"manifests":null}"#).unwrap();
        assert!(empty.is_index() && empty.manifests.unwrap().is_empty());
    }

    #[test]
    fn config_blobs_of_any_shape_are_read() {
        let text = r#"{"description":"d","author":{"name":"n"},"keywords":"k","config":{"Labels":{"a":"b"}}}"#;
        let config: ConfigBlob = serde_json::from_str(text).unwrap();
        assert_eq!(config.description.as_deref(), Some("d"));
        assert_eq!((config.author, config.keywords), (None, Vec::new()));
        assert_eq!(config.config.unwrap().labels.len(), 1);
        assert!(from_object::<ConfigBlob>(b"[1]").is_err());
        assert!(from_object::<ConfigBlob>(b" {").is_err());
    }
}
