//! Versions: lenient in the numbers (`1.10`, `1.2.3.4`, any size), else semantic versioning 2.0.0.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease};

/// A version `N.N[.N[.N]][-pre][+build]`, displayed exactly as written. Equality compares the text
/// (`1.10` is not `1.10.0`), unlike [`Version::cmp_precedence`] and [`Version::cmp_release`].
/// Numbers are parsed for each comparison: stored ones would waste memory in a catalog.
#[derive(Clone, Debug)]
pub struct Version {
    text: Box<str>,
    // Pre-release without leading zeros in its numbers, which semantic versioning does not allow.
    pre: Prerelease,
    build: BuildMetadata,
}

/// Error for a text that is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version reads N.N[.N[.N]][-pre][+build]")]
pub struct InvalidVersion;

/// Decimal digits of any length, without leading zeros: build counters outgrow 64 bits.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Number<'a> {
    length: usize,
    digits: &'a str,
}

impl<'a> Number<'a> {
    const ZERO: Number<'static> = Number { length: 1, digits: "0" };

    fn of(digits: &'a str) -> Option<Self> {
        match digits.trim_start_matches('0') {
            _ if !is_number(digits) => None,
            "" => Some(Self::ZERO),
            digits => Some(Self { length: digits.len(), digits }),
        }
    }
}

impl Version {
    /// Returns the version as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns true if the version has a pre-release part.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }

    /// Returns true if shorter tags can be its alias: it has at least three numbers.
    #[must_use]
    pub fn has_three_numbers(&self) -> bool {
        self.core().split('.').count() >= 3
    }

    #[must_use]
    pub(super) fn begins_with(&self, numbers: &str) -> bool {
        let mut wanted = numbers.split('.').map(Number::of);
        let mut own = self.numbers().into_iter();
        wanted.all(|number| number.is_some() && number == own.next())
    }

    #[must_use]
    pub(super) fn cmp_fourth(&self, number: &str) -> Ordering {
        // Text that is not a number counts as 0.
        let [_, _, _, fourth] = self.numbers();
        fourth.cmp(&Number::of(number).unwrap_or(Number::ZERO))
    }

    fn core(&self) -> &str {
        self.text.split(['-', '+']).next().unwrap_or_default()
    }

    fn numbers(&self) -> [Number<'_>; 4] {
        let mut numbers = self.core().split('.').filter_map(Number::of);
        std::array::from_fn(|_| numbers.next().unwrap_or(Number::ZERO))
    }

    /// Without build metadata and fourth number; `None` if a number exceeds 64 bits.
    #[must_use]
    pub(super) fn to_semver(&self) -> Option<semver::Version> {
        let [major, minor, patch, _] = self.numbers().map(|number| number.digits.parse().ok());
        let bare = semver::Version::new(major?, minor?, patch?);
        Some(semver::Version { pre: self.pre.clone(), ..bare })
    }

    /// Semantic versioning (2.0.0, §11) over four numbers: `1.10` equals `1.10.0.0`.
    #[must_use]
    pub fn cmp_precedence(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers()).then_with(|| self.pre.cmp(&other.pre))
    }

    /// Order of releases: precedence, then build metadata; a version without it is lowest.
    #[must_use]
    pub fn cmp_release(&self, other: &Self) -> Ordering {
        self.cmp_precedence(other).then_with(|| self.build.cmp(&other.build))
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        // Build metadata may contain `-`, so `+` is split off first.
        let (rest, build) = match text.split_once('+') {
            Some((rest, build)) => (rest, parse_identifiers(build, BuildMetadata::new)?),
            None => (text, BuildMetadata::EMPTY),
        };
        // The pre-release may contain `-` as well; only the first one ends the numbers.
        let (core, pre) = match rest.split_once('-') {
            Some((core, pre)) => {
                let pre = without_leading_zeros(pre);
                (core, parse_identifiers(&pre, Prerelease::new)?)
            }
            None => (rest, Prerelease::EMPTY),
        };
        let all_numbers = core.split('.').all(|part| Number::of(part).is_some());
        // A single number is no version: a floating `1` or a date `20240101` would be a release.
        if !all_numbers || !(2..=4).contains(&core.split('.').count()) {
            return Err(InvalidVersion);
        }
        Ok(Self { text: text.into(), pre, build })
    }
}

pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn without_leading_zeros(identifiers: &str) -> Cow<'_, str> {
    // The common case has nothing to strip and needs no allocation.
    let mut all = identifiers.split('.');
    if all.all(|one| Number::of(one).is_none_or(|number| number.digits == one)) {
        return Cow::Borrowed(identifiers);
    }
    let all = identifiers.split('.');
    let trimmed = all.map(|one| Number::of(one).map_or(one, |number| number.digits));
    trimmed.collect::<Vec<_>>().join(".").into()
}

fn parse_identifiers<T, E>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, InvalidVersion> {
    // Refuses an empty text, which the `semver` parser accepts.
    if text.is_empty() { Err(InvalidVersion) } else { parse(text).map_err(|_| InvalidVersion) }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Version {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn texts_outside_the_grammar_are_no_versions() {
        for good in
            ["0.0", "1.2", "1.2.3", "1.2-rc.1", "1.2.3-0a+001", "1.2+x", "99999999999999999999.0"]
        {
            assert_eq!(version(good).as_str(), good);
        }
        for good in ["1.2.3.4", "01.0.0", "2025.01.02", "0.00", "1.2.3.4-rc.01+b", "1.2.3-01"] {
            assert_eq!(version(good).as_str(), good);
        }
        for bad in [
            "",
            "1",
            "1.",
            ".1",
            "1.2.3.4.5",
            "1.2.3.",
            "1..3",
            "1.2.3-",
            "1.2.3+",
            "1.2.3-a..b",
            "1.2.3-a_b",
            "v1.2.3",
            "1.2.x",
            "1.2.3 ",
            "-1.0",
            "1.0.0+a+b",
        ] {
            assert_eq!(bad.parse::<Version>(), Err(InvalidVersion), "{bad}");
        }
    }

    #[test]
    fn releases_ascend_in_the_documented_order() {
        let ascending = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.0+build.3",
            "1.0.0+build.10",
            "1.2.4",
            "1.2.4.1-rc.1",
            "1.2.4.1",
            "1.2.4.10",
            "1.2.5",
            "1.9",
            "1.10",
            "2.0.0",
            "2024.12.31",
            "2025.01.15",
            "2025.2.3",
            "2025.10.01",
            "18446744073709551616.0.0",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(version(pair[0]).cmp_release(&version(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(version("1.10").cmp_release(&version("1.10.0")), Ordering::Equal);
        assert_ne!(version("1.10"), version("1.10.0"));
        for (a, b) in [
            ("1.2.4", "1.2.4.0"),
            ("1.2", "01.02.00.0"),
            ("1.0.0-rc.1", "1.0-rc.01"),
            ("000018446744073709551616.0", "18446744073709551616.0"),
        ] {
            assert_eq!(version(a).cmp_release(&version(b)), Ordering::Equal, "{a} {b}");
        }
        assert_eq!(version("1.0.0+a").cmp_precedence(&version("1.0.0+b")), Ordering::Equal);
    }

    fn any_version() -> impl Strategy<Value = Version> {
        "0{0,2}[0-9]{1,3}\\.0?[0-3](\\.0{0,2}[0-9]){0,2}(-(0{0,2}[0-9]|[a-c]|rc|x-1)(\\.(0?[0-9]{1,2}|b))?)?(\\+(0{0,2}[0-9]|b)(\\.1)?)?"
            .prop_map(|text| text.parse().unwrap())
    }

    proptest! {
        #[test]
        fn order_is_total(a in any_version(), b in any_version(), c in any_version()) {
            prop_assert_eq!(a.cmp_release(&b), b.cmp_release(&a).reverse());
            if a.cmp_release(&b).is_le() && b.cmp_release(&c).is_le() {
                prop_assert!(a.cmp_release(&c).is_le());
            }
        }

        #[test]
        fn a_version_is_shown_as_written_and_read_again(text in "0{0,2}[0-9]{1,30}(\\.0{0,2}[0-9]{1,30}){1,3}(-[a-z0-9]{1,4})?(\\+[a-z0-9]{1,4})?") {
            let version = version(&text);
            prop_assert_eq!(version.as_str(), &text);
            prop_assert_eq!(&version.to_string().parse::<Version>().unwrap(), &version);
        }

        #[test]
        fn zeros_make_no_other_version(numbers in proptest::collection::vec((0_usize..3, "[0-9]{1,25}"), 2..=4), tail in "(-[a-c](\\.[0-9])?)?(\\+[a-c])?", other in any_version()) {
            let written: Vec<&str> = numbers.iter().map(|(_, digits)| digits.as_str()).collect();
            let zeros: Vec<String> = numbers.iter().map(|(zeros, digits)| format!("{}{digits}", "0".repeat(*zeros))).collect();
            let more = ".0".repeat(4 - numbers.len());
            let one = version(&format!("{}{tail}", written.join(".")));
            let same = version(&format!("{}{more}{}", zeros.join("."), tail.replace("-a.", "-a.00")));
            prop_assert_eq!(one.cmp_release(&same), Ordering::Equal);
            prop_assert_eq!(one.cmp_release(&other), same.cmp_release(&other));
        }

        #[test]
        fn order_agrees_with_semantic_versioning(a in any_version(), b in any_version()) {
            if let (Ok(x), Ok(y)) = (semver::Version::parse(a.as_str()), semver::Version::parse(b.as_str())) {
                prop_assert_eq!(a.cmp_precedence(&b), x.cmp_precedence(&y));
                prop_assert_eq!(a.cmp_release(&b), x.cmp(&y));
            }
        }

        #[test]
        fn every_semantic_version_is_a_version(text in "\\PC{0,20}") {
            if semver::Version::parse(&text).is_ok() {
                prop_assert!(text.parse::<Version>().is_ok());
            }
        }
    }
}
