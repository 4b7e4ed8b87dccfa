//! Headers of an archive download: entity tag, digest, file name, cache policy.

use axum::http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use registry_core::models::artifact::Artifact;
use registry_core::models::digest::Algorithm;
use registry_core::models::extension::{Release, ReleaseVersion};
use registry_core::models::tag::Tag;

use crate::edge::cache_policy::CachePolicy;

/// Header with the digest of the whole artifact (RFC 9530).
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Sets the headers common to all responses for this artifact.
pub fn describe(response: &mut Response, artifact: &Artifact, etag: &str) {
    set(response, ETAG, etag);
    set(response, ACCEPT_RANGES, "bytes");
    set(response, CONTENT_TYPE, "application/octet-stream");
    set(response, CONTENT_DISPOSITION, &disposition(&artifact.file_name));
    if let Some(digest) = &artifact.digest {
        let algorithm = match digest.algorithm() {
            Algorithm::Sha256 => "sha-256",
            Algorithm::Sha512 => "sha-512",
        };
        let encoded = BASE64_STANDARD.encode(digest.to_bytes());
        set(response, REPR_DIGEST, &format!("{algorithm}=:{encoded}:"));
    }
}

/// Returns the cache policy of bytes of this artifact; `None` if they must not be stored.
#[must_use]
pub fn policy_of(release: &Release, artifact: &Artifact, asked: &Tag) -> Option<CachePolicy> {
    // `latest` and unversioned tags move: only a version may be cached without revalidation.
    let fixed = matches!(release.version, ReleaseVersion::Version(_)) && asked.as_str() != "latest";
    (fixed && artifact.digest.is_some()).then_some(CachePolicy::Hour)
}

/// Returns the strong entity tag of an artifact: its digest, or else the backend's identifier.
#[must_use]
pub fn etag_of(artifact: &Artifact) -> String {
    let identity =
        artifact.digest.as_ref().map_or_else(|| artifact.key.to_string(), ToString::to_string);
    // The identifier may come from a backend; a quote or control character would break the header.
    let safe: String = identity.chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect();
    format!("\"{safe}\"")
}

/// Formats `Content-Disposition` with a file name that is safe on every system and in every header.
pub(crate) fn disposition(file_name: &str) -> String {
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    // Well below the 255 bytes that most file systems allow for a name.
    let name: String = base.chars().take(200).collect();
    let name = name.replace(|c: char| !(c.is_ascii_alphanumeric() || "._+-".contains(c)), "_");
    // A leading dot would hide the file, and a leading dash looks like an option to shell tools.
    let name = name.trim_start_matches(['.', '-']);
    format!("attachment; filename=\"{}\"", if name.is_empty() { "extension" } else { name })
}

/// Sets a header; a value that is invalid in headers is omitted.
pub fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_file_names_become_safe_ones() {
        for (name, expected) in [
            ("aws-1.2.0.tar.gz", "aws-1.2.0.tar.gz"),
            ("../../etc/passwd", "passwd"),
            ("a\"b\r\nX: y.zip", "a_b__X__y.zip"),
            ("ünïcode.zip", "_n_code.zip"),
            ("..", "extension"),
            ("", "extension"),
            ("-rf", "rf"),
        ] {
            assert_eq!(disposition(name), format!("attachment; filename=\"{expected}\""));
        }
    }
}
