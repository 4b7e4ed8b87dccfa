//! Fuzz targets of the HTTP layers: parsers of untrusted input, with invariants of the result.
//! `scripts/fuzz` generates bytes, `fuzz/corpus` keeps inputs with new coverage, and the test replays
//! them.

#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a violated invariant must stop the run; the service never compiles this"
)]

use hyper::header::{HeaderMap, HeaderName, HeaderValue, RANGE};

use crate::api::artifact_headers;
use crate::edge::ranges;

/// `Range`: a part is never empty and lies within the artifact.
pub fn range(bytes: &[u8]) {
    let Some((size, text)) = bytes.split_first_chunk::<8>() else { return };
    let (Some(headers), size) = (header(RANGE, text), u64::from_le_bytes(*size)) else { return };
    if let ranges::WantedRange::Part(part) = ranges::wanted(&headers, size, "\"a\"") {
        assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
    }
}

/// `Content-Disposition` for any file name: a valid header, and a name without a path.
pub fn disposition(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let value = artifact_headers::disposition(&text);
    assert!(HeaderValue::from_str(&value).is_ok());
    assert!(!value.contains(['/', '\\', '\r', '\n']) && !value.contains("\"."), "{value}");
}

fn header(name: HeaderName, bytes: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_bytes(bytes).ok()?)]))
}

#[cfg(test)]
mod tests {
    use registry_testing::fuzzing::{Target, replay};

    const TARGETS: [Target; 2] = [("range", super::range), ("disposition", super::disposition)];

    #[test]
    fn targets_keep_their_invariants() {
        replay(&TARGETS);
    }
}
