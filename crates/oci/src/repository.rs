//! Namespace at a registry, and the repositories in it.

use std::fmt;
use std::str::FromStr;

use registry_core::models::backend_kind::BackendKind;
use registry_core::models::naming::ExtensionId;
use registry_core::models::naming::near_miss::{NearMiss, near_miss};

/// Maximum length of a repository name, in characters.
const NAME_MAX: usize = 255;

/// Path of a namespace: all segments before the repository's last, in lowercase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(Box<str>);

/// The text is not a valid namespace. The message is for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a namespace is one or more segments of a-z 0-9 . _ - joined by /, each beginning and ending with a letter or digit"
)]
pub struct InvalidNamespace;

impl Namespace {
    /// Returns the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the extension in the repository with this full path, if it holds one.
    ///
    /// The namespace must match exactly: deeper paths and mere prefixes are outside.
    #[must_use]
    pub fn extension_of(&self, path: &str) -> Option<ExtensionId> {
        let (namespace, segment) = path.rsplit_once('/')?;
        (namespace == self.as_str()).then(|| ExtensionId::from_oci_repository(segment))?
    }

    /// Returns the reason why a name in this namespace nearly fits, if it does.
    #[must_use]
    pub fn near_miss(&self, path: &str) -> Option<NearMiss> {
        let (namespace, segment) = path.rsplit_once('/')?;
        if !namespace.eq_ignore_ascii_case(self.as_str()) {
            return None;
        }
        near_miss(segment, BackendKind::Oci).or_else(|| {
            let id = ExtensionId::from_oci_repository(segment)?;
            (namespace != self.as_str()).then(|| NearMiss::in_upper_case(id))
        })
    }

    /// Returns the repository of an extension.
    #[must_use]
    pub fn repository_of(&self, id: &ExtensionId) -> OciRepository {
        OciRepository(format!("{self}/{}", id.oci_repository().to_ascii_lowercase()).into())
    }
}

impl FromStr for Namespace {
    type Err = InvalidNamespace;

    fn from_str(text: &str) -> Result<Self, InvalidNamespace> {
        // Registries only accept repository names in lowercase (distribution-spec, "Pulling
        // manifests").
        let path = text.to_ascii_lowercase();
        let fits = path.len() < NAME_MAX && path.split('/').all(is_segment);
        if fits { Ok(Self(path.into())) } else { Err(InvalidNamespace) }
    }
}

fn is_segment(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    bytes.first().copied().is_some_and(is_alphanumeric)
        && bytes.last().copied().is_some_and(is_alphanumeric)
        && bytes.iter().all(|byte| is_alphanumeric(*byte) || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Full path of a repository for requests, in lowercase.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OciRepository(Box<str>);

impl OciRepository {
    /// Returns the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OciRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_paths_in_lower_case() {
        for (text, expected) in [
            ("provisioning", Some("provisioning")),
            ("Team/Infra-1", Some("team/infra-1")),
            ("a.b/c_d", Some("a.b/c_d")),
            ("", None),
            ("/a", None),
            ("a/", None),
            ("a//b", None),
            ("..", None),
            ("a/../b", None),
            ("a b", None),
            ("a?b", None),
            ("-a", None),
        ] {
            let parsed = text.parse::<Namespace>();
            assert_eq!(parsed.ok().as_ref().map(Namespace::as_str), expected, "{text}");
        }
    }

    #[test]
    fn only_repositories_right_in_the_namespace_are_ours() {
        let namespace: Namespace = "provisioning".parse().unwrap();
        for (path, expected) in [
            ("provisioning/aws-provider", Some("provider/aws")),
            ("provisioning/docs", None),
            ("provisioning/sub/x-taskserv", None),
            ("provisioningx/x-provider", None),
            ("other/aws-provider", None),
            ("gcp-provider", None),
        ] {
            let id = namespace.extension_of(path).map(|id| id.to_string());
            assert_eq!(id.as_deref(), expected, "{path}");
        }
        let deep: Namespace = "a/b".parse().unwrap();
        assert!(deep.extension_of("a/b/x-cluster").is_some());
        assert!(deep.extension_of("b/x-cluster").is_none());
    }

    #[test]
    fn only_repositories_in_the_namespace_are_near_misses() {
        let namespace: Namespace = "provisioning".parse().unwrap();
        for (path, expected) in [
            ("provisioning/aws_prov", Some("provider/aws")),
            ("provisioning/AWS-Provider", Some("provider/aws")),
            ("Provisioning/aws-provider", Some("provider/aws")),
            ("provisioning/aws-provider", None),
            ("provisioning/docs", None),
            ("provisioning/sub/aws_prov", None),
            ("provisioningx/aws_prov", None),
            ("Provisioning/docs", None),
            ("aws_prov", None),
        ] {
            let near = namespace.near_miss(path);
            let meant = near.as_ref().and_then(NearMiss::meant).map(ToString::to_string);
            assert_eq!(meant.map(|id| id.to_lowercase()).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn registries_are_asked_in_lower_case() {
        let namespace: Namespace = "Provisioning".parse().unwrap();
        let id = ExtensionId::from_oci_repository("AWS-Provider").unwrap();
        assert_eq!(namespace.repository_of(&id).as_str(), "provisioning/aws-provider");
    }
}
