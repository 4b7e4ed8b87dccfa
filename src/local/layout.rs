//! Reading OCI image layouts (image-spec, image-layout) below one directory and never outside it.
//!
//! Every path is opened beneath the directory by the kernel's own rule (`openat2`, through
//! `cap-std`), so that neither a link nor a hostile digest leads out of it. Blocking I/O.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};

use cap_std::fs::{Dir, MetadataExt as _};
use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result};
use crate::files;
use crate::models::digest::Digest;
use crate::models::tag::Tag;
use crate::oci::artifact::MANIFEST_MAX;
use crate::oci::models::{Descriptor, Document, from_object};

/// Largest `index.json` read, in bytes: some forty thousand tags.
const INDEX_MAX: u64 = 16 * 1024 * 1024;
/// A file changed this recently may change again without its time stamp showing it.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// One image layout. Paths go through the root, so that layouts may share blobs by links.
#[derive(Debug)]
pub struct Layout {
    dir: Dir,
    name: String,
}

/// What an `index.json` looked like when it was read; equal stamps mean an unchanged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    modified: Timestamp,
    length: u64,
    inode: u64,
}

impl Stamp {
    /// Whether the file was left alone long enough for equal stamps to be trusted.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp) -> bool {
        now.duration_since(self.modified) > SETTLED_AFTER
    }
}

impl Layout {
    /// The layout in a sub-directory of this directory, which is there.
    pub(super) fn new(dir: Dir, name: &str) -> Self {
        Self { dir, name: name.to_owned() }
    }

    /// How its `index.json` looks now.
    ///
    /// # Errors
    /// There is none, or it cannot be reached.
    pub fn stamp(&self) -> Result<Stamp> {
        let look = || -> io::Result<Stamp> {
            let metadata = self.dir.metadata(self.at("index.json"))?;
            let modified = metadata.modified()?.into_std();
            let modified = Timestamp::try_from(modified).map_err(io::Error::other)?;
            Ok(Stamp { modified, length: metadata.len(), inode: metadata.ino() })
        };
        look().map_err(|error| unreadable("index.json", error))
    }

    /// Its `index.json`.
    ///
    /// # Errors
    /// It is no layout of version 1, or the file is missing, too large, cut short or no index.
    pub fn index(&self) -> Result<Document> {
        let marker: LayoutMarker = self.json("oci-layout", 4096)?;
        if !marker.image_layout_version.starts_with("1.") {
            return Err(Error::faulty(format!(
                "oci-layout has version {:?}, not 1.x",
                marker.image_layout_version
            )));
        }
        let index: Document = self.json("index.json", INDEX_MAX)?;
        // A media type alone does not say that there is nothing.
        match index.manifests {
            Some(_) => Ok(index),
            None => Err(Error::faulty("index.json is no index: it has no manifests")),
        }
    }

    /// The manifest or index behind a descriptor, its size and digest checked.
    ///
    /// # Errors
    /// It is missing, too large, no JSON, or not what the descriptor says.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        let bytes = self.blob_bytes(descriptor, MANIFEST_MAX)?;
        from_object(&bytes).map_err(|error| {
            Error::faulty(format!("blob {} is no manifest", descriptor.digest)).because(error)
        })
    }

    /// A small blob in memory, its size and digest checked.
    ///
    /// # Errors
    /// It is missing, larger than `max` bytes, or not what the descriptor says.
    pub fn blob_bytes(&self, descriptor: &Descriptor, max: u64) -> Result<Vec<u8>> {
        let digest = parse_digest(descriptor)?;
        let (file, length) = self.blob(&digest)?;
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

    /// The first bytes of a blob, unchecked.
    ///
    /// # Errors
    /// It is missing or cannot be read.
    pub fn head_of(&self, descriptor: &Descriptor, max: u64) -> Result<Vec<u8>> {
        let digest = parse_digest(descriptor)?;
        let mut head = Vec::new();
        let (file, _) = self.blob(&digest)?;
        file.take(max).read_to_end(&mut head).map_err(|error| {
            Error::faulty(format!("blob {digest} cannot be read")).because(error)
        })?;
        Ok(head)
    }

    /// Checks that a blob is there in full, without reading it.
    ///
    /// # Errors
    /// It is missing or has another length.
    pub fn check_blob(&self, digest: &Digest, size: u64) -> Result<()> {
        let (_, length) = self.blob(digest)?;
        check_length(digest, size, length)
    }

    /// Opens a blob; its length in bytes beside it.
    ///
    /// # Errors
    /// It is missing, leads out of the directory, or is no file.
    pub fn blob(&self, digest: &Digest) -> Result<(File, u64)> {
        let path = self.at(&format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex()));
        self.file(&path).map(|(file, found)| (file, found.len())).map_err(|error| {
            let what = match error.kind() {
                io::ErrorKind::NotFound => "is missing",
                _ => "cannot be opened within the directory of extensions",
            };
            Error::faulty(format!("blob {digest} {what}")).because(error)
        })
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str, max: u64) -> Result<T> {
        let read = || -> io::Result<T> {
            let (file, _) = self.file(&self.at(name))?;
            Ok(from_object(&files::read(file, max)?)?)
        };
        read().map_err(|error| unreadable(name, error))
    }

    fn file(&self, path: &str) -> io::Result<(File, Metadata)> {
        files::within(&self.dir, path)
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }
}

/// A file that every layout has, and that this one does not show.
fn unreadable(name: &str, error: io::Error) -> Error {
    let faulty = Error::faulty(format!("{name} cannot be read"));
    match error.kind() {
        io::ErrorKind::NotFound => {
            faulty.because("it is missing, so that the directory is no image layout")
        }
        _ => faulty.because(error),
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutMarker {
    image_layout_version: String,
}

/// The tag that a `ref.name` stands for: itself, or the tag of a whole image reference
/// (`localhost:5000/ns/a:1.0.0`), which some writers put there. `None`: outside the grammar of tags.
#[must_use]
pub fn tag_of(ref_name: &str) -> Option<Tag> {
    let last_segment = ref_name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = ref_name
        .get(last_segment..)
        .and_then(|segment| segment.rsplit_once(':'))
        .map_or(ref_name, |(_, tag)| tag);
    tag.parse().ok()
}

fn parse_digest(descriptor: &Descriptor) -> Result<Digest> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_names_give_their_tag() {
        for (ref_name, tag) in [
            ("1.0.0", Some("1.0.0")),
            ("localhost:5000/ns/a:1.0.0", Some("1.0.0")),
            ("a:1.0.0", Some("1.0.0")),
            ("rel/2025", Some("rel/2025")),
            ("1.0.0+b", Some("1.0.0+b")),
            ("a@sha256:00", Some("00")),
            ("../x", None),
            ("", None),
        ] {
            assert_eq!(tag_of(ref_name), tag.map(|tag| tag.parse().unwrap()), "{ref_name}");
        }
    }
}
