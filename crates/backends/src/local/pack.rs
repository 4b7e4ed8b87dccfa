//! Writes OCI image layouts: reproducible archives with their blobs, manifests and tags. Used for
//! the samples and in tests. Blocking I/O.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use registry_core::models::digest::Digest;
use serde_json::{Value, json};

use crate::oci::models::{EMPTY, OCI_INDEX, OCI_MANIFEST};

/// Media type of an archive layer.
pub const ARCHIVE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Artifact type of a manifest that is an extension.
pub const EXTENSION: &str = "application/vnd.provisioning.extension.v1";

/// Packs files into a gzipped tar: sorted, owned by root, without times, scripts executable.
/// Fails if a path does not fit into a tar header.
pub fn archive(files: &BTreeMap<String, Vec<u8>>) -> io::Result<Vec<u8>> {
    // A time stamp would give equal content another digest in every build.
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let mut tar = tar::Builder::new(gzip);
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(if bytes.starts_with(b"#!") { 0o755 } else { 0o644 });
        tar.append_data(&mut header, path, bytes.as_slice())?;
    }
    tar.into_inner()?.finish()
}

/// A layout under construction. Not readable before [`LayoutWriter::finish`].
#[derive(Debug)]
pub struct LayoutWriter {
    dir: PathBuf,
    entries: Vec<Value>,
}

impl LayoutWriter {
    /// Creates a layout and its directory if necessary.
    pub fn create(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        Ok(Self { dir, entries: Vec::new() })
    }

    /// Stores a blob and returns its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> io::Result<Value> {
        let digest = Digest::sha256(bytes);
        fs::write(self.dir.join("blobs/sha256").join(digest.hex()), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()}))
    }

    /// Stores a layer: a blob with a title.
    pub fn layer(&self, media_type: &str, title: &str, bytes: &[u8]) -> io::Result<Value> {
        let mut layer = self.blob(media_type, bytes)?;
        set(&mut layer, "annotations", json!({"org.opencontainers.image.title": title}));
        Ok(layer)
    }

    /// Stores the manifest of an extension with these layers and returns its descriptor.
    pub fn extension(&self, layers: &[Value], annotations: &Value) -> io::Result<Value> {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": EXTENSION,
            "config": self.blob(EMPTY, b"{}")?,
            "layers": layers,
            "annotations": annotations,
        });
        self.blob(OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    /// Adds a tag for the object of this descriptor.
    pub fn tag(&mut self, tag: &str, mut descriptor: Value) {
        set(&mut descriptor, "annotations", json!({"org.opencontainers.image.ref.name": tag}));
        self.entries.push(descriptor);
    }

    /// Writes `oci-layout`, and replaces `index.json` atomically: readers see the old or new one.
    pub fn finish(self) -> io::Result<()> {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.entries});
        fs::write(self.dir.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        replace(&self.dir.join("index.json"), index.to_string().as_bytes())
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    // In the same directory, because a rename between file systems is not atomic.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_files_make_equal_bytes() {
        let files: BTreeMap<String, Vec<u8>> = [("b.sh", "#!/bin/sh\n"), ("a/x.toml", "x = 1\n")]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        let packed = archive(&files).unwrap();
        assert_eq!(packed, archive(&files).unwrap());
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let entries: Vec<(String, u32)> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                (path, entry.header().mode().unwrap())
            })
            .collect();
        assert_eq!(entries, [("a/x.toml".to_owned(), 0o644), ("b.sh".to_owned(), 0o755)]);
    }
}
