//! A manifest in memory, and the objects that it names.

use axum::http::HeaderValue;
use bytes::Bytes;
use registry_core::backend::oci_content::StoredManifest;
use registry_core::models::artifact::ARCHIVE_ENDINGS;
use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::{MANIFEST_TYPE, TITLE, layer_type};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A manifest or an index.
#[derive(Clone, Debug)]
pub struct PullManifest {
    /// The bytes.
    pub bytes: Bytes,
    /// Media type.
    pub media_type: HeaderValue,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Configuration, layers and manifests that it names; those without a valid digest are left out.
    pub parts: Box<[ManifestPart]>,
}

/// An object that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPart {
    /// Media type.
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// Name of the file. Untrusted: never used as a path.
    pub title: Option<String>,
}

/// The members of manifests and indexes that name objects. Unknown and malformed ones are ignored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PassedDocument {
    config: Value,
    layers: Vec<Value>,
    blobs: Vec<Value>,
    manifests: Vec<Value>,
}

impl From<StoredManifest> for PullManifest {
    fn from(stored: StoredManifest) -> Self {
        let media_type = HeaderValue::from_str(&stored.media_type);
        Self {
            media_type: media_type.unwrap_or(HeaderValue::from_static(MANIFEST_TYPE)),
            parts: parts(&stored.bytes),
            bytes: stored.bytes,
            digest: stored.digest,
        }
    }
}

impl PullManifest {
    /// Returns the manifest with these bytes, which names this archive.
    #[must_use]
    pub fn made(bytes: Vec<u8>, archive: ManifestPart) -> Self {
        let digest = Digest::sha256(&bytes);
        let media_type = HeaderValue::from_static(MANIFEST_TYPE);
        Self { parts: [archive].into(), bytes: bytes.into(), media_type, digest }
    }

    /// Returns the named object with this digest.
    #[must_use]
    pub fn part(&self, digest: &Digest) -> Option<&ManifestPart> {
        self.parts.iter().find(|part| part.digest == *digest)
    }

    /// Returns the approximate memory use in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let of_parts = |part: &ManifestPart| 160 + part.title.as_ref().map_or(0, String::len);
        self.bytes.len() + self.parts.iter().map(of_parts).sum::<usize>() + size_of::<Self>()
    }
}

impl ManifestPart {
    /// Returns true if the media type is that of an archive.
    #[must_use]
    pub fn is_archive(&self) -> bool {
        ARCHIVE_ENDINGS.iter().any(|ending| {
            let media_type = layer_type(&format!("x{ending}"));
            media_type.is_some_and(|media_type| media_type == self.media_type)
        })
    }
}

fn parts(bytes: &[u8]) -> Box<[ManifestPart]> {
    let PassedDocument { config, layers, blobs, manifests } =
        serde_json::from_slice(bytes).unwrap_or_default();
    let named = [config].into_iter().chain(layers).chain(blobs).chain(manifests);
    named.filter_map(|value| part(value.as_object()?)).collect()
}

fn part(descriptor: &Map<String, Value>) -> Option<ManifestPart> {
    let title = descriptor.get("annotations").and_then(|annotations| annotations.get(TITLE));
    let media_type = descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    Some(ManifestPart {
        media_type: media_type.to_owned(),
        digest: descriptor.get("digest")?.as_str()?.parse().ok()?,
        size: descriptor.get("size")?.as_u64()?,
        title: title.and_then(Value::as_str).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> PullManifest {
        let (bytes, digest) = (Bytes::copy_from_slice(text.as_bytes()), Digest::sha256(b""));
        PullManifest::from(StoredManifest { bytes, media_type: "a/b\n".to_owned(), digest })
    }

    #[test]
    fn parts_are_what_manifests_and_indexes_name() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Digest::sha256(bytes));
        let text = format!(
            r#"{{"config":{{"digest":"{a}","size":1}},"layers":[{{"digest":"{b}","size":2,
            "annotations":{{"{TITLE}":"../x"}}}},{{"digest":"md5:0","size":1}},7],
            "manifests":[{{"digest":"{c}","size":3}}],"other":[]}}"#
        );
        let manifest = stored(&text);
        let sizes: Vec<u64> = manifest.parts.iter().map(|part| part.size).collect();
        assert_eq!(sizes, [1, 2, 3]);
        assert_eq!(manifest.media_type, MANIFEST_TYPE, "the given one is not valid in a header");
        assert_eq!(manifest.part(&b).unwrap().title.as_deref(), Some("../x"));
        for other in ["", "[]", "null", "{\"layers\":{}}", "<html>"] {
            assert!(stored(other).parts.is_empty(), "{other}");
        }
    }
}
