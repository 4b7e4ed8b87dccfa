//! Files of a release, and the choice between them.

use std::fmt;
use std::sync::Arc;

use crate::models::digest::Digest;

/// One file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Identifies the file at the backend: the layer digest in OCI, the attachment uuid in Gitea.
    pub key: ArtifactKey,
    /// As the publisher gives it. Untrusted: never used as a path or a header without a check.
    pub file_name: Box<str>,
    /// Length in bytes; [`Artifact::UNKNOWN_SIZE`] if the backend does not report it.
    pub size: u64,
    /// Content digest, if the backend reports one.
    pub digest: Option<Digest>,
    /// URL of the file at the backend; `None` for local files.
    pub url: Option<Box<str>>,
}

impl Artifact {
    /// Size of a file whose backend only links to it. No file reaches this length.
    pub const UNKNOWN_SIZE: u64 = u64::MAX;

    /// Returns the length in bytes, or `None` for [`Artifact::UNKNOWN_SIZE`].
    #[must_use]
    pub fn known_size(&self) -> Option<u64> {
        (self.size != Self::UNKNOWN_SIZE).then_some(self.size)
    }
}

/// Backend-specific identifier of one file of a release. Opaque to every other component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactKey(Box<str>);

impl ArtifactKey {
    /// Wraps an identifier issued by a backend.
    #[must_use]
    pub fn new(key: impl Into<Box<str>>) -> Self {
        Self(key.into())
    }

    /// Returns the identifier as the backend issued it.
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

/// Result of choosing the archive of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactChoice {
    /// The archive; mostly one of the release's assets, with which it shares the allocation.
    Chosen(Arc<Artifact>),
    /// Several candidates and no rule that decides; the download reports these names.
    Ambiguous(Vec<String>),
    /// Unknown because the release was not read yet. The release is listed until it is read.
    Unread,
    /// No archive. The release is not listed.
    Nothing,
}

impl ArtifactChoice {
    /// Returns the archive if exactly one was chosen.
    #[must_use]
    pub const fn chosen(&self) -> Option<&Arc<Artifact>> {
        match self {
            Self::Chosen(artifact) => Some(artifact),
            Self::Ambiguous(_) | Self::Unread | Self::Nothing => None,
        }
    }

    /// Returns true if the release can be listed.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

/// A release with more files is unreadable; no known tool publishes as many.
pub const FILES_MAX: usize = 1_000;
/// Maximum number of candidates reported by an ambiguous choice.
pub const CANDIDATES_MAX: usize = 20;

/// File name endings of supported archives.
pub const ARCHIVE_ENDINGS: [&str; 9] =
    [".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar", ".zip"];

/// Returns true if the file name ends like an archive. Ignores case.
#[must_use]
pub fn is_archive_name(file_name: &str) -> bool {
    archive_stem(file_name).is_some()
}

/// Returns the file name without its archive ending, or `None` if it is no archive.
#[must_use]
pub fn archive_stem(file_name: &str) -> Option<&str> {
    split_archive_name(file_name).map(|(stem, _)| stem)
}

/// Returns the archive ending of a file name in lower case, or `None` if it is no archive.
#[must_use]
pub fn archive_ending(file_name: &str) -> Option<&'static str> {
    split_archive_name(file_name).map(|(_, ending)| ending)
}

fn split_archive_name(file_name: &str) -> Option<(&str, &'static str)> {
    ARCHIVE_ENDINGS.iter().find_map(|ending| {
        let (stem, tail) =
            file_name.split_at_checked(file_name.len().checked_sub(ending.len())?)?;
        // A file named just `.tar.gz` has no stem, so it is not an archive.
        (tail.eq_ignore_ascii_case(ending) && !stem.is_empty()).then_some((stem, *ending))
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
