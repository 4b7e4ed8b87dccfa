//! Tags of backends: grammar, hidden tags, and parsing as a version.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::models::version::{Version, is_number};

/// Maximum length of a tag or version, in characters (all ASCII).
pub const TAG_MAX: usize = 255;

/// Error for a text that is neither a tag nor a version. The message is safe for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "version must be 1 to {TAG_MAX} of A-Z a-z 0-9 . _ + / - and begin with a letter or digit, without a .. segment"
)]
pub struct InvalidTag;

/// Spelling of versions in the tags of a kind of backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagStyle {
    /// Unchanged.
    Plain,
    /// The first `_` stands for `+`, which OCI tags cannot contain.
    Oci,
}

/// A raw tag: 1 to 255 of `[A-Za-z0-9._+/-]`, the first alphanumeric, without a `..` segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// Returns the raw text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the tag as a version: `[vV]?N.N[.N[.N]][-pre][+build]`, without the `v`.
    #[must_use]
    pub fn version(&self, style: TagStyle) -> Option<Version> {
        let bare = without_v(&self.0);
        let spelled = match style {
            TagStyle::Plain => Cow::Borrowed(bare),
            TagStyle::Oci => Cow::Owned(bare.replacen('_', "+", 1)),
        };
        spelled.parse().ok()
    }

    /// Returns true if the name excludes a release: `latest`, digests, signatures, attestations.
    #[must_use]
    pub fn is_housekeeping(&self) -> bool {
        // cosign and similar tools store signatures, attestations and SBOMs under such tags.
        &*self.0 == "latest"
            || self.0.starts_with("sha256-")
            || [".sig", ".att", ".sbom"].iter().any(|suffix| self.0.ends_with(suffix))
    }

    /// Returns true if the tag may be a floating alias: `[vV]?N` or `[vV]?N.N` without a suffix.
    #[must_use]
    pub fn may_float(&self) -> bool {
        let bare = without_v(&self.0);
        // A third number makes it a full version, which is a separate release and never an alias.
        bare.split('.').count() <= 2 && bare.split('.').all(is_number)
    }

    /// Returns true if the tag may be a floating alias of `version`: its numbers are a prefix.
    #[must_use]
    pub fn may_float_to(&self, version: &Version) -> bool {
        self.may_float() && version.has_three_numbers() && version.begins_with(without_v(&self.0))
    }

    /// Returns true if both texts are equal except for a leading `v`.
    #[must_use]
    pub fn is_but_for_v(&self, other: &str) -> bool {
        without_v(&self.0) == without_v(other)
    }
}

fn without_v(text: &str) -> &str {
    let bare = text.strip_prefix(['v', 'V']);
    bare.filter(|bare| bare.starts_with(|first: char| first.is_ascii_digit())).unwrap_or(text)
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        // A `..` segment in the path of a request to the backend could lead to another repository.
        let fits = (1..=TAG_MAX).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+/-".contains(&byte))
            && !text.split('/').any(|segment| segment == "..");
        if fits { Ok(Self(text.into())) } else { Err(InvalidTag) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    #[test]
    fn tags_outside_the_grammar_are_refused() {
        for good in ["1.0.0", "v1", "rel/2025/v3", "a..b", "1.0.0+b", &"a".repeat(TAG_MAX)] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "..",
            "a/..",
            "a/../b",
            "-1",
            "_x",
            ".x",
            "/x",
            "a b",
            "a\0",
            "a%",
            "é",
            &"a".repeat(256),
        ] {
            assert_eq!(bad.parse::<Tag>(), Err(InvalidTag), "{bad:?}");
        }
    }

    #[test]
    fn tags_read_as_versions_in_their_backends_style() {
        for (text, plain, oci) in [
            ("1.2.0", Some("1.2.0"), Some("1.2.0")),
            ("v1.2", Some("1.2"), Some("1.2")),
            ("1.0.0_build.3", None, Some("1.0.0+build.3")),
            ("1.0.0_a_b", None, None),
            ("1.0.0+a", Some("1.0.0+a"), Some("1.0.0+a")),
            ("vv1.0.0", None, None),
            ("V1.0.0", Some("1.0.0"), Some("1.0.0")),
            ("vV1.0.0", None, None),
            ("2025.02.03", Some("2025.02.03"), Some("2025.02.03")),
            ("v1.2.3.4_b", None, Some("1.2.3.4+b")),
            ("1", None, None),
            ("nightly", None, None),
        ] {
            let read = [TagStyle::Plain, TagStyle::Oci].map(|style| tag(text).version(style));
            let read = read.map(|version| version.map(|version| version.to_string()));
            assert_eq!(read.each_ref().map(Option::as_deref), [plain, oci], "{text}");
        }
    }

    #[test]
    fn housekeeping_and_floating_tags_are_told_apart() {
        for text in ["latest", "sha256-0123", "sha256-0123.sig", "1.0.0.att", "x.sbom"] {
            assert!(tag(text).is_housekeeping(), "{text}");
        }
        for text in ["Latest", "1.0.0", "sha512-0", "signed"] {
            assert!(!tag(text).is_housekeeping(), "{text}");
        }
        for text in ["1", "v1", "V1", "1.3", "v01.3"] {
            assert!(tag(text).may_float(), "{text}");
        }
        for text in ["1.3.0", "1.3-rc1", "v", "x1", "1."] {
            assert!(!tag(text).may_float(), "{text}");
        }
        for (text, version, may) in [
            ("v1", "1.2.3", true),
            ("1.2", "1.2.3", true),
            ("1.02", "1.2.3.4", true),
            ("1", "10.2.3", false),
            ("1.2", "1.2", false),
            ("1.3", "1.2.3", false),
            ("1.2.3", "1.2.3", false),
        ] {
            assert_eq!(tag(text).may_float_to(&version.parse().unwrap()), may, "{text} {version}");
        }
    }

    #[test]
    fn a_v_in_front_of_a_digit_makes_no_other_name() {
        for (one, other, same) in [
            ("v1.2", "1.2", true),
            ("1.2", "V1.2", true),
            ("v1", "V1", true),
            ("anilla", "vanilla", false),
            ("v", "", false),
            ("vv1", "v1", false),
        ] {
            assert_eq!(tag(one).is_but_for_v(other), same, "{one} {other}");
        }
    }
}
