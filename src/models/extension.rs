//! An extension and its releases: what is listed, in which order, and which one is the latest.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use crate::models::coverage::Coverage;
use crate::models::digest::Digest;
use crate::models::fault::{ExtensionFault, first_few_faults};
use crate::models::naming::ExtensionId;
use crate::models::source::Source;
use crate::models::tag::Tag;
use crate::models::version::Version;

/// What a publisher says of a release, cleaned of what cannot be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// One sentence or a few.
    pub description: Option<Box<str>>,
    /// Who made it.
    pub author: Option<Box<str>>,
    /// An `http` or `https` address of its source.
    pub repository: Option<Box<str>>,
    /// Words to find it by.
    pub keywords: Box<[Box<str>]>,
    /// SPDX expression, unchecked.
    pub license: Option<Box<str>>,
}

/// A version whose archive is another one now than the one first downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Digest of the archive that was downloaded first.
    pub first: Digest,
    /// Size of the archive that was downloaded first, in bytes.
    pub first_size: u64,
    /// Digest of the archive that the backend has now; `None` until it was downloaded, where the
    /// backend tells none.
    pub now: Option<Digest>,
    /// Size of the archive that the backend has now, in bytes.
    pub now_size: u64,
    /// Whether it took the place of the first archive. Otherwise the first one is still in the
    /// release, and another file is its archive now.
    pub in_place: bool,
}

/// A checksum that is there and cannot be read, so that its archive is not verified by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecksumFault {
    /// The file that holds the checksum.
    pub file: ArtifactKey,
    /// The name of the file and why it cannot be read.
    pub reason: Box<str>,
}

/// How a release is called: by its version, or by its tag where that reads as no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseVersion {
    /// A version.
    Version(Version),
    /// An unversioned tag, such as `nightly`.
    Unversioned(Tag),
}

impl ReleaseVersion {
    /// The text that callers see and send.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Version(version) => version.as_str(),
            Self::Unversioned(tag) => tag.as_str(),
        }
    }
}

/// One tag of an extension with what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The kind of backend that has it.
    pub source: Source,
    /// As the backend writes it.
    pub tag: Tag,
    /// As callers know it.
    pub version: ReleaseVersion,
    /// When it was published; unknown where the backend does not say.
    pub published_at: Option<Timestamp>,
    /// Its archive.
    pub artifact: ArtifactChoice,
    /// Every file of it that can be asked for, the archive among them, where the backend lists
    /// them; names are the publisher's, unchecked.
    pub assets: Box<[Arc<Artifact>]>,
    /// What the tag points at, where the backend has a digest for that.
    pub manifest_digest: Option<Digest>,
    /// What its publisher says of it; shared, since most releases say the same.
    pub about: Arc<About>,
    /// What its publisher says has changed. Known of a release that was read by itself alone.
    pub notes: Option<Arc<str>>,
    /// The checksum beside its archive that cannot be read, if there is one. Known of a release
    /// that was read by itself alone.
    pub checksum_fault: Option<Box<ChecksumFault>>,
    /// How its archive changed under its version, if it did. No backend knows that.
    pub change: Option<Box<Change>>,
}

impl Release {
    /// A release of this tag that carries nothing yet.
    #[must_use]
    pub fn of_tag(source: Source, tag: Tag) -> Self {
        let version = tag
            .version(source.tag_style())
            .map_or_else(|| ReleaseVersion::Unversioned(tag.clone()), ReleaseVersion::Version);
        Self {
            source,
            tag,
            version,
            published_at: None,
            artifact: ArtifactChoice::Nothing,
            assets: Box::default(),
            manifest_digest: None,
            about: Arc::default(),
            notes: None,
            checksum_fault: None,
            change: None,
        }
    }

    /// Whether its version is a pre-release of semantic versioning.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        matches!(&self.version, ReleaseVersion::Version(version) if version.is_prerelease())
    }

    /// The order of lists: versions before unversioned tags, newest first. Total over distinct tags.
    #[must_use]
    pub fn cmp_listed(&self, other: &Self) -> Ordering {
        use ReleaseVersion::{Unversioned, Version};
        match (&self.version, &other.version) {
            (Version(mine), Version(theirs)) => theirs.cmp_release(mine),
            (Version(_), Unversioned(_)) => Ordering::Less,
            (Unversioned(_), Version(_)) => Ordering::Greater,
            (Unversioned(_), Unversioned(_)) => other.published_at.cmp(&self.published_at),
        }
        .then_with(|| other.tag.cmp(&self.tag))
    }

    /// Gives a file the size that it lacks; answers whether it lacked one.
    pub fn learn_size(&mut self, key: &ArtifactKey, size: u64) -> bool {
        let archive = match &mut self.artifact {
            ArtifactChoice::Chosen(archive) => Some(archive),
            _ => None,
        };
        let lacking = |file: &&mut Arc<Artifact>| file.key == *key && file.known_size().is_none();
        let mut learned = false;
        for file in self.assets.iter_mut().chain(archive).filter(lacking) {
            Arc::make_mut(file).size = size;
            learned = true;
        }
        learned
    }

    /// Gives its files the digests that they lack; answers whether any was known.
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

    /// Holds its archive as the asset that it is, where it is one.
    fn hold_archive_once(&mut self) {
        if let ArtifactChoice::Chosen(archive) = &mut self.artifact
            && let Some(asset) = self.assets.iter().find(|asset| *asset == archive)
        {
            *archive = Arc::clone(asset);
        }
    }

    /// Of two tags of one version, the one spelled exactly as the version stands for it.
    fn is_spelled_as_its_version(&self) -> bool {
        self.tag.as_str() == self.version.as_str()
    }
}

/// Everything one backend has of one extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    id: ExtensionId,
    listed: Box<[Arc<Release>]>,
    shadowed: Box<[Arc<Release>]>,
    awaits_archive: bool,
    faults: Box<[ExtensionFault]>,
    coverage: Coverage,
}

impl Extension {
    /// Arranges what a backend found. Hidden tags and releases without an archive are dropped;
    /// of several tags of one version one is listed and the others can only be asked for by tag.
    /// Release notes are dropped too: kept for every version they would outgrow all the rest.
    #[must_use]
    pub fn new(id: ExtensionId, found: Vec<Release>) -> Self {
        let bare =
            |release: &Release| !release.artifact.is_usable() && !release.tag.is_housekeeping();
        let awaits_archive = found.iter().any(bare);
        let shown = are_shown(&found);
        let shown =
            found.into_iter().zip(shown).filter_map(|(one, is_shown)| is_shown.then_some(one));
        let mut releases: Vec<Arc<Release>> = shown
            .map(|mut release| {
                release.notes = None;
                release.checksum_fault = None;
                release.hold_archive_once();
                Arc::new(release)
            })
            .collect();
        releases.sort_by(|a, b| a.cmp_listed(b));
        let [listed, shadowed] = one_per_version(releases);
        Self {
            id,
            listed,
            shadowed,
            awaits_archive,
            faults: Box::default(),
            coverage: Coverage::Complete,
        }
    }

    /// Adds the releases that were known before and that this list, which proves less than
    /// everything, does not have.
    #[must_use]
    pub fn with_known(self, known: &Self) -> Self {
        let tags: HashSet<&Tag> = self.all_releases().map(|release| &release.tag).collect();
        let missing = known.all_releases().filter(|release| !tags.contains(&release.tag));
        let all = self.all_releases().chain(missing).map(|one| Release::clone(one)).collect();
        let merged = Self::new(self.id.clone(), all).awaiting_archive(self.awaits_archive);
        Self { faults: self.faults, coverage: self.coverage, ..merged }
    }

    /// Names what is not served of the extension, and why. The first twenty faults are kept.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<ExtensionFault>) -> Self {
        self.faults = first_few_faults(faults).into();
        self
    }

    /// Says how much of the list of releases the backend proved.
    #[must_use]
    pub fn with_coverage(mut self, coverage: Coverage) -> Self {
        self.coverage = coverage;
        self
    }

    /// The same with some releases amended; `None` if none of them is. Neither their tags nor
    /// whether they can be listed may change by that.
    #[must_use]
    pub fn amended(&self, mut amend: impl FnMut(&Release) -> Option<Release>) -> Option<Self> {
        let mut changed = false;
        let mut each = |release: &Arc<Release>| match amend(release) {
            Some(amended) => {
                changed = true;
                Arc::new(amended)
            }
            None => Arc::clone(release),
        };
        let listed = self.listed.iter().map(&mut each).collect();
        let shadowed = self.shadowed.iter().map(&mut each).collect();
        changed.then(|| Self { listed, shadowed, ..self.clone() })
    }

    /// The same, some release of it left out for want of an archive or not: what was put together
    /// of releases that were arranged before cannot show it.
    #[must_use]
    pub const fn awaiting_archive(mut self, awaits: bool) -> Self {
        self.awaits_archive = awaits;
        self
    }

    /// Type and name, spelled as the backend does.
    #[must_use]
    pub const fn id(&self) -> &ExtensionId {
        &self.id
    }

    /// The listed releases, newest first. Empty: the extension is not listed.
    #[must_use]
    pub fn releases(&self) -> &[Arc<Release>] {
        &self.listed
    }

    /// Every release that can be asked for by its tag: the listed ones, then those that another
    /// tag of their version stands for.
    pub fn all_releases(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.listed.iter().chain(&self.shadowed)
    }

    /// Whether some release was left out for want of an archive, which may still be on its way.
    #[must_use]
    pub const fn awaits_archive(&self) -> bool {
        self.awaits_archive
    }

    /// Whether some release is listed that was not read yet.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.unread().next().is_some()
    }

    /// The listed releases that were not read yet.
    pub fn unread(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.listed.iter().filter(|release| release.artifact == ArtifactChoice::Unread)
    }

    /// What is not served of the extension, and why.
    #[must_use]
    pub fn faults(&self) -> &[ExtensionFault] {
        &self.faults
    }

    /// How much of the list of releases is proven. With anything but complete coverage a release
    /// that is not in the list may exist.
    #[must_use]
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The highest stable version; without one the highest pre-release; without any version the
    /// newest unversioned tag. The one place that decides it.
    #[must_use]
    pub fn latest(&self) -> Option<&Arc<Release>> {
        self.listed
            .iter()
            .find(|release| {
                matches!(release.version, ReleaseVersion::Version(_)) && !release.is_prerelease()
            })
            .or_else(|| self.listed.first())
    }

    /// The release that a version in a path means: `latest`, else a raw tag, else a version.
    #[must_use]
    pub fn find(&self, wanted: &Tag) -> Option<&Arc<Release>> {
        if wanted.as_str() == "latest" {
            return self.latest();
        }
        let by_tag = || self.listed.iter().chain(&self.shadowed).find(|r| r.tag == *wanted);
        let by_version = || self.listed.iter().find(|r| r.version.as_str() == wanted.as_str());
        by_tag().or_else(by_version)
    }

    /// This extension with another's versions pooled in; equal versions stay this one's.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let known: HashSet<&str> = self.listed.iter().map(|r| r.version.as_str()).collect();
        let mut listed = self.listed.to_vec();
        let new = |release: &&Arc<Release>| !known.contains(release.version.as_str());
        listed.extend(other.listed.iter().filter(new).cloned());
        listed.sort_by(|a, b| a.cmp_listed(b));
        Self { listed: listed.into(), ..self.clone() }
    }
}

/// Which of these releases can be asked for: not those without an archive, nor hidden tags.
fn are_shown(found: &[Release]) -> Vec<bool> {
    let may_float = found.iter().any(|release| release.tag.may_float());
    let targets = found.iter().filter(|_| may_float).filter_map(floating_target);
    let pinned: HashSet<&Digest> = targets.collect();
    let floats = |release: &Release| {
        release.tag.may_float()
            && release.manifest_digest.as_ref().is_some_and(|digest| pinned.contains(digest))
    };
    let is_shown = |release: &Release| {
        release.artifact.is_usable() && !release.tag.is_housekeeping() && !floats(release)
    };
    found.iter().map(is_shown).collect()
}

/// The digest that shorter tags may float to: that of a version with three numbers.
fn floating_target(release: &Release) -> Option<&Digest> {
    match &release.version {
        ReleaseVersion::Version(version) if version.has_three_numbers() => {
            release.manifest_digest.as_ref()
        }
        _ => None,
    }
}

/// Splits sorted releases into one for each version and the rest.
fn one_per_version(releases: Vec<Arc<Release>>) -> [Box<[Arc<Release>]>; 2] {
    let mut is_listed = are_listed(&releases).into_iter();
    let (listed, shadowed): (Vec<_>, Vec<_>) =
        releases.into_iter().partition(|_| is_listed.next().unwrap_or_default());
    [listed.into(), shadowed.into()]
}

/// Which of these sorted releases stands for its version.
fn are_listed<'a>(releases: &'a [Arc<Release>]) -> Vec<bool> {
    let exact: HashSet<&str> = releases
        .iter()
        .filter(|release| release.is_spelled_as_its_version())
        .map(|release| release.version.as_str())
        .collect();
    let mut taken = HashSet::new();
    let is_listed = |release: &'a Arc<Release>| {
        let version = release.version.as_str();
        (release.is_spelled_as_its_version() || !exact.contains(version)) && taken.insert(version)
    };
    releases.iter().map(is_listed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(tag: &str) -> Release {
        let artifact = Artifact {
            key: ArtifactKey::new(tag),
            file_name: "a.tar.gz".into(),
            size: 1,
            digest: None,
            url: None,
        };
        Release {
            artifact: ArtifactChoice::Chosen(Arc::new(artifact)),
            ..Release::of_tag(Source::Oci, tag.parse().unwrap())
        }
    }

    fn pointing(tag: &str, at: &str) -> Release {
        Release { manifest_digest: Some(Digest::sha256(at.as_bytes())), ..release(tag) }
    }

    fn dated(tag: &str, at: &str) -> Release {
        Release { published_at: Some(at.parse().unwrap()), ..release(tag) }
    }

    fn extension(releases: Vec<Release>) -> Extension {
        let id = ExtensionId::from_oci_repository("x-provider").unwrap();
        Extension::new(id, releases)
    }

    fn versions(extension: &Extension) -> Vec<&str> {
        extension.releases().iter().map(|release| release.version.as_str()).collect()
    }

    fn latest(extension: &Extension) -> Option<&str> {
        extension.latest().map(|release| release.version.as_str())
    }

    #[test]
    fn lists_tags_as_the_contract_says() {
        let digest_tag = format!("sha256-{}", "0".repeat(64));
        let signature = format!("{digest_tag}.sig");
        let tags = [
            "1.10.0",
            "1.9.0",
            "v1.2.0",
            "1.0.0_build.1",
            "latest",
            "1.2",
            "01.0.0",
            &digest_tag,
            &signature,
            "2.0.0-rc1",
        ];
        let extension = extension(tags.into_iter().map(release).collect());
        assert_eq!(
            versions(&extension),
            ["2.0.0-rc1", "1.10.0", "1.9.0", "1.2.0", "1.2", "1.0.0+build.1", "01.0.0"]
        );
        assert_eq!(latest(&extension), Some("1.10.0"));
    }

    #[test]
    fn floating_tags_are_hidden_only_where_they_carry_a_full_versions_digest() {
        let tags = vec![
            pointing("1.3.0", "a"),
            pointing("1", "a"),
            pointing("v1.3", "a"),
            pointing("1.2", "b"),
            pointing("2", "c"),
            pointing("1.3-x", "a"),
        ];
        let extension = extension(tags);
        assert_eq!(versions(&extension), ["1.3.0", "1.3-x", "1.2", "2"]);
        assert!(extension.find(&"1".parse().unwrap()).is_none());
    }

    #[test]
    fn of_two_tags_of_one_version_the_exact_one_is_listed() {
        let extension = extension(vec![release("v1.2.0"), release("1.2.0"), release("v1.1.0")]);
        assert_eq!(versions(&extension), ["1.2.0", "1.1.0"]);
        let tag_of =
            |wanted: &str| extension.find(&wanted.parse().unwrap()).unwrap().tag.to_string();
        assert_eq!(tag_of("1.2.0"), "1.2.0");
        assert_eq!(tag_of("v1.2.0"), "v1.2.0");
        assert_eq!(tag_of("1.1.0"), "v1.1.0");
        assert_eq!(tag_of("latest"), "1.2.0");
    }

    #[test]
    fn latest_prefers_stable_then_prerelease_then_the_newest_tag() {
        assert_eq!(latest(&extension(vec![release("2.0.0-rc1"), release("1.0.0")])), Some("1.0.0"));
        let only_pre =
            extension(vec![release("2.0.0-rc1"), release("2.0.0-rc2"), release("nightly")]);
        assert_eq!(latest(&only_pre), Some("2.0.0-rc2"));
        let tags = extension(vec![
            release("undated"),
            dated("old", "2024-01-01T00:00:00Z"),
            dated("new", "2025-01-01T00:00:00Z"),
        ]);
        assert_eq!(versions(&tags), ["new", "old", "undated"]);
        assert_eq!(latest(&tags), Some("new"));
        assert_eq!(latest(&extension(vec![])), None);
    }

    #[test]
    fn releases_without_an_archive_are_not_listed() {
        let empty = Release { artifact: ArtifactChoice::Nothing, ..release("1.0.0") };
        let several = Release {
            artifact: ArtifactChoice::Ambiguous(vec!["a".to_owned()]),
            ..release("0.9.0")
        };
        assert_eq!(versions(&extension(vec![empty, several])), ["0.9.0"]);
    }

    #[test]
    fn an_archive_among_the_assets_is_held_once() {
        let mut two = release("1.0.0");
        let archive = two.artifact.chosen().cloned().unwrap();
        two.assets = [Arc::new(Artifact::clone(&archive)), archive].into();
        let held = |release: &Release| {
            let archive = release.artifact.chosen().unwrap();
            release.assets.iter().any(|asset| Arc::ptr_eq(asset, archive))
        };
        let extension = extension(vec![two]);
        let known = &extension.releases()[0];
        assert!(held(known));
        let mut learned = Release::clone(known);
        assert!(learned.learn_digests(|_| Some(Digest::sha256(b"a"))));
        assert!(held(&learned));
        assert!(learned.assets.iter().all(|asset| asset.digest.is_some()));
        assert!(!learned.learn_digests(|_| Some(Digest::sha256(b"b"))), "it lacks none");
    }

    #[test]
    fn union_keeps_the_first_ones_versions() {
        let first = extension(vec![pointing("1.0.0", "mine"), release("0.1.0")]);
        let second = extension(vec![pointing("1.0.0", "theirs"), release("2.0.0")]);
        let pooled = first.union(&second);
        assert_eq!(versions(&pooled), ["2.0.0", "1.0.0", "0.1.0"]);
        let one = pooled.find(&"1.0.0".parse().unwrap()).unwrap();
        assert_eq!(one.manifest_digest, Some(Digest::sha256(b"mine")));
    }
}
