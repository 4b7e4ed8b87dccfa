//! Writing OCI image layouts: archives that are the same bytes for the same files, and the blobs,
//! manifests and tags around them. The samples and the tests are made with it. Blocking I/O.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use crate::models::digest::Digest;
use crate::oci::models::{EMPTY, OCI_INDEX, OCI_MANIFEST};

/// Media type of an archive layer.
pub const ARCHIVE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Media type of a manifest that is an extension.
pub const EXTENSION: &str = "application/vnd.provisioning.extension.v1";

/// Packs files into a gzipped tar: sorted, owned by root, without times, scripts executable.
///
/// # Errors
/// A path that does not fit into a tar.
pub fn archive(files: &BTreeMap<String, Vec<u8>>) -> io::Result<Vec<u8>> {
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

/// One layout being written. Nothing can read it before [`LayoutWriter::finish`].
#[derive(Debug)]
pub struct LayoutWriter {
    dir: PathBuf,
    entries: Vec<Value>,
}

impl LayoutWriter {
    /// Begins a layout in this directory, making it if it is not there.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn create(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        Ok(Self { dir, entries: Vec::new() })
    }

    /// Stores bytes; answers with their descriptor.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> io::Result<Value> {
        let digest = Digest::sha256(bytes);
        fs::write(self.dir.join("blobs/sha256").join(digest.hex()), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()}))
    }

    /// Stores a file as a layer: a blob with a title.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn layer(&self, media_type: &str, title: &str, bytes: &[u8]) -> io::Result<Value> {
        let mut layer = self.blob(media_type, bytes)?;
        set(&mut layer, "annotations", json!({"org.opencontainers.image.title": title}));
        Ok(layer)
    }

    /// Stores the manifest of an extension with these layers; answers with its descriptor.
    ///
    /// # Errors
    /// The file cannot be written.
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

    /// Lets a tag name what the descriptor describes.
    pub fn tag(&mut self, tag: &str, mut descriptor: Value) {
        set(&mut descriptor, "annotations", json!({"org.opencontainers.image.ref.name": tag}));
        self.entries.push(descriptor);
    }

    /// Writes `oci-layout` and, by renaming, `index.json`: readers see the old one or the new one.
    ///
    /// # Errors
    /// A file cannot be written.
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
