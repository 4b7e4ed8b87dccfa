//! Image layouts for tests, made with the product's own writer.

use std::path::Path;

use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_core::models::oci_manifest::{EMPTY_TYPE, EXTENSION_TYPE, MANIFEST_TYPE, TITLE};
use registry_packing::layout::LayoutWriter;
use registry_testing::registry_store::{Held, referrer_of};
use serde_json::{Value, json};

/// Media type of an archive layer.
pub const ARCHIVE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layout with any content, right or wrong.
pub struct LayoutBuilder(LayoutWriter);

impl LayoutBuilder {
    /// Begins a layout without tags, in the place of one that is there.
    pub fn create(dir: impl AsRef<Path>) -> Self {
        let mut layout = LayoutWriter::open_temporary(dir.as_ref()).unwrap();
        let tags: Vec<String> = layout.tags().map(ToOwned::to_owned).collect();
        for tag in tags {
            assert!(layout.untag(&tag));
        }
        Self(layout)
    }

    /// Stores a blob and returns its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = self.0.blob(bytes).unwrap().to_string();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Stores a layer: a blob with a title.
    pub fn layer(&self, media_type: &str, title: &str, bytes: &[u8]) -> Value {
        let mut layer = self.blob(media_type, bytes);
        layer["annotations"] = json!({TITLE: title});
        layer
    }

    /// Stores the manifest of an extension with these layers and returns its descriptor.
    pub fn extension(&self, layers: &[Value], annotations: &Value) -> Value {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": EXTENSION_TYPE,
            "config": self.blob(EMPTY_TYPE, b"{}"),
            "layers": layers,
            "annotations": annotations,
        });
        self.blob(MANIFEST_TYPE, manifest.to_string().as_bytes())
    }

    /// Adds a tag for the object of this descriptor.
    pub fn tag(&mut self, tag: &str, descriptor: Value) {
        self.0.put(descriptor, Some(tag));
    }

    /// Writes the index.
    pub fn finish(self) {
        self.0.finish().unwrap();
    }
}

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
    let mut layout = LayoutBuilder::create(&dir);
    let layer = |(kind, title, bytes): &(&str, &str, &[u8])| layout.layer(kind, title, bytes);
    let layers: Vec<Value> = files.iter().map(layer).collect();
    let manifest = layout.extension(&layers, &json!({name: text}));
    for (other, descriptor) in others.into_iter().filter(|(other, _)| other != tag) {
        layout.tag(&other, descriptor);
    }
    layout.tag(tag, manifest);
    layout.finish();
}

/// Adds a manifest that refers to another one, as a tool that signs does: without a tag.
pub fn refer(layout: &Path, subject: &Digest) -> Digest {
    let bytes = referrer_of(subject).to_string().into_bytes();
    let mut writer = LayoutWriter::open_temporary(layout).unwrap();
    let digest = writer.manifest(&bytes, None).unwrap();
    writer.finish().unwrap();
    digest
}

/// Makes a layout without tags.
pub fn empty(dir: &Path) {
    LayoutBuilder::create(dir).finish();
}

/// Writes what a registry holds of one repository as a layout.
pub(crate) fn of_held(dir: &Path, held: &Held) {
    let mut layout = LayoutBuilder::create(dir);
    for bytes in held.blobs.values() {
        layout.blob("", bytes);
    }
    for (tag, digest) in &held.tags {
        let size = held.blobs[digest].len();
        let descriptor = json!({
            "mediaType": held.manifests[digest], "digest": digest, "size": size,
        });
        layout.tag(tag, descriptor);
    }
    layout.finish();
}

/// Writes something else in place of a layout's index.
pub(crate) fn write_index(dir: &Path, text: &str) {
    std::fs::write(dir.join("index.json"), text).unwrap();
}
