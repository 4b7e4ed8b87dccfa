//! The files of a release, and which one of them is its archive.

use std::fmt;
use std::sync::Arc;

use crate::models::digest::Digest;

/// One file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// What the backend is asked for: the layer's digest in OCI, the attachment's uuid in Gitea.
    pub key: ArtifactKey,
    /// The name to store it under, as the publisher claims it: never a path or a header as it is.
    pub file_name: Box<str>,
    /// Length in bytes; [`Artifact::UNKNOWN_SIZE`] where the backend does not tell it.
    pub size: u64,
    /// The digest of its bytes, where the backend knows it.
    pub digest: Option<Digest>,
    /// Where the backend itself serves it; `None` for files of this machine.
    pub url: Option<Box<str>>,
}

impl Artifact {
    /// The size of a file that its backend only points at. No file is as long.
    pub const UNKNOWN_SIZE: u64 = u64::MAX;

    /// Length in bytes, where it is known.
    #[must_use]
    pub fn known_size(&self) -> Option<u64> {
        (self.size != Self::UNKNOWN_SIZE).then_some(self.size)
    }
}

/// What a backend needs to find one file of a release again. Means something to that backend alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactKey(Box<str>);

impl ArtifactKey {
    /// Wraps a backend's own identity of a file.
    #[must_use]
    pub fn new(key: impl Into<Box<str>>) -> Self {
        Self(key.into())
    }

    /// The backend's own text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which file of a release is the archive to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactChoice {
    /// This one; mostly one of the release's assets, which is then held once.
    Chosen(Arc<Artifact>),
    /// Several could be, and no rule decides: the release is listed, its download names these.
    Ambiguous(Vec<String>),
    /// Not known yet, because the release was not read: it is listed until it is.
    Unread,
    /// None: the release is not listed.
    Nothing,
}

impl ArtifactChoice {
    /// The archive, where there is exactly one.
    #[must_use]
    pub const fn chosen(&self) -> Option<&Arc<Artifact>> {
        match self {
            Self::Chosen(artifact) => Some(artifact),
            Self::Ambiguous(_) | Self::Unread | Self::Nothing => None,
        }
    }

    /// Whether the release can be listed.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

/// Most files of a release: one with more cannot be read. No tool is known to publish as many.
pub const FILES_MAX: usize = 1_000;
/// Most candidates that are named where no rule chooses one.
pub const CANDIDATES_MAX: usize = 20;

/// Endings of file names that hold an extension.
pub const ARCHIVE_ENDINGS: [&str; 9] =
    [".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar", ".zip"];

/// Whether a file of this name is an archive by its ending, without regard to case.
#[must_use]
pub fn is_archive_name(file_name: &str) -> bool {
    archive_stem(file_name).is_some()
}

/// The name less its archive ending; `None` if it is no archive.
#[must_use]
pub fn archive_stem(file_name: &str) -> Option<&str> {
    ARCHIVE_ENDINGS.iter().find_map(|ending| {
        let (stem, tail) =
            file_name.split_at_checked(file_name.len().checked_sub(ending.len())?)?;
        (tail.eq_ignore_ascii_case(ending) && !stem.is_empty()).then_some(stem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_their_ending() {
        for (name, stem) in [
            ("aws_prov.tar.gz", Some("aws_prov")),
            ("a.TGZ", Some("a")),
            ("a-1.0.zip", Some("a-1.0")),
            (".tar.gz", None),
            ("a.tar.gz.sha256", None),
            ("README.md", None),
            ("é", None),
        ] {
            assert_eq!(archive_stem(name), stem, "{name}");
        }
    }
}
