//! An extension and its releases: selection, order, and the latest version.

use std::collections::HashSet;
use std::sync::Arc;

use crate::models::artifact::ArtifactChoice;
use crate::models::coverage::Coverage;
use crate::models::digest::Digest;
use crate::models::fault::{ExtensionFault, first_few_faults};
use crate::models::naming::ExtensionId;
use crate::models::tag::Tag;

pub use crate::models::release::{About, Change, FileFault, Release, ReleaseVersion};

/// All releases of one extension at one backend.
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
    /// Arranges found releases. Drops hidden tags, releases without an archive, and notes, which
    /// need most memory. One tag per version is listed; the others are reachable only by tag.
    #[must_use]
    pub fn new(id: ExtensionId, found: Vec<Release>) -> Self {
        // Tags such as signatures never get an archive, so waiting for one would not end.
        let awaits_archive =
            found.iter().any(|one| !one.artifact.is_usable() && !one.tag.is_housekeeping());
        let shown = are_shown(&found);
        let shown =
            found.into_iter().zip(shown).filter_map(|(one, is_shown)| is_shown.then_some(one));
        let mut releases: Vec<Arc<Release>> = shown
            .map(|mut release| {
                release.notes = None;
                release.checksum_fault = None;
                release.manifest_fault = None;
                release.hold_archive_once();
                Arc::new(release)
            })
            .collect();
        releases.sort_by(|a, b| a.cmp_listed(b));
        let [listed, shadowed] = one_per_version(&releases);
        Self {
            id,
            listed,
            shadowed,
            awaits_archive,
            faults: Box::default(),
            coverage: Coverage::Complete,
        }
    }

    /// Adds the known releases that are missing from this list, whose coverage is incomplete.
    #[must_use]
    pub fn with_known(self, known: &Self) -> Self {
        let tags: HashSet<&Tag> = self.all_releases().map(|release| &release.tag).collect();
        let missing = known.all_releases().filter(|release| !tags.contains(&release.tag));
        let all = self.all_releases().chain(missing).map(|one| Release::clone(one)).collect();
        let merged = Self::new(self.id.clone(), all).awaiting_archive(self.awaits_archive);
        Self { faults: self.faults, coverage: self.coverage, ..merged }
    }

    /// Attaches faults that keep parts of the extension from being served. Keeps the first twenty.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<ExtensionFault>) -> Self {
        self.faults = first_few_faults(faults).into();
        self
    }

    /// Sets the coverage of the list of releases.
    #[must_use]
    pub fn with_coverage(mut self, coverage: Coverage) -> Self {
        self.coverage = coverage;
        self
    }

    /// Returns a copy with some releases amended, or `None` if `amend` changed nothing. An
    /// amendment must not change a tag or make a release listed or unlisted.
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

    /// Marks that a release without archive was left out, which a merge of arranged ones forgets.
    #[must_use]
    pub const fn awaiting_archive(mut self, awaits: bool) -> Self {
        self.awaits_archive = awaits;
        self
    }

    /// Returns type and name as the backend spells them.
    #[must_use]
    pub const fn id(&self) -> &ExtensionId {
        &self.id
    }

    /// Returns the listed releases, newest first. An extension with an empty list is not listed.
    #[must_use]
    pub fn releases(&self) -> &[Arc<Release>] {
        &self.listed
    }

    /// Returns all releases reachable by tag: the listed ones, then other tags of their versions.
    pub fn all_releases(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.listed.iter().chain(&self.shadowed)
    }

    /// Returns true if a release was left out because its archive may still be uploaded.
    #[must_use]
    pub const fn awaits_archive(&self) -> bool {
        self.awaits_archive
    }

    /// Returns the listed releases that were not read yet.
    pub fn unread(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.listed.iter().filter(|release| release.artifact == ArtifactChoice::Unread)
    }

    /// Returns the faults that keep parts of the extension from being served.
    #[must_use]
    pub fn faults(&self) -> &[ExtensionFault] {
        &self.faults
    }

    /// Returns true if the list of releases is complete and every release was readable.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.coverage.is_complete() && !self.faults.iter().any(|fault| fault.unreadable)
    }

    /// Unless it is complete, releases that are not in the list may exist.
    #[must_use]
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Returns advice if some tags are versions and others are not: these are never the latest.
    #[must_use]
    pub fn mixed_forms(&self) -> Option<ExtensionFault> {
        const NAMED_MAX: usize = 5;
        // Versions are listed before unversioned tags, so a binary search finds the boundary.
        let versions =
            self.listed.partition_point(|one| matches!(one.version, ReleaseVersion::Version(_)));
        let unversioned = self.listed.get(versions..).unwrap_or_default();
        if versions == 0 || unversioned.is_empty() {
            return None;
        }
        let tags = unversioned.iter().take(NAMED_MAX).map(|one| one.tag.as_str());
        let mut tags: Vec<String> = tags.map(str::to_owned).collect();
        let more = unversioned.len().saturating_sub(NAMED_MAX);
        tags.extend((more > 0).then(|| format!("and {more} more")));
        let reason = format!(
            "tags that are not versions are sorted after all versions: {}",
            tags.join(", ")
        );
        Some(ExtensionFault::of_repository(reason))
    }

    /// The highest stable version, else the highest pre-release, else the newest unversioned tag.
    #[must_use]
    pub fn latest(&self) -> Option<&Arc<Release>> {
        self.listed
            .iter()
            .find(|release| {
                matches!(release.version, ReleaseVersion::Version(_)) && !release.is_prerelease()
            })
            .or_else(|| self.listed.first())
    }

    /// Tries `latest`, a raw tag, a version, and the only release that differs by a leading `v`.
    #[must_use]
    pub fn find(&self, wanted: &Tag) -> Option<&Arc<Release>> {
        // The tag `latest` is hidden, so the word is free and never means a tag of the backend.
        if wanted.as_str() == "latest" {
            return self.latest();
        }
        let by_tag = self.listed.iter().chain(&self.shadowed).find(|one| one.tag == *wanted);
        by_tag
            .or_else(|| self.listed.iter().find(|one| one.version.as_str() == wanted.as_str()))
            .or_else(|| but_for_v(&self.listed, &self.shadowed, wanted))
    }

    /// Returns an unambiguous name: the version, or the tag if the version lists another release.
    #[must_use]
    pub fn name_of<'a>(&self, release: &'a Release) -> &'a str {
        let listed = self.listed.binary_search_by(|one| one.cmp_version(release));
        match listed.ok().and_then(|at| self.listed.get(at)) {
            Some(one) if one.tag != release.tag => release.tag.as_str(),
            _ => release.version.as_str(),
        }
    }

    /// Returns this extension with the versions of `other` added; for equal versions this one wins.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let known: HashSet<&str> = self.listed.iter().map(|r| r.version.as_str()).collect();
        let mut pooled = self.listed.to_vec();
        let other = other.listed.iter();
        pooled.extend(other.filter(|one| !known.contains(one.version.as_str())).cloned());
        // The sort is stable: of equal versions this extension's is first and survives `dedup_by`.
        pooled.sort_by(|a, b| a.cmp_version(b));
        pooled.dedup_by(|later, first| later.version.is_same(&first.version));
        Self { listed: pooled.into(), ..self.clone() }
    }
}

/// Returns the only release that differs by a leading `v`; listed releases take precedence.
fn but_for_v<'a>(
    listed: &'a [Arc<Release>],
    shadowed: &'a [Arc<Release>],
    wanted: &Tag,
) -> Option<&'a Arc<Release>> {
    let is_listed = listed.iter().any(|release| release.is_but_for_v(wanted));
    let among = if is_listed { listed } else { shadowed };
    let mut found = among.iter().filter(|release| release.is_but_for_v(wanted));
    found.next().filter(|_| found.next().is_none())
}

fn are_shown(found: &[Release]) -> Vec<bool> {
    // `1` and `1.2` are hidden only if they point at the manifest of a full version; otherwise they
    // are releases in their own right.
    let may_float = found.iter().any(|release| release.tag.may_float());
    let targets = found.iter().filter(|_| may_float).filter_map(floating_target);
    let pinned: HashSet<&Digest> = targets.collect();
    let shown = found.iter().map(|release| {
        let mut digests = release.manifest_digest.iter().filter(|_| release.tag.may_float());
        let floats = digests.any(|digest| pinned.contains(digest));
        release.artifact.is_usable() && !release.tag.is_housekeeping() && !floats
    });
    shown.collect()
}

fn floating_target(release: &Release) -> Option<&Digest> {
    match &release.version {
        ReleaseVersion::Version(version) if version.has_three_numbers() => {
            release.manifest_digest.as_ref()
        }
        _ => None,
    }
}

fn one_per_version(releases: &[Arc<Release>]) -> [Box<[Arc<Release>]>; 2] {
    let (mut listed, mut shadowed) = (Vec::new(), Vec::new());
    for equals in releases.chunk_by(|a, b| a.version.is_same(&b.version)) {
        let shown = equals.iter().min_by(|a, b| a.cmp_spelling(b));
        listed.extend(shown.cloned());
        let others =
            equals.iter().filter(|one| !shown.is_some_and(|shown| Arc::ptr_eq(one, shown)));
        shadowed.extend(others.cloned());
    }
    [listed.into(), shadowed.into()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::artifact::{Artifact, ArtifactKey};
    use crate::models::backend_id::BackendId;

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
            ..Release::of_tag(BackendId::OCI, tag.parse().unwrap())
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

    #[test]
    fn each_release_is_found_by_its_name() {
        let tags = ["1.0.0", "v1.0.0", "1.00.0", "V2.0.0", "v2.0.0", "v3.0.0", "nightly", "0.9"];
        let extension = extension(tags.map(release).into());
        assert_eq!(extension.all_releases().count(), tags.len());
        for release in extension.all_releases() {
            let name = extension.name_of(release);
            let found = extension.find(&name.parse().unwrap()).unwrap();
            assert_eq!(found.tag, release.tag, "{name}");
        }
        assert_eq!(extension.name_of(&release("v1.0.0")), "v1.0.0");
        assert_eq!(extension.name_of(&release("v3.0.0")), "3.0.0");
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
            ["2.0.0-rc1", "1.10.0", "1.9.0", "1.2", "1.0.0+build.1", "01.0.0"]
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
        assert_eq!(tag_of(&extension, "1.2.0"), Some("1.2.0"));
        assert_eq!(tag_of(&extension, "v1.2.0"), Some("v1.2.0"));
        assert_eq!(tag_of(&extension, "1.1.0"), Some("v1.1.0"));
        assert_eq!(tag_of(&extension, "latest"), Some("1.2.0"));
    }

    fn tag_of<'a>(extension: &'a Extension, wanted: &str) -> Option<&'a str> {
        extension.find(&wanted.parse().unwrap()).map(|release| release.tag.as_str())
    }

    #[test]
    fn o15_calendar_versions_order_by_their_numbers() {
        for (tags, newest) in [
            (&["2024.12.31", "2025.01.15"][..], "2025.01.15"),
            (&["2024.11.30", "2025.02.03"], "2025.02.03"),
            (&["v2024.9.1", "v2024.10.01", "v2024.09.30"], "2024.10.01"),
            (&["24.04", "23.10", "24.10"], "24.10"),
            (&["1.02.0", "1.1.9", "1.010.0", "1.9.0"], "1.010.0"),
            (&["2025.01.15-rc.01", "2025.01.02"], "2025.01.02"),
            (&["1.0.0-rc.08", "1.0.0-rc.10", "1.0.0-rc.9"], "1.0.0-rc.10"),
        ] {
            let extension = extension(tags.iter().map(|tag| release(tag)).collect());
            assert_eq!(latest(&extension), Some(newest), "{tags:?}");
        }
    }

    #[test]
    fn g13_numbers_of_any_form_order_together() {
        for (tags, shown) in [
            (&["2024.11.30", "2025.02.03"][..], &["2025.02.03", "2024.11.30"][..]),
            (&["1.2.3", "1.2.4.0"], &["1.2.4.0", "1.2.3"]),
            (&["1.2.4", "1.2.5", "1.2.4.1"], &["1.2.5", "1.2.4.1", "1.2.4"]),
            (&["V2.0.0", "1.9.9"], &["2.0.0", "1.9.9"]),
            (&["1.2.4.9", "1.2.4.10-rc.1", "1.2.4.10"], &["1.2.4.10", "1.2.4.10-rc.1", "1.2.4.9"]),
            (&["0.0.0.1", "0.0", "00.0.0.02"], &["00.0.0.02", "0.0.0.1", "0.0"]),
        ] {
            let extension = extension(tags.iter().map(|tag| release(tag)).collect());
            assert_eq!(versions(&extension), shown);
        }
    }

    #[test]
    fn g13b_of_equal_versions_the_shortest_spelling_is_shown_and_each_tag_stays() {
        for (tags, shown) in [
            (&["1.2.4.0", "1.2.4", "v1.2.4"][..], "1.2.4"),
            (&["V1.2.0", "v1.2.0"], "v1.2.0"),
            (&["1.10.0", "1.10"], "1.10"),
            (&["2025.02.03", "v2025.2.3", "2025.2.03"], "v2025.2.3"),
            (&["1.0.0-rc.01", "1.0-rc.1"], "1.0-rc.1"),
            (&["1.0.0.0_b", "v1.0.0_b"], "v1.0.0_b"),
        ] {
            for turned in [false, true] {
                let mut releases: Vec<Release> = tags.iter().map(|tag| release(tag)).collect();
                if turned {
                    releases.reverse();
                }
                let extension = extension(releases);
                assert_eq!(extension.releases().len(), 1, "{tags:?}");
                assert_eq!(extension.latest().unwrap().tag.as_str(), shown);
                for tag in tags {
                    assert_eq!(tag_of(&extension, tag), Some(*tag));
                }
            }
        }
    }

    #[test]
    fn g13c_a_name_means_the_only_release_that_it_can_mean() {
        for (tags, wanted, found) in [
            (&["1.2.0", "v1.1.0"][..], "v1.2.0", Some("1.2.0")),
            (&["v1.1.0"], "1.1.0", Some("v1.1.0")),
            (&["v1.1.0"], "V1.1.0", Some("v1.1.0")),
            (&["1.0.0_b"], "v1.0.0+b", Some("1.0.0_b")),
            (&["v1.0.0_b"], "1.0.0_b", Some("v1.0.0_b")),
            (&["1.2", "v1.2.0"], "1.2.0", Some("v1.2.0")),
            (&["v1.2.0", "1.2.0"], "V1.2.0", Some("1.2.0")),
            (&["v7"], "7", Some("v7")),
            (&["v7", "V7"], "7", None),
            (&["vanilla"], "anilla", None),
            (&["latest"], "vlatest", None),
            (&["1.2.0"], "1.2", None),
        ] {
            let extension = extension(tags.iter().map(|tag| release(tag)).collect());
            assert_eq!(tag_of(&extension, wanted), found, "{wanted} of {tags:?}");
        }
        let hidden = extension(vec![pointing("v1.3.0", "a"), pointing("1.3", "a")]);
        assert_eq!(tag_of(&hidden, "v1.3"), None, "hidden with and without its v");
        assert_eq!(tag_of(&hidden, "1.3.0"), Some("v1.3.0"));
    }

    #[test]
    fn g13d_pooled_versions_are_equal_however_they_are_spelled() {
        let first = extension(vec![release("1.2.0"), release("nightly")]);
        let second = ["1.2", "v1.2.0.0", "1.3.0.1", "nightly", "edge"];
        let pooled = first.union(&extension(second.into_iter().map(release).collect()));
        assert_eq!(versions(&pooled), ["1.3.0.1", "1.2.0", "nightly", "edge"]);
        assert_eq!(tag_of(&pooled, "1.2"), None);
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
