//! Image layouts for tests, made with the product's own packer.

use std::path::Path;

use registry_backends::local::pack::{ARCHIVE, LayoutWriter};
use registry_backends::oci::models::OCI_MANIFEST;
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_testing::registry_store::{Held, referrer_of};
use serde_json::{Value, json};

/// The tagged descriptors of a layout's index.
fn tagged(layout: &Path) -> Vec<(String, Value)> {
    let Ok(text) = std::fs::read_to_string(layout.join("index.json")) else { return Vec::new() };
    let index: Value = serde_json::from_str(&text).unwrap();
    let entries = index["manifests"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let tag = &entry["annotations"]["org.opencontainers.image.ref.name"];
            (tag.as_str().unwrap().to_owned(), entry.clone())
        })
        .collect()
}

/// Publishes a release of one archive, as a publisher's tool would: other tags stay.
pub fn publish(root: &Path, id: &ExtensionId, tag: &str, description: &str, archive: &[u8]) {
    let described = ("org.opencontainers.image.description", description);
    publish_with(root, id, tag, described, &[(ARCHIVE, "archive.tar.gz", archive)]);
}

/// Publishes a release of some archive, with this annotation.
pub fn publish_annotated(root: &Path, id: &ExtensionId, tag: &str, annotation: (&str, &str)) {
    publish_with(root, id, tag, annotation, &[(ARCHIVE, "archive.tar.gz", b"archive")]);
}

/// Publishes a release of some archive and this README.
pub fn publish_readme(root: &Path, id: &ExtensionId, tag: &str, readme: &str) {
    let archive: (&str, &str, &[u8]) = (ARCHIVE, "archive.tar.gz", b"archive");
    let readme = ("text/markdown", "README.md", readme.as_bytes());
    let described = ("org.opencontainers.image.description", "described");
    publish_with(root, id, tag, described, &[archive, readme]);
}

/// Publishes a release with an annotation and these files: media type, title, bytes.
pub fn publish_with(
    root: &Path,
    id: &ExtensionId,
    tag: &str,
    (name, text): (&str, &str),
    files: &[(&str, &str, &[u8])],
) {
    let dir = root.join(id.oci_repository());
    let others = tagged(&dir);
    let mut layout = LayoutWriter::create(&dir).unwrap();
    let layer = |(kind, title, bytes): &(&str, &str, &[u8])| layout.layer(kind, title, bytes);
    let layers: Vec<Value> = files.iter().map(|file| layer(file).unwrap()).collect();
    let manifest = layout.extension(&layers, &json!({name: text})).unwrap();
    for (other, descriptor) in others.into_iter().filter(|(other, _)| other != tag) {
        layout.tag(&other, descriptor);
    }
    layout.tag(tag, manifest);
    layout.finish().unwrap();
}

/// Adds a manifest that refers to another one, as a tool that signs does: without a tag.
pub fn refer(layout: &Path, subject: &Digest) -> Digest {
    let bytes = referrer_of(subject).to_string().into_bytes();
    let entry = LayoutWriter::create(layout).unwrap().blob(OCI_MANIFEST, &bytes).unwrap();
    let text = std::fs::read_to_string(layout.join("index.json")).unwrap();
    let mut index: Value = serde_json::from_str(&text).unwrap();
    index["manifests"].as_array_mut().unwrap().push(entry);
    write_index(layout, &index.to_string());
    Digest::sha256(&bytes)
}

/// Makes a layout without tags.
pub fn empty(dir: &Path) {
    LayoutWriter::create(dir).unwrap().finish().unwrap();
}

/// Writes what a registry holds of one repository as a layout.
pub(crate) fn of_held(dir: &Path, held: &Held) {
    let mut layout = LayoutWriter::create(dir).unwrap();
    for bytes in held.blobs.values() {
        layout.blob("", bytes).unwrap();
    }
    for (tag, digest) in &held.tags {
        let size = held.blobs[digest].len();
        let descriptor = json!({
            "mediaType": held.manifests[digest], "digest": digest, "size": size,
        });
        layout.tag(tag, descriptor);
    }
    layout.finish().unwrap();
}

/// Writes something else in place of a layout's index.
pub(crate) fn write_index(dir: &Path, text: &str) {
    std::fs::write(dir.join("index.json"), text).unwrap();
}
