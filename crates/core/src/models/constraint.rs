//! Version ranges in Cargo's syntax over the lenient versions of this crate.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, RangeBounds as _};
use std::str::FromStr;

use semver::{Comparator, Op, Prerelease, VersionReq};

use crate::models::version::{Version, is_number, without_leading_zeros};

/// Maximum length of a range, in characters.
pub const CONSTRAINT_MAX: usize = 200;

/// Error for a text that is not a range. The message is safe for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "constraint is required: 1 to {CONSTRAINT_MAX} characters, a range as Cargo writes it, such as ^1.2, ~1.2.3, 1.2.*, =1.2.3, =1.2.3.4, or >=1.2, <2"
)]
pub struct InvalidConstraint;

/// A range of versions. A version matches by its first three numbers and its pre-release, not by
/// build metadata; a fourth number counts only after `=`: `=1.2.3` matches 1.2.3.4. An open upper
/// end stops before the pre-releases of the next version: `^1.2` matches 1.3.0-rc.1 but neither
/// 1.2.0-rc.1 nor 2.0.0-rc.1. The caller decides if pre-releases are wanted at all.
#[derive(Clone, Debug)]
pub struct Constraint {
    text: String,
    ranges: Vec<Range>,
}

#[derive(Clone, Debug)]
struct Range {
    low: Bound<semver::Version>,
    high: Bound<semver::Version>,
    fourth: Option<Box<str>>,
}

/// Position of a version relative to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Below at least one comparator.
    Below,
    /// Inside the range.
    Within,
    /// Above at least one comparator and below none.
    Above,
}

impl Constraint {
    /// Returns the position; `None` if one of the first three numbers exceeds 64 bits.
    #[must_use]
    pub fn side_of(&self, version: &Version) -> Option<Side> {
        let bare = version.to_semver()?;
        // All comparators must match, so one that does not match decides. A version that is below
        // one comparator and above another counts as below.
        let sides = self.ranges.iter().map(|range| range.side_of(version, &bare));
        let decisive = sides.max_by_key(|side| match side {
            Side::Within => 0,
            Side::Above => 1,
            Side::Below => 2,
        });
        Some(decisive.unwrap_or(Side::Within))
    }
}

impl Range {
    fn side_of(&self, version: &Version, bare: &semver::Version) -> Side {
        let low = (self.low.as_ref(), Bound::Unbounded);
        let high = (Bound::Unbounded, self.high.as_ref());
        if !low.contains(bare) {
            Side::Below
        } else if !high.contains(bare) {
            Side::Above
        } else {
            match self.fourth.as_ref().map(|number| version.cmp_fourth(number)) {
                Some(Ordering::Less) => Side::Below,
                Some(Ordering::Equal) | None => Side::Within,
                Some(Ordering::Greater) => Side::Above,
            }
        }
    }
}

impl FromStr for Constraint {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        // Checked before the parser runs, which bounds the work for hostile input.
        if text.len() > CONSTRAINT_MAX {
            return Err(InvalidConstraint);
        }
        let parts: Option<Vec<Part>> = text.split(',').map(Part::of).collect();
        let (plain, fourths): (Vec<String>, Vec<_>) =
            parts.ok_or(InvalidConstraint)?.into_iter().map(|one| (one.plain, one.fourth)).unzip();
        let parsed = VersionReq::parse(&plain.join(",")).map_err(|_| InvalidConstraint)?;
        // `*` parses to no comparators, and every version matches.
        if parsed.comparators.is_empty() {
            return Ok(Self { text: parsed.to_string(), ranges: Vec::new() });
        }
        // `VersionReq` keeps the order of the comparators, so each lines up with its fourth number.
        let comparators = parsed.comparators.iter().zip(&fourths);
        let texts = comparators.clone().map(|(one, fourth)| written(one, *fourth));
        let texts: Vec<String> = texts.collect();
        let ranges = comparators.map(|(one, fourth)| range_of(one, *fourth));
        let ranges = ranges.collect::<Option<_>>().ok_or(InvalidConstraint)?;
        Ok(Self { text: texts.join(", "), ranges })
    }
}

struct Part<'a> {
    /// Text for the `semver` crate: at most three numbers, without leading zeros.
    plain: String,
    fourth: Option<&'a str>,
}

impl<'a> Part<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let operator_end = text.find(|c: char| !"=<>~^".contains(c) && !c.is_whitespace());
        let (operator, version) = text.split_at_checked(operator_end.unwrap_or(text.len()))?;
        let version = version.trim_end();
        let end = version.find(['-', '+']).unwrap_or(version.len());
        let (core, tail) = version.split_at_checked(end)?;
        let (core, fourth) = match core.match_indices('.').nth(2) {
            Some((at, _)) => (core.get(..at)?, core.get(at + 1..)),
            None => (core, None),
        };
        let mut numbers = core.split('.').chain(fourth);
        if fourth.is_some() && (operator.trim() != "=" || !numbers.all(is_number)) {
            return None;
        }
        // `semver` refuses leading zeros, but calendar versions such as `2025.02.03` have them.
        let (core, tail) = (without_leading_zeros(core), plain_tail(tail));
        Some(Self { plain: format!("{operator}{core}{tail}"), fourth })
    }
}

fn plain_tail(tail: &str) -> String {
    let (pre, build) = tail.split_at(tail.find('+').unwrap_or(tail.len()));
    match pre.strip_prefix('-') {
        Some(pre) => format!("-{}{build}", without_leading_zeros(pre)),
        None => tail.to_owned(),
    }
}

fn written(one: &Comparator, fourth: Option<&str>) -> String {
    let Some(fourth) = fourth else { return one.to_string() };
    let bare = Comparator { pre: Prerelease::EMPTY, ..one.clone() };
    let pre = if one.pre.is_empty() { String::new() } else { format!("-{}", one.pre) };
    format!("{bare}.{}{pre}", without_leading_zeros(fourth))
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn range_of(one: &Comparator, fourth: Option<&str>) -> Option<Range> {
    use Bound::{Excluded, Included, Unbounded};
    let (low, given) = (lowest(one), given(one));
    let (low, high) = match one.op {
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
    };
    Some(Range { low, high, fourth: fourth.map(Into::into) })
}

fn given(one: &Comparator) -> u8 {
    1 + u8::from(one.minor.is_some()) + u8::from(one.patch.is_some())
}

/// Returns the number of components that `^` keeps: up to the first nonzero one.
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

/// Returns the first version that differs in one of the first `kept` numbers; `None` on overflow.
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

/// Returns the bound below the next version and its pre-releases; `0` is the lowest pre-release.
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
            ("^1.2.3", &["1.2.3.4", "1.2.3.0"], &["1.2.2.9"]),
            ("=1.2.3", &["1.2.3.4", "1.2.3", "01.2.3"], &["1.2.4"]),
            ("=1.2.3.4", &["1.2.3.4", "1.2.3.04+b"], &["1.2.3", "1.2.3.5", "1.2.4.4"]),
            ("= 1.2.3.0", &["1.2.3", "1.2.3.0"], &["1.2.3.1"]),
            ("=1.2.3.4-rc.01", &["1.2.3.4-rc.1"], &["1.2.3.4", "1.2.3-rc.1"]),
            ("=1.2.3.4, <2", &["1.2.3.4"], &["1.2.3.5"]),
            (">=1.2.3, =1.2.3.4", &["1.2.3.4"], &["1.2.3", "1.2.3.5"]),
            ("=2025.02.03", &["2025.02.03", "2025.2.3"], &["2025.02.04"]),
            ("^2025.01", &["2025.01.15", "2025.12"], &["2024.12.31", "2026.01.01"]),
            (">2024.12.31, <2025.02", &["2025.01.15"], &["2025.02.01"]),
            ("=1.0.0-rc.01", &["1.0.0-rc.1"], &["1.0.0-rc.2"]),
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
        for bad in
            ["^1.2.3.4", ">=1.2.3.4", "=1.2.3.4.5", "=1.2.3.x", "=1.2.*.4", "=1.2.3.", "*, 1"]
        {
            assert_eq!(bad.parse::<Constraint>().err(), Some(InvalidConstraint), "{bad}");
        }
    }

    #[test]
    fn a_range_is_shown_as_it_is_understood() {
        for (text, shown) in [
            ("1.2", "^1.2"),
            (" =1.2.3.04 ", "=1.2.3.4"),
            ("=1.2.3.4-rc.01+b , <2", "=1.2.3.4-rc.1, <2"),
            (">=2025.01.05", ">=2025.1.5"),
            ("*", "*"),
        ] {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), shown);
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
