//! Ranges of versions as Cargo writes them, over our lenient versions.

use std::fmt;
use std::ops::{Bound, RangeBounds as _};
use std::str::FromStr;

use semver::{Comparator, Op, Prerelease, VersionReq};

use crate::models::version::Version;

/// Longest range, in characters.
pub const CONSTRAINT_MAX: usize = 200;

/// The text is no range. Fit for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "constraint is required: 1 to {CONSTRAINT_MAX} characters, a range as Cargo writes it, such as ^1.2, ~1.2.3, 1.2.*, =1.2.3, or >=1.2, <2"
)]
pub struct InvalidConstraint;

/// A range of versions. A version lies in it by precedence alone: build metadata does not count.
///
/// What a range leaves open ends before the pre-releases of the next version: `^1.2` holds
/// 1.3.0-rc.1 and neither 1.2.0-rc.1 nor 2.0.0-rc.1. Whether pre-releases are wanted at all is the
/// caller's to say.
#[derive(Clone, Debug)]
pub struct Constraint {
    text: String,
    ranges: Vec<Range>,
}

type Range = (Bound<semver::Version>, Bound<semver::Version>);

/// Where a version lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Below the range.
    Below,
    /// In it.
    Within,
    /// Above it, or in none of its parts.
    Above,
}

impl Constraint {
    /// Where a version lies. `None` for numbers beyond 64 bits, which no range can name.
    #[must_use]
    pub fn side_of(&self, version: &Version) -> Option<Side> {
        let version = version.to_semver()?;
        let too_low = |(low, _): &Range| !(low.clone(), Bound::Unbounded).contains(&version);
        Some(if self.ranges.iter().all(|range| range.contains(&version)) {
            Side::Within
        } else if self.ranges.iter().any(too_low) {
            Side::Below
        } else {
            Side::Above
        })
    }
}

impl FromStr for Constraint {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        if text.len() > CONSTRAINT_MAX {
            return Err(InvalidConstraint);
        }
        let parsed = VersionReq::parse(text).map_err(|_| InvalidConstraint)?;
        let ranges = parsed.comparators.iter().map(range_of).collect::<Option<_>>();
        Ok(Self { text: parsed.to_string(), ranges: ranges.ok_or(InvalidConstraint)? })
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `None` for an operator that Cargo has not got yet.
fn range_of(one: &Comparator) -> Option<Range> {
    use Bound::{Excluded, Included, Unbounded};
    let (low, given) = (lowest(one), given(one));
    Some(match one.op {
        Op::Exact if given == 3 => (Included(low.clone()), Included(low)),
        Op::Exact | Op::Wildcard => (Included(low), before(one, given)),
        Op::Greater if given == 3 => (Excluded(low), Unbounded),
        Op::Greater => (after(one, given), Unbounded),
        Op::GreaterEq => (Included(low), Unbounded),
        Op::Less => (Unbounded, Excluded(low)),
        Op::LessEq if given == 3 => (Unbounded, Included(low)),
        Op::LessEq => (Unbounded, before(one, given)),
        Op::Tilde => (Included(low), before(one, given.min(2))),
        Op::Caret => (Included(low), before(one, kept_by_caret(one))),
        _ => return None,
    })
}

/// How many numbers were written.
fn given(one: &Comparator) -> u8 {
    1 + u8::from(one.minor.is_some()) + u8::from(one.patch.is_some())
}

/// How many of the numbers `^` keeps: up to the first that is not zero.
fn kept_by_caret(one: &Comparator) -> u8 {
    match (one.major, one.minor, one.patch) {
        (1.., ..) | (0, None, _) => 1,
        (0, Some(1..), _) | (0, Some(0), None) => 2,
        (0, Some(0), Some(_)) => 3,
    }
}

fn lowest(one: &Comparator) -> semver::Version {
    let (minor, patch) = (one.minor.unwrap_or_default(), one.patch.unwrap_or_default());
    semver::Version { pre: one.pre.clone(), ..semver::Version::new(one.major, minor, patch) }
}

/// The first version that does not share this many numbers; `None` past the largest number.
fn next(one: &Comparator, kept: u8) -> Option<semver::Version> {
    let semver::Version { major, minor, patch, .. } = lowest(one);
    Some(match kept {
        1 => semver::Version::new(major.checked_add(1)?, 0, 0),
        2 => semver::Version::new(major, minor.checked_add(1)?, 0),
        _ => semver::Version::new(major, minor, patch.checked_add(1)?),
    })
}

fn after(one: &Comparator, kept: u8) -> Bound<semver::Version> {
    let largest = semver::Version::new(u64::MAX, u64::MAX, u64::MAX);
    next(one, kept).map_or(Bound::Excluded(largest), Bound::Included)
}

/// Everything before the next version and its pre-releases, of which `0` is the lowest there is.
fn before(one: &Comparator, kept: u8) -> Bound<semver::Version> {
    let Some(next) = next(one, kept) else { return Bound::Unbounded };
    let pre = Prerelease::new("0").unwrap_or_default();
    Bound::Excluded(semver::Version { pre, ..next })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(constraint: &str, version: &str) -> bool {
        let constraint: Constraint = constraint.parse().unwrap();
        constraint.side_of(&version.parse().unwrap()) == Some(Side::Within)
    }

    #[test]
    fn ranges_hold_what_cargo_says_and_prereleases_by_precedence() {
        for (constraint, inside, outside) in [
            ("^1.2", &["1.2.0", "1.2", "1.10", "1.3.0-rc.1"][..], &["1.1.9", "2.0.0-rc.1"][..]),
            ("1.2.3", &["1.2.3+b", "1.9.9"], &["1.2.3-rc.1", "1.2.2", "2.0.0"]),
            ("^0.2.3", &["0.2.3", "0.2.9-a"], &["0.3.0-a", "0.3.0"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4-a", "0.0.4"]),
            ("^0.0", &["0.0.9"], &["0.1.0-a"]),
            ("^0", &["0.9.9"], &["1.0.0-a"]),
            ("~1.2", &["1.2.9", "1.2.9-a"], &["1.3.0-a", "1.2.0-a"]),
            ("~1", &["1.9.0"], &["2.0.0-a"]),
            ("1.2.*", &["1.2.0", "1.2.7-rc.1"], &["1.3.0", "1.3.0-a"]),
            ("*", &["0.1.0", "9.0.0-a"], &[]),
            ("=1.2", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("=1.2.3-rc.1", &["1.2.3-rc.1", "1.2.3-rc.1+b"], &["1.2.3", "1.2.3-rc.2"]),
            (">1.2", &["1.3.0"], &["1.2.9", "1.3.0-a"]),
            (">1.2.3, <2", &["1.2.4", "2.0.0-a"], &["1.2.3", "2.0.0"]),
            ("<=1.2", &["1.2.9", "0.1.0"], &["1.3.0-a"]),
            ("<=1.2.3", &["1.2.3"], &["1.2.4"]),
            (">=18446744073709551615", &["18446744073709551615.0.0"], &["1.0.0"]),
            ("^18446744073709551615", &["18446744073709551615.1.0"], &["1.0.0"]),
            (">18446744073709551615", &[], &["18446744073709551615.1.0"]),
        ] {
            for version in inside {
                assert!(holds(constraint, version), "{constraint} {version}");
            }
            for version in outside {
                assert!(!holds(constraint, version), "{constraint} {version}");
            }
        }
    }

    #[test]
    fn numbers_beyond_64_bits_lie_nowhere() {
        let all: Constraint = "*".parse().unwrap();
        assert_eq!(all.side_of(&"18446744073709551616.0.0".parse().unwrap()), None);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let long = format!("1{}", " ".repeat(CONSTRAINT_MAX));
        for bad in ["", " ", "latest", "^", "1.2.3.4", "^1.2 || ^2", "1 - 2", ">=1 <2", "v1", &long]
        {
            assert_eq!(bad.parse::<Constraint>().err(), Some(InvalidConstraint), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn stable_versions_lie_where_cargo_says(
            constraint in "(\\^|~|=|>|>=|<|<=)?[0-3](\\.[0-3](\\.[0-3](-a)?)?)?",
            version in "[0-3]\\.[0-3]\\.[0-3]",
        ) {
            let theirs = VersionReq::parse(&constraint).unwrap();
            let expected = theirs.matches(&version.parse().unwrap());
            prop_assert_eq!(holds(&constraint, &version), expected);
        }
    }
}
