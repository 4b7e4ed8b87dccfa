//! Version ranges: the release that a range picks, and the nearest one if none matches.

use std::sync::Arc;

use registry_core::error::{Error, Result};
use registry_core::models::constraint::{Constraint, Side};
use registry_core::models::extension::{Extension, Release, ReleaseVersion};

/// The releases that a caller accepts.
#[derive(Clone, Debug)]
pub struct VersionRange {
    /// The range.
    pub constraint: Constraint,
    /// If true, a pre-release may be picked.
    pub prereleases: bool,
}

impl VersionRange {
    fn admits(&self, release: &Release) -> bool {
        self.prereleases || !release.is_prerelease()
    }
}

/// Returns the highest listed release in the range; `NotFound` names the nearest one.
pub(super) fn pick<'a>(
    extension: &'a Extension,
    wanted: &VersionRange,
) -> Result<&'a Arc<Release>> {
    let placed: Vec<(Side, &Arc<Release>)> = extension
        .releases()
        .iter()
        .filter_map(|release| Some((side_of(release, &wanted.constraint)?, release)))
        .collect();
    // Releases are ordered newest first, so the first match is the highest.
    let mut admitted = placed.iter().filter(|(_, release)| wanted.admits(release));
    let highest = admitted.find(|(side, _)| *side == Side::Within);
    highest.map(|(_, release)| *release).ok_or_else(|| {
        let (id, constraint) = (extension.id(), &wanted.constraint);
        let nearest = nearest(&placed, wanted);
        Error::not_found(format!(
            "Extension {id} has no version that matches {constraint}; {nearest}"
        ))
    })
}

/// Returns `None` for a release without a version, or with one that no range can name.
fn side_of(release: &Release, constraint: &Constraint) -> Option<Side> {
    match &release.version {
        ReleaseVersion::Version(version) => constraint.side_of(version),
        ReleaseVersion::Unversioned(_) => None,
    }
}

/// A pre-release in the range, else the next lower version, else the next higher one.
fn nearest(placed: &[(Side, &Arc<Release>)], wanted: &VersionRange) -> String {
    if let Some((_, release)) = placed.iter().find(|(side, _)| *side == Side::Within) {
        let version = release.version.as_str();
        return format!("the nearest is {version}, a pre-release, which prerelease=true admits");
    }
    // Newest first: of the lower versions the first is the nearest, of the higher ones the last.
    let mut admitted = placed.iter().filter(|(_, release)| wanted.admits(release));
    let lower = admitted.clone().find(|(side, _)| *side == Side::Below);
    match lower.or_else(|| admitted.rfind(|(side, _)| *side == Side::Above)) {
        Some((_, release)) => format!("the nearest is {}", release.version.as_str()),
        None => "no other version is near".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::ArtifactChoice;
    use registry_core::models::backend_id::BackendId;
    use registry_core::models::naming::ExtensionId;

    use super::*;

    fn picked(constraint: &str, prereleases: bool, tags: &[&str]) -> Result<String> {
        let releases = tags.iter().map(|tag| Release {
            artifact: ArtifactChoice::Unread,
            ..Release::of_tag(BackendId::OCI, tag.parse().unwrap())
        });
        let id = ExtensionId::from_oci_repository("aws-provider").unwrap();
        let extension = Extension::new(id, releases.collect());
        let wanted = VersionRange { constraint: constraint.parse().unwrap(), prereleases };
        pick(&extension, &wanted).map(|release| release.tag.to_string())
    }

    const TAGS: [&str; 8] = [
        "v1.2.0",
        "1.10",
        "1.9.0_b1",
        "1.11.0-rc.1",
        "2.0.0-rc.1",
        "0.9.0",
        "nightly",
        "18446744073709551616.0.0",
    ];

    #[test]
    fn the_highest_version_in_the_range_is_picked() {
        for (constraint, prereleases, expected) in [
            ("^1.2", false, "1.10"),
            ("^1.2", true, "1.11.0-rc.1"),
            ("*", false, "1.10"),
            ("*", true, "2.0.0-rc.1"),
            ("~1.9", false, "1.9.0_b1"),
            ("=1.10.0", false, "1.10"),
            ("=1.2.0+other", false, "v1.2.0"),
            ("<1", true, "0.9.0"),
        ] {
            assert_eq!(picked(constraint, prereleases, &TAGS).unwrap(), expected, "{constraint}");
        }
    }

    #[test]
    fn g13_a_fourth_number_breaks_ties_and_is_named_with_an_equals_sign_alone() {
        let tags =
            ["1.2.3", "1.2.3.1", "V1.2.3.10", "1.2.3.2", "2025.01.15", "2024.12.31", "1.02.4-rc.1"];
        for (constraint, expected) in [
            ("^1.2.3", "V1.2.3.10"),
            ("=1.2.3", "V1.2.3.10"),
            ("=1.2.3.0", "1.2.3"),
            ("=1.2.3.2", "1.2.3.2"),
            ("=1.2.3.02", "1.2.3.2"),
            ("=2025.1.15", "2025.01.15"),
            (">=2024.01.01, <2025.01", "2024.12.31"),
            ("*", "2025.01.15"),
        ] {
            assert_eq!(picked(constraint, false, &tags).unwrap(), expected, "{constraint}");
        }
        assert_eq!(picked("~1.2", true, &tags).unwrap(), "1.02.4-rc.1");
        let error = picked("=1.2.3.3", false, &tags).unwrap_err();
        assert!(error.message().ends_with("=1.2.3.3; the nearest is 1.2.3.2"), "{error}");
    }

    #[test]
    fn without_a_match_the_nearest_is_named() {
        for (constraint, prereleases, tags, nearest) in [
            ("^3", false, &TAGS[..], "the nearest is 1.10"),
            ("^3", true, &TAGS, "the nearest is 2.0.0-rc.1"),
            ("<0.5", false, &TAGS, "the nearest is 0.9.0"),
            (
                "^2.0.0-rc",
                false,
                &TAGS,
                "the nearest is 2.0.0-rc.1, a pre-release, which prerelease=true admits",
            ),
            ("*", true, &["nightly"], "no other version is near"),
        ] {
            let error = picked(constraint, prereleases, tags).unwrap_err();
            let expected = format!(
                "Extension provider/aws has no version that matches {constraint}; {nearest}"
            );
            assert_eq!((error.message(), error.is_not_found()), (expected.as_str(), true));
        }
    }
}
