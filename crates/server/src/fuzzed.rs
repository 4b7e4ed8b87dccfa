//! Fuzz targets of the HTTP layers: parsers of untrusted input, with invariants of the result.
//! `scripts/fuzz` generates bytes, `fuzz/corpus` keeps inputs with new coverage, and the test replays
//! them.

#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a violated invariant must stop the run; the service never compiles this"
)]

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RANGE};

use crate::api::artifact_headers;
use crate::api::extract::QueryString;
use crate::edge::ranges;
use crate::oci::paging::PagedNames;
use crate::oci::repository::RepositoryPath;
use crate::oci::target::{OciRoute, PullTarget};

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

/// Target `oci_path`: an end point is found the same way twice, a repository leads out of nothing,
/// and its extension has this repository.
pub fn oci_path(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else { return };
    let Some(target) = PullTarget::parse(path) else { return };
    assert_eq!(OciRoute::of(path), Some(target.route));
    if let Some(Ok(digest)) = target.digest() {
        assert_eq!(digest.to_string(), target.reference);
    }
    let Ok(repository) = target.repository.parse::<RepositoryPath>() else { return };
    assert!(!repository.as_str().split('/').any(|part| part.is_empty() || part.starts_with('.')));
    let Some((namespace, _)) = repository.as_str().rsplit_once('/') else { return };
    let Ok(namespace) = namespace.parse::<RepositoryPath>() else { return };
    if let Some(id) = namespace.extension_at(&repository) {
        assert_eq!(namespace.repository_of(&id), Some(repository));
    }
}

/// Target `oci_list`: the first line is a query, the others are a list. A page is not longer than asked
/// for, begins after `last`, and has a valid link to the next one.
pub fn oci_list(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let Ok(uri) = format!("/v2/_catalog?{}", lines.next().unwrap_or_default()).parse::<Uri>()
    else {
        return;
    };
    let Ok(page) = QueryString::of(&uri).and_then(|query| PagedNames::of(&query)) else { return };
    let is_plain = |line: &&str| line.bytes().all(|byte| byte.is_ascii_graphic());
    let mut items: Vec<&str> = lines.filter(is_plain).collect();
    items.sort_unstable();
    items.dedup();
    let (found, more) = page.of_items(&items);
    assert!(found.len() <= page.count);
    assert!(found.iter().all(|item| page.last.as_ref().is_none_or(|last| **item > **last)));
    if let Some(last) = more {
        assert_eq!(Some(&last), found.last());
        assert!(page.link("/v2/_catalog", last).is_some());
    }
}

fn header(name: HeaderName, bytes: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_bytes(bytes).ok()?)]))
}

#[cfg(test)]
mod tests {
    use registry_testing::fuzzing::{Target, replay};

    const TARGETS: [Target; 4] = [
        ("range", super::range),
        ("disposition", super::disposition),
        ("oci_path", super::oci_path),
        ("oci_list", super::oci_list),
    ];

    #[test]
    fn targets_keep_their_invariants() {
        replay(&TARGETS);
    }
}
