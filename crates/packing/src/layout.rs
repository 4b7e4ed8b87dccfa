//! Writer of OCI image layouts (image-spec, image-layout): one at a time, while others read.
//!
//! Blobs are written first, `index.json` last, each by a temporary file and a rename. A layout that is
//! new is made beside its place and renamed with its first release. So a reader, or a writer that is
//! killed, never meets a part of a release.

mod durable;
mod index;
mod place;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::MANIFEST_TYPE;
use serde_json::Value;

pub use index::tag_of;

use crate::layout::durable::Durability;
use crate::layout::index::LayoutIndex;
use crate::layout::place::LayoutPlace;

/// File that marks a layout, and that writers lock.
const MARK: &str = "oci-layout";
const MARK_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs/sha256";

/// Returns the descriptor with this tag. `None` also if there is no directory, or an empty one.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] if the directory is no layout, and those of the disk.
pub fn tagged(directory: &Path, tag: &str) -> io::Result<Option<Value>> {
    if !place::is_layout(directory)? {
        return Ok(None);
    }
    Ok(LayoutIndex::read(&directory.join(INDEX))?.tagged(tag).cloned())
}

/// Reads a blob of at most `max` bytes. The content is not verified.
pub fn read_blob(directory: &Path, digest: &Digest, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(directory.join(BLOBS).join(digest.hex()))?;
    if file.metadata()?.len() > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a blob is too large"));
    }
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A layout that is locked for writing. Without [`LayoutWriter::finish`] it stays as it was.
#[derive(Debug)]
pub struct LayoutWriter {
    place: LayoutPlace,
    index: LayoutIndex,
    durability: Durability,
}

impl LayoutWriter {
    /// Opens the layout of a directory, or begins a new one if there is no such directory or it is
    /// empty. Waits while another writer has it. Everything is on the disk after
    /// [`LayoutWriter::finish`].
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if the directory is no layout, and those of the disk.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        Self::with(directory.into(), Durability::Synced)
    }

    /// As [`LayoutWriter::open`], for a directory that nobody needs after a crash.
    pub fn open_temporary(directory: impl Into<PathBuf>) -> io::Result<Self> {
        Self::with(directory.into(), Durability::Cached)
    }

    fn with(directory: PathBuf, durability: Durability) -> io::Result<Self> {
        let place = LayoutPlace::lock(directory)?;
        let index = LayoutIndex::read(&place.path().join(INDEX))?;
        Ok(Self { place, index, durability })
    }

    /// Returns the tags, in the order of the index.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.index.tags()
    }

    /// Returns true if the blob is there and its content has its digest.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        durable::has_digest(&self.place.path().join(BLOBS).join(digest.hex()), digest)
    }

    /// Stores a blob, unless it is there.
    pub fn blob(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::sha256(bytes);
        self.blob_from(&digest, bytes)?;
        Ok(digest)
    }

    /// Stores the blob with this digest from a reader, unless it is there.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if the content has another digest, and those of the disk.
    pub fn blob_from(&self, digest: &Digest, content: impl Read) -> io::Result<()> {
        if self.has_blob(digest) {
            return Ok(());
        }
        let path = self.place.path().join(BLOBS).join(digest.hex());
        self.durability.write_blob(&path, digest, content)
    }

    /// Stores a manifest, and tags it if a tag is given. Another manifest loses the tag.
    pub fn manifest(&mut self, bytes: &[u8], tag: Option<&str>) -> io::Result<Digest> {
        let digest = self.blob(bytes)?;
        let descriptor = serde_json::json!({
            "mediaType": MANIFEST_TYPE, "digest": digest.to_string(), "size": bytes.len(),
        });
        self.put(descriptor, tag);
        Ok(digest)
    }

    /// Adds a descriptor, with this tag if one is given. Another descriptor loses the tag.
    pub fn put(&mut self, descriptor: Value, tag: Option<&str>) {
        self.index.put(descriptor, tag);
    }

    /// Removes the descriptor with this tag. Its blobs stay. Returns false if it is missing.
    pub fn untag(&mut self, tag: &str) -> bool {
        self.index.untag(tag)
    }

    /// Makes the changes visible: readers see the layout as it was, or as it is now.
    pub fn finish(self) -> io::Result<()> {
        let path = self.place.path().join(INDEX);
        self.durability.replace(&path, &self.index.to_bytes())?;
        self.place.publish(self.durability)
    }
}

#[cfg(test)]
mod tests;
