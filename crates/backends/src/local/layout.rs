//! Reads OCI image layouts (image-spec, image-layout) below one directory and never outside.
//!
//! Every path is resolved beneath the directory by the kernel (`openat2`, through `cap-std`), so
//! that neither a link nor a hostile digest leads outside. Blocking I/O.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};

use cap_std::fs::{Dir, MetadataExt as _};
use jiff::{SignedDuration, Timestamp};
use registry_core::error::{Error, Result};
use registry_core::files;
use registry_core::models::digest::Digest;

use crate::oci::artifact::MANIFEST_MAX;
use crate::oci::models::{Descriptor, Document};
use crate::oci::object::from_object;

/// Maximum size of an `index.json`, in bytes: about forty thousand tags.
const INDEX_MAX: u64 = 16 * 1024 * 1024;
/// Age below which a file may change again without a visible change of the time stamp.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// One image layout. Paths start at the common root, so that links may share blobs.
#[derive(Debug)]
pub struct Layout {
    dir: Dir,
    name: String,
}

/// Metadata of an `index.json` at the time of reading; equal stamps mean an unchanged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexStamp {
    modified: Timestamp,
    length: u64,
    inode: u64,
}

impl IndexStamp {
    /// Returns true if the file is old enough for equal stamps to be conclusive.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp) -> bool {
        now.duration_since(self.modified) > SETTLED_AFTER
    }
}

impl Layout {
    pub(super) fn new(dir: Dir, name: &str) -> Self {
        Self { dir, name: name.to_owned() }
    }

    /// Returns the current stamp of `index.json`. Fails if the file is not accessible.
    pub fn stamp(&self) -> Result<IndexStamp> {
        self.read_stamp().map_err(|error| unreadable("index.json", error))
    }

    fn read_stamp(&self) -> io::Result<IndexStamp> {
        let metadata = self.dir.metadata(self.at("index.json"))?;
        let modified = metadata.modified()?.into_std();
        let modified = Timestamp::try_from(modified).map_err(io::Error::other)?;
        Ok(IndexStamp { modified, length: metadata.len(), inode: metadata.ino() })
    }

    /// Reads `index.json`.
    ///
    /// # Errors
    /// The layout's version is not 1.x, or the file is missing, too large, truncated or no index.
    pub fn index(&self) -> Result<Document> {
        let marker: LayoutMarker = self.json("oci-layout", 4096)?;
        if !marker.image_layout_version.starts_with("1.") {
            return Err(Error::faulty(format!(
                "oci-layout has version {:?}, not 1.x",
                marker.image_layout_version
            )));
        }
        let index: Document = self.json("index.json", INDEX_MAX)?;
        // `manifests` is required: an object without it may be any JSON, and taken as an empty
        // index it would remove every release.
        match index.manifests {
            Some(_) => Ok(index),
            None => Err(Error::faulty("index.json has no manifests")),
        }
    }

    /// Reads and verifies a manifest or an index. Fails if it is missing, too large or different.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        let bytes = self.blob_bytes(descriptor, MANIFEST_MAX)?;
        from_object(&bytes).map_err(|error| {
            Error::faulty(format!("blob {} is not a manifest", descriptor.digest)).because(error)
        })
    }

    /// Reads and verifies a small blob. Fails if it is missing, different, or beyond `max` bytes.
    pub fn blob_bytes(&self, descriptor: &Descriptor, max: u64) -> Result<Vec<u8>> {
        let digest = parse_digest(descriptor)?;
        let (file, length) = self.blob(&digest)?;
        // Compared before the read: a truncated upload is then reported by its length, not by a
        // wrong digest.
        check_length(&digest, descriptor.size, length)?;
        let bytes = files::read(file, max).map_err(|error| {
            Error::faulty(format!("blob {digest} cannot be read")).because(error)
        })?;
        if digest.matches(&bytes) {
            Ok(bytes)
        } else {
            Err(Error::faulty(format!("blob {digest} has another digest")))
        }
    }

    /// Reads up to `max` first bytes of a blob without verification. Fails if it is missing.
    pub fn head_of(&self, descriptor: &Descriptor, max: u64) -> Result<Vec<u8>> {
        let digest = parse_digest(descriptor)?;
        let mut head = Vec::new();
        let (file, _) = self.blob(&digest)?;
        file.take(max).read_to_end(&mut head).map_err(|error| {
            Error::faulty(format!("blob {digest} cannot be read")).because(error)
        })?;
        Ok(head)
    }

    /// Checks that a blob exists and has `size` bytes, without reading it.
    pub fn check_blob(&self, digest: &Digest, size: u64) -> Result<()> {
        let (_, length) = self.blob(digest)?;
        check_length(digest, size, length)
    }

    /// Returns true if there is no file for this digest, not even a link.
    #[must_use]
    pub fn lacks(&self, digest: &Digest) -> bool {
        let found = self.dir.symlink_metadata(self.path_of(digest));
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Opens a blob and returns its length in bytes. Fails for a link that leads outside.
    pub fn blob(&self, digest: &Digest) -> Result<(File, u64)> {
        self.file(&self.path_of(digest)).map(|(file, found)| (file, found.len())).map_err(|error| {
            let what = match error.kind() {
                io::ErrorKind::NotFound => "is missing",
                _ => "cannot be opened within the directory of extensions",
            };
            Error::faulty(format!("blob {digest} {what}")).because(error)
        })
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str, max: u64) -> Result<T> {
        let bytes = self.file(&self.at(name)).and_then(|(file, _)| files::read(file, max));
        bytes.and_then(|bytes| Ok(from_object(&bytes)?)).map_err(|error| unreadable(name, error))
    }

    fn file(&self, path: &str) -> io::Result<(File, Metadata)> {
        files::within(&self.dir, path)
    }

    fn path_of(&self, digest: &Digest) -> String {
        self.at(&format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex()))
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }
}

fn unreadable(name: &str, error: io::Error) -> Error {
    let faulty = Error::faulty(format!("{name} cannot be read"));
    match error.kind() {
        io::ErrorKind::NotFound => {
            faulty.because("it is missing, so the directory is not an image layout")
        }
        _ => faulty.because(error),
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutMarker {
    image_layout_version: String,
}

pub(super) fn parse_digest(descriptor: &Descriptor) -> Result<Digest> {
    descriptor
        .digest
        .parse()
        .map_err(|error| Error::faulty("a descriptor has no digest").because(error))
}

fn check_length(digest: &Digest, announced: u64, found: u64) -> Result<()> {
    if announced == found {
        Ok(())
    } else {
        Err(Error::faulty(format!("blob {digest} has {found} bytes instead of {announced}")))
    }
}
