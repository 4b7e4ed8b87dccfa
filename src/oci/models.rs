//! Image manifests and indexes as publishers write them: lenient, because `null`, missing and
//! unknown fields are all seen in the wild (OCI image-spec 1.1, Docker schema 2).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::oci::lenient::{is_there, list, object, present, texts, value, value_or_default};

/// Media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of Docker's manifest list.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Media type of Docker's image manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of the descriptor that stands for nothing, `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Annotations, or a config blob's labels.
pub type Annotations = BTreeMap<String, String>;

/// Reads one JSON object. An array is refused, which serde would take for a struct's fields in turn.
///
/// # Errors
/// The bytes are no JSON, no object, or a field has a shape that cannot be read.
pub fn from_object<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let object = bytes.trim_ascii_start().starts_with(b"{");
    if object {
        serde_json::from_slice(bytes)
    } else {
        Err(serde::de::Error::custom("not a JSON object"))
    }
}

/// A manifest or an index: which one, its fields decide.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Its own media type; optional in OCI.
    #[serde(default, deserialize_with = "value_or_default")]
    pub media_type: String,
    /// What the manifests of an index stand for; `null`, as zot writes an index without any, is none.
    #[serde(default, deserialize_with = "present")]
    pub manifests: Option<Vec<Descriptor>>,
    /// Metadata of its producer.
    #[serde(default, deserialize_with = "object")]
    pub config: Option<Descriptor>,
    /// The files of a manifest.
    #[serde(default, deserialize_with = "list")]
    pub layers: Vec<Descriptor>,
    /// Whether it has the files of an artifact manifest, which OCI gave up before version 1.1.
    #[serde(default, deserialize_with = "is_there")]
    pub blobs: bool,
    /// Whether it has the files of a manifest of Docker's schema 1.
    #[serde(default, deserialize_with = "is_there")]
    pub fs_layers: bool,
    /// What its publisher says of it.
    #[serde(default, deserialize_with = "texts")]
    pub annotations: Annotations,
}

impl Document {
    /// Whether it lists other documents rather than files.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), OCI_INDEX | DOCKER_INDEX) || self.manifests.is_some()
    }
}

/// A reference to content by digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default, deserialize_with = "value_or_default")]
    pub media_type: String,
    /// Its digest, unchecked.
    #[serde(default, deserialize_with = "value_or_default")]
    pub digest: String,
    /// Its length in bytes.
    #[serde(default, deserialize_with = "value_or_default")]
    pub size: u64,
    /// What its publisher says of it; on layers `title` is a file name.
    #[serde(default, deserialize_with = "texts")]
    pub annotations: Annotations,
    /// What kind of artifact it is, in an index.
    #[serde(default, deserialize_with = "value_or_default")]
    pub artifact_type: String,
    /// For which machine it is, in an index.
    #[serde(default, deserialize_with = "object")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Whether it stands for an element of a list that is no descriptor.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        *self == Self::default()
    }
}

/// For which machine an entry of an index is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// Operating system, as Go names it.
    #[serde(default, deserialize_with = "value_or_default")]
    pub os: String,
    /// Processor, as Go names it.
    #[serde(default, deserialize_with = "value_or_default")]
    pub architecture: String,
}

/// A config blob, as far as anything in it describes an extension: our own, Helm's
/// `Chart.yaml`, or an image's configuration.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ConfigBlob {
    /// What it is.
    #[serde(default, deserialize_with = "value")]
    pub description: Option<String>,
    /// Who made it.
    #[serde(default, deserialize_with = "value")]
    pub author: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "value")]
    pub created: Option<String>,
    /// SPDX expression.
    #[serde(default, deserialize_with = "value")]
    pub license: Option<String>,
    /// Words to find it by.
    #[serde(default, deserialize_with = "list")]
    pub keywords: Vec<String>,
    /// An image's inner configuration.
    #[serde(default, deserialize_with = "object")]
    pub config: Option<ImageConfig>,
}

/// The part of an image's configuration that can describe an extension.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ImageConfig {
    /// The labels, which carry the same names as annotations.
    #[serde(rename = "Labels", default, deserialize_with = "texts")]
    pub labels: Annotations,
}

#[cfg(test)]
mod tests {
    use super::*;

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
