//! Tags of a repository: the versions of an extension in the grammar of OCI tags.

use std::borrow::Cow;
use std::sync::Arc;

use registry_core::models::extension::{Extension, Release};
use registry_core::models::tag::Tag;

/// Maximum length of a tag, in characters (distribution-spec, "Pulling manifests").
const TAG_MAX: usize = 128;
/// The tag of the latest version. It is answered and not listed, so that mirrors copy versions only.
const LATEST: &str = "latest";

/// Returns the tags of an extension in ASCII order, each once.
#[must_use]
pub fn tags_of(extension: &Extension) -> Vec<String> {
    let listed = extension.releases().iter();
    let mut tags: Vec<String> = listed
        .filter_map(|release| {
            let name = extension.name_of(release);
            let tag = tag_of(name)?;
            // A raw tag of another release may have the text without `+`, and then stands for that one.
            // Other names are unambiguous, and a search for each would take long.
            let is_same =
                tag == name || find(extension, &tag).is_some_and(|found| found.tag == release.tag);
            let raw = release.tag.as_str();
            if is_same { Some(tag) } else { is_tag(raw).then(|| raw.to_owned()) }
        })
        .filter(|tag| tag != LATEST)
        .collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// Returns the release that a tag stands for: a raw tag, a version, or `latest`.
#[must_use]
pub fn find<'a>(extension: &'a Extension, tag: &str) -> Option<&'a Arc<Release>> {
    spellings(tag).find_map(|spelling| extension.find(&spelling))
}

/// Returns the versions and raw tags that an OCI tag may stand for, the likeliest first.
pub fn spellings(tag: &str) -> impl Iterator<Item = Tag> {
    let raw = is_tag(tag).then(|| tag.parse().ok()).flatten();
    // OCI tags cannot contain the `+` of build metadata.
    let with_plus = raw.is_some() && tag.contains('_');
    let version = with_plus.then(|| tag.replacen('_', "+", 1).parse().ok()).flatten();
    raw.into_iter().chain(version)
}

/// Returns the OCI tag of a version; `None` if it does not fit the grammar.
fn tag_of(version: &str) -> Option<String> {
    let spelled = match version.split_once('+') {
        Some((before, after)) => Cow::Owned(format!("{before}_{after}")),
        None => Cow::Borrowed(version),
    };
    is_tag(&spelled).then(|| spelled.into_owned())
}

/// Returns true for `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use registry_core::models::artifact::ArtifactChoice;
    use registry_core::models::backend_id::BackendId;

    use super::*;

    fn extension(backend: BackendId, tags: &[&str]) -> Extension {
        let releases = tags.iter().filter_map(|tag| {
            let release = Release::of_tag(backend, tag.parse().ok()?);
            Some(Release { artifact: ArtifactChoice::Unread, ..release })
        });
        Extension::new("provider/aws".parse().unwrap(), releases.collect())
    }

    #[test]
    fn versions_are_listed_in_the_grammar_of_tags() {
        for (backend, tags, listed) in [
            (BackendId::GITEA, &["v1.2.0", "1.10.0"][..], &["1.10.0", "1.2.0"][..]),
            (BackendId::GITEA, &["1.0.0+b.1", "rel/1", "nightly"], &["1.0.0_b.1", "nightly"]),
            (BackendId::OCI, &["1.0.0_b.1", "latest"], &["1.0.0_b.1"]),
            // The raw tag has the text, so that it is another release which is not listed twice.
            (BackendId::GITEA, &["1.0.0+b", "1.0.0_b"], &["1.0.0_b"]),
            (BackendId::GITEA, &["1.0.0+a+b"], &[]),
            // Both are the version 1.0.0+b, of which one is listed.
            (BackendId::OCI, &["1.0.0_b", "v1.0.0_b"], &["v1.0.0_b"]),
        ] {
            assert_eq!(tags_of(&extension(backend, tags)), listed, "{tags:?}");
        }
    }

    #[test]
    fn raw_tags_versions_and_latest_are_answered() {
        let extension = extension(BackendId::GITEA, &["v1.2.0", "1.3.0-rc.1", "1.1.0+b"]);
        for (tag, found) in [
            ("1.2.0", Some("v1.2.0")),
            ("v1.2.0", Some("v1.2.0")),
            ("latest", Some("v1.2.0")),
            ("1.1.0_b", Some("1.1.0+b")),
            ("1.1.0+b", None),
            ("_x", None),
            ("2.0.0", None),
            ("", None),
            ("a/b", None),
        ] {
            let release = find(&extension, tag).map(|release| release.tag.as_str());
            assert_eq!(release, found, "{tag}");
        }
    }

    proptest! {
        #[test]
        fn every_listed_tag_is_found_again(
            tags in prop::collection::vec("v?[0-9]{1,2}(\\.[0-9]){1,2}(-rc)?([+_][a-z+_/]{1,3})?", 1..12),
        ) {
            for backend in [BackendId::GITEA, BackendId::OCI] {
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                let extension = extension(backend, &tags);
                let listed = tags_of(&extension);
                for tag in &listed {
                    let found = find(&extension, tag).unwrap();
                    let listed = extension.releases().iter().any(|one| Arc::ptr_eq(one, found));
                    prop_assert!(listed, "{} is not listed", tag);
                    let name = tag_of(extension.name_of(found));
                    let is_its_own = name.as_ref() == Some(tag) || found.tag.as_str() == tag;
                    prop_assert!(is_its_own, "{} stands for another release", tag);
                }
                prop_assert!(listed.is_sorted());
            }
        }
    }
}
