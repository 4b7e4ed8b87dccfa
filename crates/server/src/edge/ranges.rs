//! Single byte ranges (RFC 9110, §14).

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_RANGE, RANGE};

/// Part of an artifact to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedRange {
    /// No range, several, a malformed one, or one for another version of the artifact.
    Whole,
    /// A nonempty part within the artifact.
    Part(Range<u64>),
    /// Nothing: the range lies outside the artifact.
    Outside,
}

/// Parses `Range` and `If-Range` for an artifact of this size and strong entity tag.
#[must_use]
pub fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> WantedRange {
    // A range of a replaced artifact would be appended to bytes of the old one.
    let other_artifact = headers.get(IF_RANGE).is_some_and(|value| value != etag);
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
    match range.and_then(|range| range.strip_prefix("bytes=")) {
        Some(range) if !other_artifact => part(range.trim(), size).unwrap_or(WantedRange::Whole),
        _ => WantedRange::Whole,
    }
}

fn part(range: &str, size: u64) -> Option<WantedRange> {
    let (first, last) = range.split_once('-')?;
    let part = match (digits(first), digits(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return None,
    };
    Some(if part.is_empty() { WantedRange::Outside } else { WantedRange::Part(part) })
}

fn digits(text: &str) -> Option<u64> {
    // A number that exceeds 64 bits lies beyond every artifact.
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(range: &str, if_range: Option<&str>) -> WantedRange {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        if let Some(if_range) = if_range {
            headers.insert(IF_RANGE, if_range.parse().unwrap());
        }
        wanted(&headers, 10, r#""e""#)
    }

    #[test]
    fn single_ranges_are_read() {
        for (range, expected) in [
            ("bytes=0-3", WantedRange::Part(0..4)),
            ("bytes=4-", WantedRange::Part(4..10)),
            ("bytes=-3", WantedRange::Part(7..10)),
            ("bytes=-30", WantedRange::Part(0..10)),
            ("bytes=9-99999999999999999999999", WantedRange::Part(9..10)),
            ("bytes=10-", WantedRange::Outside),
            ("bytes=-0", WantedRange::Outside),
            ("bytes=99999999999999999999999-", WantedRange::Outside),
            ("bytes=3-2", WantedRange::Whole),
            ("bytes=0-1,3-4", WantedRange::Whole),
            ("bytes=a-b", WantedRange::Whole),
            ("bytes=-", WantedRange::Whole),
            ("bytes=+1-2", WantedRange::Whole),
            ("items=0-1", WantedRange::Whole),
        ] {
            assert_eq!(ask(range, None), expected, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_artifact_is_the_whole_of_this_one() {
        assert_eq!(ask("bytes=0-3", Some(r#""e""#)), WantedRange::Part(0..4));
        assert_eq!(ask("bytes=0-3", Some(r#"W/"e""#)), WantedRange::Whole);
        assert_eq!(ask("bytes=0-3", Some("Mon, 01 Jan 2024 00:00:00 GMT")), WantedRange::Whole);
    }
}
