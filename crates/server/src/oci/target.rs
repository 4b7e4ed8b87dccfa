//! Paths of the OCI pull API, parsed from the right: the name of a repository has any number of
//! slashes.

use percent_encoding::percent_decode_str;
use registry_core::models::digest::{Digest, InvalidDigest};

use crate::edge::problem::Problem;
use crate::oci::code::OciCode;
use crate::urls::OCI;

/// An end point of the OCI pull API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OciRoute {
    /// Check of the API version.
    Base,
    /// List of repositories.
    Catalog,
    /// Tags of a repository.
    Tags,
    /// A manifest, by tag or digest.
    Manifests,
    /// A blob.
    Blobs,
    /// Manifests that refer to a digest.
    Referrers,
}

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullTarget {
    /// End point.
    pub route: OciRoute,
    /// Name of the repository as the client gives it; empty for routes without one.
    pub repository: String,
    /// Tag or digest as the client gives it; empty for routes without one.
    pub reference: String,
}

impl OciRoute {
    /// Every end point.
    pub const ALL: [Self; 6] =
        [Self::Base, Self::Catalog, Self::Tags, Self::Manifests, Self::Blobs, Self::Referrers];

    /// Returns the label in metrics and the log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Base => "/v2/",
            Self::Catalog => "/v2/_catalog",
            Self::Tags => "/v2/{repository}/tags/list",
            Self::Manifests => "/v2/{repository}/manifests/{reference}",
            Self::Blobs => "/v2/{repository}/blobs/{digest}",
            Self::Referrers => "/v2/{repository}/referrers/{digest}",
        }
    }

    /// Returns the end point of a path; `None` for other paths.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        split(path).map(|(route, ..)| route)
    }
}

impl PullTarget {
    /// Parses a path. `None` for a path of no end point, and for a name or reference that is not UTF-8.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (route, repository, reference) = split(path)?;
        Some(Self { route, repository: decoded(repository)?, reference: decoded(reference)? })
    }

    /// Returns true if the reference is written as a digest, which no tag can be.
    #[must_use]
    pub fn is_by_digest(&self) -> bool {
        self.reference.contains(':')
    }

    /// Returns the digest; `None` for a reference that is not written as one.
    ///
    /// # Errors
    ///
    /// 400 if it is malformed.
    #[must_use]
    pub fn digest(&self) -> Option<Result<Digest, Problem>> {
        self.is_by_digest().then(|| self.reference.parse().map_err(Self::no_digest))
    }

    /// Returns the error of a reference that is no digest.
    #[must_use]
    pub fn no_digest(error: InvalidDigest) -> Problem {
        OciCode::DigestInvalid.problem(Problem::bad_request(error.to_string()))
    }
}

fn split(path: &str) -> Option<(OciRoute, &str, &str)> {
    let rest = path.strip_prefix(OCI)?;
    if matches!(rest, "" | "/") {
        return Some((OciRoute::Base, "", ""));
    }
    let rest = rest.strip_prefix('/')?;
    if rest == "_catalog" {
        return Some((OciRoute::Catalog, "", ""));
    }
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return Some((OciRoute::Tags, repository, ""));
    }
    let (head, reference) = rest.rsplit_once('/')?;
    let (repository, kind) = head.rsplit_once('/')?;
    let route = match kind {
        "manifests" => OciRoute::Manifests,
        "blobs" => OciRoute::Blobs,
        "referrers" => OciRoute::Referrers,
        _ => return None,
    };
    (!reference.is_empty()).then_some((route, repository, reference))
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_parsed_from_the_right() {
        for (path, route, repository, reference) in [
            ("/v2", OciRoute::Base, "", ""),
            ("/v2/", OciRoute::Base, "", ""),
            ("/v2/_catalog", OciRoute::Catalog, "", ""),
            ("/v2/a/tags/list", OciRoute::Tags, "a", ""),
            ("/v2/a/tags/list/tags/list", OciRoute::Tags, "a/tags/list", ""),
            ("/v2/a/b/manifests/1.0", OciRoute::Manifests, "a/b", "1.0"),
            ("/v2/manifests/manifests/blobs", OciRoute::Manifests, "manifests", "blobs"),
            ("/v2/a/manifests/tags/list", OciRoute::Tags, "a/manifests", ""),
            ("/v2/a/blobs/sha256:0", OciRoute::Blobs, "a", "sha256:0"),
            ("/v2/a/blobs/sha256%3A0", OciRoute::Blobs, "a", "sha256:0"),
            ("/v2/a/referrers/x", OciRoute::Referrers, "a", "x"),
            ("/v2/..%2fa/tags/list", OciRoute::Tags, "../a", ""),
            ("/v2/_catalog/tags/list", OciRoute::Tags, "_catalog", ""),
        ] {
            let parsed = PullTarget::parse(path).unwrap();
            let PullTarget { route: found, repository: name, reference: of } = parsed;
            assert_eq!((found, &*name, &*of), (route, repository, reference), "{path}");
        }
        for path in [
            "/",
            "/v2x",
            "/v1/",
            "/v2/a",
            "/v2/a/",
            "/v2/tags/list",
            "/v2/manifests/a",
            "/v2/a/manifests/",
            "/v2/a/blobs/uploads/",
            "/v2/_catalog/",
            "/v2/a/tags/other",
            "/v2/a/manifests/%ff",
            "/v2//",
        ] {
            assert_eq!(PullTarget::parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn names_and_references_come_back(name in "[a-z/%._-]{1,30}", tag in "[a-zA-Z0-9._-]{1,20}") {
            let path = format!("/v2/{name}/manifests/{tag}");
            if let Some(target) = PullTarget::parse(&path) {
                prop_assert_eq!(target.reference, tag);
            }
        }

        #[test]
        fn no_path_makes_the_parser_panic(path in "/v2\\PC{0,60}") {
            let _ = PullTarget::parse(&path);
        }
    }
}
