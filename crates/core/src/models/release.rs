//! A release: one tag of an extension with its metadata and files.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use crate::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use crate::models::backend_id::BackendId;
use crate::models::digest::Digest;
use crate::models::tag::Tag;
use crate::models::version::Version;

/// Metadata that a publisher gives a release, cleaned of unprintable characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Short description, one sentence or a few.
    pub description: Option<Box<str>>,
    /// Author of the release.
    pub author: Option<Box<str>>,
    /// `http` or `https` URL of the source repository.
    pub repository: Option<Box<str>>,
    /// Search keywords.
    pub keywords: Box<[Box<str>]>,
    /// SPDX expression, not validated.
    pub license: Option<Box<str>>,
}

/// A version whose archive now differs from the one first downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Digest of the archive that was downloaded first.
    pub first: Digest,
    /// Size of the archive that was downloaded first, in bytes.
    pub first_size: u64,
    /// Digest of the current archive. `None` if it is not reported and was not downloaded yet.
    pub now: Option<Digest>,
    /// Size of the archive that the backend has now, in bytes.
    pub now_size: u64,
    /// True if the bytes were replaced; false if the first file remains and another is the archive.
    pub in_place: bool,
}

/// A file beside the archive that exists but cannot be used, such as a checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// The file.
    pub file: ArtifactKey,
    /// Name of the file and the reason it cannot be used.
    pub reason: Box<str>,
}

/// Version of a release, or its tag if the tag does not parse as a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseVersion {
    /// A version.
    Version(Version),
    /// An unversioned tag, such as `nightly`.
    Unversioned(Tag),
}

impl ReleaseVersion {
    /// Returns the text used in the API.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Version(version) => version.as_str(),
            Self::Unversioned(tag) => tag.as_str(),
        }
    }

    /// Returns true if both order equally, or are the same tag.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Version(mine), Self::Version(theirs)) => mine.cmp_release(theirs).is_eq(),
            (Self::Unversioned(mine), Self::Unversioned(theirs)) => mine == theirs,
            _ => false,
        }
    }
}

/// One tag of an extension and its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The backend that has it.
    pub backend: BackendId,
    /// Tag as the backend spells it.
    pub tag: Tag,
    /// Version as clients see it.
    pub version: ReleaseVersion,
    /// True if the publisher marks a pre-release, whatever the tag.
    pub marked_prerelease: bool,
    /// Publication time; `None` if the backend does not report one.
    pub published_at: Option<Timestamp>,
    /// Archive of the release.
    pub artifact: ArtifactChoice,
    /// All files, including the archive, if the backend lists them. Their names are untrusted.
    pub assets: Box<[Arc<Artifact>]>,
    /// Digest of the object that the tag points at, or of the publisher's manifest among the files.
    pub manifest_digest: Option<Digest>,
    /// Publisher's metadata. Shared, since most releases of an extension have equal metadata.
    pub about: Arc<About>,
    /// Release notes. Present only in a release that was read individually.
    pub notes: Option<Arc<str>>,
    /// Checksum that cannot be read. Present only in a release that was read individually.
    pub checksum_fault: Option<Box<FileFault>>,
    /// Manifest of the publisher that is not used. Present only in a release that was read
    /// individually.
    pub manifest_fault: Option<Box<FileFault>>,
    /// Change of the archive under its version. Set by this service; no backend reports it.
    pub change: Option<Box<Change>>,
}

impl Release {
    /// Creates a release of this tag without files or metadata.
    #[must_use]
    pub fn of_tag(backend: BackendId, tag: Tag) -> Self {
        let version = tag
            .version(backend.kind().tag_style())
            .map_or_else(|| ReleaseVersion::Unversioned(tag.clone()), ReleaseVersion::Version);
        Self {
            backend,
            tag,
            version,
            marked_prerelease: false,
            published_at: None,
            artifact: ArtifactChoice::Nothing,
            assets: Box::default(),
            manifest_digest: None,
            about: Arc::default(),
            notes: None,
            checksum_fault: None,
            manifest_fault: None,
            change: None,
        }
    }

    /// Returns true for a pre-release, by its version or by the publisher's mark.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        self.marked_prerelease
            || matches!(&self.version, ReleaseVersion::Version(version) if version.is_prerelease())
    }

    /// Order of lists: versions before unversioned tags, newest first. Total over distinct tags.
    #[must_use]
    pub fn cmp_listed(&self, other: &Self) -> Ordering {
        self.cmp_version(other).then_with(|| other.tag.cmp(&self.tag))
    }

    pub(super) fn cmp_version(&self, other: &Self) -> Ordering {
        use ReleaseVersion::{Unversioned, Version};
        match (&self.version, &other.version) {
            (Version(mine), Version(theirs)) => theirs.cmp_release(mine),
            (Version(_), Unversioned(_)) => Ordering::Less,
            (Unversioned(_), Version(_)) => Ordering::Greater,
            (Unversioned(mine), Unversioned(theirs)) => {
                other.published_at.cmp(&self.published_at).then_with(|| theirs.cmp(mine))
            }
        }
    }

    /// Sets the size of a file whose size is unknown. Returns true if it was unknown.
    pub fn learn_size(&mut self, key: &ArtifactKey, size: u64) -> bool {
        let archive = match &mut self.artifact {
            ArtifactChoice::Chosen(archive) => Some(archive),
            _ => None,
        };
        let files = self.assets.iter_mut().chain(archive);
        let mut learned = false;
        for file in files.filter(|file| file.key == *key && file.known_size().is_none()) {
            // The allocation may be shared with a cached copy, which must not change.
            Arc::make_mut(file).size = size;
            learned = true;
        }
        learned
    }

    /// Returns true if a file has no digest.
    #[must_use]
    pub fn lacks_a_digest(&self) -> bool {
        self.assets.iter().chain(self.artifact.chosen()).any(|file| file.digest.is_none())
    }

    /// Sets missing digests of files. Returns true if a digest was added.
    pub fn learn_digests(&mut self, known: impl Fn(&Artifact) -> Option<Digest>) -> bool {
        let archive = match &mut self.artifact {
            ArtifactChoice::Chosen(archive) => Some(archive),
            _ => None,
        };
        let mut learned = false;
        for file in self.assets.iter_mut().chain(archive) {
            if file.digest.is_none()
                && let Some(digest) = known(file)
            {
                Arc::make_mut(file).digest = Some(digest);
                learned = true;
            }
        }
        self.hold_archive_once();
        learned
    }

    /// Shares the archive with the equal asset.
    pub(super) fn hold_archive_once(&mut self) {
        if let ArtifactChoice::Chosen(archive) = &mut self.artifact
            && let Some(asset) = self.assets.iter().find(|asset| *asset == archive)
        {
            *archive = Arc::clone(asset);
        }
    }

    /// Preferred first: the shortest version, then the tag spelled exactly like the version.
    pub(super) fn cmp_spelling(&self, other: &Self) -> Ordering {
        self.spelling().cmp(&other.spelling())
    }

    pub(super) fn is_but_for_v(&self, wanted: &Tag) -> bool {
        wanted.is_but_for_v(self.tag.as_str()) || wanted.is_but_for_v(self.version.as_str())
    }

    fn spelling(&self) -> (usize, bool) {
        let version = self.version.as_str();
        (version.len(), self.tag.as_str() != version)
    }
}
