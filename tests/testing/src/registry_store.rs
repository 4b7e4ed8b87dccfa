//! What a registry holds, in memory: repositories with tags, manifests and blobs, from the archive
//! of a real zot's storage or made up by a test.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use flate2::read::GzDecoder;
use registry_core::models::digest::Digest;
use serde_json::{Value, json};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Everything, by the full path of the repository.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub repositories: BTreeMap<String, Held>,
}

/// One repository.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Tags and the digests they stand for, in the order of the index.
    pub tags: Vec<(String, String)>,
    /// Digests that are manifests or indexes, with their media types.
    pub manifests: BTreeMap<String, String>,
    /// Everything by digest, manifests included.
    pub blobs: BTreeMap<String, Bytes>,
}

impl Store {
    /// The storage of the zot whose exchanges were recorded.
    pub fn of_recorded_zot() -> Self {
        let archive = include_bytes!("../../../tests/fixtures/zot-storage.tar.gz");
        let mut files: BTreeMap<String, Bytes> = BTreeMap::new();
        let mut archive = tar::Archive::new(GzDecoder::new(&archive[..]));
        let plain = |path: &Path| path.to_string_lossy().trim_start_matches("./").to_owned();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = plain(&entry.path().unwrap());
            let bytes = if let Some(first) = entry.link_name().unwrap() {
                // zot keeps equal blobs once, as hard links.
                files[&plain(&first)].clone()
            } else {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                bytes.into()
            };
            files.insert(path, bytes);
        }
        let indexes = files.iter().filter_map(|(path, bytes)| {
            let repository = path.strip_suffix("/index.json")?;
            Some((repository.to_owned(), Held::of_layout(repository, bytes, &files)))
        });
        Self { repositories: indexes.collect() }
    }

    /// Pushes a manifest of one layer under a tag, and answers the manifest's digest.
    pub fn push(&mut self, repository: &str, tag: &str, archive: &[u8]) -> String {
        let layer = self.blob(repository, archive);
        self.push_manifest(repository, tag, &manifest_of(&[(layer, archive.len(), "x.tar.gz")]))
    }

    /// Pushes any manifest or index under a tag.
    pub fn push_manifest(&mut self, repository: &str, tag: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string().into_bytes();
        let media_type = manifest["mediaType"].as_str().unwrap_or(OCI_MANIFEST).to_owned();
        let digest = self.blob(repository, &bytes);
        let held = self.repositories.get_mut(repository).unwrap();
        held.manifests.insert(digest.clone(), media_type);
        held.tags.retain(|(known, _)| known != tag);
        if !tag.is_empty() {
            held.tags.push((tag.to_owned(), digest.clone()));
        }
        digest
    }

    /// Pushes a blob.
    pub fn blob(&mut self, repository: &str, bytes: &[u8]) -> String {
        let digest = Digest::sha256(bytes).to_string();
        let held = self.repositories.entry(repository.to_owned()).or_default();
        held.blobs.insert(digest.clone(), Bytes::copy_from_slice(bytes));
        digest
    }
}

impl Held {
    fn of_layout(repository: &str, index: &[u8], files: &BTreeMap<String, Bytes>) -> Self {
        let mut held = Self::default();
        let prefix = format!("{repository}/blobs/sha256/");
        for (path, bytes) in files.range(prefix.clone()..) {
            let Some(hex) = path.strip_prefix(&prefix) else { break };
            if !hex.is_empty() {
                held.blobs.insert(format!("sha256:{hex}"), bytes.clone());
            }
        }
        held.enter(&serde_json::from_slice(index).unwrap());
        held
    }

    /// Takes the entries of an index for manifests, and the entries of indexes among them.
    fn enter(&mut self, index: &Value) {
        for entry in index["manifests"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (digest, media_type) = (text(&entry["digest"]), text(&entry["mediaType"]));
            if let Some(tag) = entry["annotations"][REF_NAME].as_str() {
                self.tags.push((tag.to_owned(), digest.clone()));
            }
            if media_type == OCI_INDEX {
                self.enter(&serde_json::from_slice(&self.blobs[&digest].clone()).unwrap());
            }
            self.manifests.insert(digest, media_type);
        }
    }

    /// The media type by which the first manifest with this blob names it.
    pub fn media_type_of(&self, blob: &str) -> Option<String> {
        self.manifests.keys().find_map(|digest| {
            let manifest: Value = serde_json::from_slice(&self.blobs[digest]).unwrap();
            let layers = manifest["layers"].as_array().into_iter().flatten();
            let named =
                layers.chain([&manifest["config"]]).find(|entry| entry["digest"] == blob)?;
            Some(named["mediaType"].as_str()?.to_owned())
        })
    }

    pub fn digest_of(&self, reference: &str) -> Option<&str> {
        if let Some((digest, _)) = self.manifests.get_key_value(reference) {
            return Some(digest);
        }
        self.tags.iter().find(|(tag, _)| tag == reference).map(|(_, digest)| digest.as_str())
    }
}

/// A manifest as `oras push` makes it, with layers of digest, size and title.
pub fn manifest_of(layers: &[(String, usize, &str)]) -> Value {
    let layers: Vec<Value> = layers
        .iter()
        .map(|(digest, size, title)| {
            json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest,
                "size": size,
                "annotations": {"org.opencontainers.image.title": title},
            })
        })
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.unknown.artifact.v1",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": layers,
        "annotations": {"org.opencontainers.image.created": "2025-10-06T12:00:00Z"},
    })
}

/// A manifest that refers to the one with this digest, such as a signature does.
pub fn referrer_of(subject: &Digest) -> Value {
    let mut manifest = manifest_of(&[]);
    manifest["artifactType"] = "application/vnd.example.signature".into();
    manifest["layers"] = json!([manifest["config"]]);
    manifest["subject"] =
        json!({"mediaType": OCI_MANIFEST, "digest": subject.to_string(), "size": 1});
    manifest
}

/// One release of one archive in a store of its own.
pub fn release(name: &str, tag: &str, description: &str, archive: &[u8]) -> Store {
    release_of(name, tag, description, &[("archive.tar.gz", archive)])
}

/// One release of an archive and a README in a store of its own.
pub fn release_with_readme(name: &str, tag: &str, readme: &str) -> Store {
    let files = [("archive.tar.gz", &b"archive"[..]), ("README.md", readme.as_bytes())];
    release_of(name, tag, "described", &files)
}

fn release_of(name: &str, tag: &str, description: &str, files: &[(&str, &[u8])]) -> Store {
    let mut store = Store::default();
    store.blob(name, b"{}");
    let layers = files.iter().map(|(title, bytes)| (store.blob(name, bytes), bytes.len(), *title));
    let mut manifest = manifest_of(&layers.collect::<Vec<_>>());
    manifest["annotations"]["org.opencontainers.image.description"] = description.into();
    store.push_manifest(name, tag, &manifest);
    store
}
