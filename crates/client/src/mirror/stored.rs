//! Layouts of a mirror, as they are on the disk. Reads only.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::REF_NAME;
use serde::Deserialize;

use crate::failure::{ClientFailure, FailureKind, Result};

/// Longest index or manifest that is read, in bytes.
const DOCUMENT_MAX: u64 = 32 << 20;

/// A descriptor of an index or manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredDescriptor {
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

/// An index or a manifest: what it refers to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredDocument {
    #[serde(default)]
    pub(crate) manifests: Vec<StoredDescriptor>,
    #[serde(default)]
    pub(crate) config: Option<StoredDescriptor>,
    #[serde(default)]
    pub(crate) layers: Vec<StoredDescriptor>,
}

impl StoredDescriptor {
    /// Parses the digest. A malformed one is a failure of integrity.
    pub(crate) fn parsed_digest(&self) -> Result<Digest> {
        self.digest.parse().map_err(|_| {
            let message = format!("{:?} is no digest", self.digest);
            ClientFailure::new(FailureKind::Integrity, message)
        })
    }

    /// Returns the tag.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.annotations.as_ref()?.get(REF_NAME).map(String::as_str)
    }
}

impl StoredDocument {
    /// Returns the files of a manifest, the configuration first.
    pub(crate) fn files(&self) -> impl Iterator<Item = &StoredDescriptor> {
        self.config.iter().chain(&self.layers)
    }
}

/// An image layout on the disk.
#[derive(Clone, Debug)]
pub(crate) struct StoredLayout {
    directory: PathBuf,
    index: StoredDocument,
}

impl StoredLayout {
    /// Reads the layout of a directory; `None` if it is missing.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join("index.json");
        match read(&path) {
            Ok(bytes) => {
                let index = parse(&bytes).map_err(|reason| faulty(&path, &reason))?;
                Ok(Some(Self { directory: directory.to_owned(), index }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unread(&path, &error)),
        }
    }

    /// Returns everything that the layout has at its root: versions, and what refers to them.
    pub(crate) fn roots(&self) -> &[StoredDescriptor] {
        &self.index.manifests
    }

    /// Returns the tags.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.roots().iter().filter_map(StoredDescriptor::tag)
    }

    /// Returns the files of a tag if all are there with their sizes. Contents are not hashed.
    pub(crate) fn complete(&self, tag: &str) -> Option<CompleteVersion> {
        let root = self.roots().iter().find(|root| root.tag() == Some(tag))?;
        let document = self.document(root).ok()?;
        let mut files = Vec::new();
        let mut pending = vec![document];
        while let Some(document) = pending.pop() {
            for file in document.files() {
                let length = std::fs::metadata(self.path_of(file)?).ok()?.len();
                files.push(file.digest.parse().ok().filter(|_| length == file.size)?);
            }
            for child in &document.manifests {
                pending.push(self.document(child).ok()?);
            }
        }
        Some(CompleteVersion { manifest: root.digest.parse().ok()?, files })
    }

    /// Reads an index or a manifest.
    pub(crate) fn document(&self, descriptor: &StoredDescriptor) -> Result<StoredDocument> {
        let path = self.path_of(descriptor).ok_or_else(|| {
            faulty(&self.directory, &format!("{:?} is no digest", descriptor.digest))
        })?;
        let bytes = read(&path).map_err(|error| unread(&path, &error))?;
        parse(&bytes).map_err(|reason| faulty(&path, &reason))
    }

    /// Returns the place of a blob; `None` if the digest is malformed.
    pub(crate) fn path_of(&self, descriptor: &StoredDescriptor) -> Option<PathBuf> {
        Some(blob_path(&self.directory, &descriptor.digest.parse().ok()?))
    }
}

/// A version whose files are all there.
#[derive(Clone, Debug)]
pub(crate) struct CompleteVersion {
    /// Digest of the manifest or index.
    pub(crate) manifest: Digest,
    /// Digests of all files.
    pub(crate) files: Vec<Digest>,
}

/// Returns the place of a blob in a layout.
pub(crate) fn blob_path(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
}

/// Describes a file that is missing or cannot be read.
pub(crate) fn unread(path: &Path, error: &io::Error) -> ClientFailure {
    let place = path.display();
    if error.kind() == io::ErrorKind::NotFound {
        return ClientFailure::new(FailureKind::NotFound, format!("{place} is missing"));
    }
    ClientFailure::failed(format!("{place} cannot be read: {error}"))
}

fn faulty(path: &Path, reason: &str) -> ClientFailure {
    let message = format!("{} is no part of an image layout: {reason}", path.display());
    ClientFailure::new(FailureKind::Integrity, message)
        .hint("remove the layout's directory, and mirror it again")
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(DOCUMENT_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DOCUMENT_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<StoredDocument, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}
