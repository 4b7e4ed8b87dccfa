//! Targets of `publish`: `local:PATH`, `oci://HOST[/PATH]/NAMESPACE`, `gitea://HOST[/PATH]/ORGANIZATION`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use registry_oci::address::RegistryAddress;
use registry_oci::repository::Namespace;
use url::Url;

/// Where a version is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishTarget {
    /// A directory of image layouts.
    Layouts(PathBuf),
    /// A namespace of an OCI registry.
    Oci(OciTarget),
    /// An organization of Gitea or Forgejo.
    Gitea(GiteaTarget),
}

/// A namespace of an OCI registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciTarget {
    /// The registry.
    pub registry: RegistryAddress,
    /// Path before the name of a repository.
    pub namespace: Namespace,
}

/// An organization of Gitea or Forgejo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiteaTarget {
    /// Address before `/api/v1`, with a slash at its end.
    pub base: Url,
    /// Name of the organization.
    pub organization: String,
}

/// The text is no target. The message is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a target is local:PATH, oci://HOST[/PATH]/NAMESPACE or gitea://HOST[/PATH]/ORGANIZATION, or with oci+http or gitea+http for plain HTTP: {0}"
)]
pub struct InvalidTarget(String);

impl PublishTarget {
    /// Returns true if no request is sent to it.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Layouts(_))
    }
}

impl FromStr for PublishTarget {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(path) = text.strip_prefix("local:") {
            return if path.is_empty() {
                Err(InvalidTarget("the path is empty".to_owned()))
            } else {
                Ok(Self::Layouts(path.into()))
            };
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(InvalidTarget(format!("{text:?} has no scheme")));
        };
        let scheme = scheme.to_ascii_lowercase();
        // A password would be visible to other users of the machine.
        if rest.contains(['@', '?', '#', '\\', ' ']) {
            let reason = "it has a user, a query or other characters that belong to no address";
            return Err(InvalidTarget(reason.to_owned()));
        }
        let place = rest.trim_end_matches('/').rsplit_once('/');
        let missing = || InvalidTarget(format!("{text:?} has no path after the host"));
        match scheme.as_str() {
            "oci" => OciTarget::parse("https", rest).map(Self::Oci),
            "oci+http" => OciTarget::parse("http", rest).map(Self::Oci),
            "gitea" | "gitea+http" => {
                let (host, organization) = place.ok_or_else(missing)?;
                let scheme = if scheme == "gitea" { "https" } else { "http" };
                GiteaTarget::parse(scheme, host, organization).map(Self::Gitea)
            }
            _ => Err(InvalidTarget(format!("the scheme {scheme} is not one of these"))),
        }
    }
}

impl OciTarget {
    /// The whole path is the namespace: registries serve `/v2/` at the root of their host.
    fn parse(scheme: &str, rest: &str) -> Result<Self, InvalidTarget> {
        let Some((host, namespace)) = rest.trim_end_matches('/').split_once('/') else {
            return Err(InvalidTarget("the namespace is missing".to_owned()));
        };
        let registry = format!("{scheme}://{host}").parse();
        let registry = registry.map_err(|error| InvalidTarget(format!("{host:?}: {error}")))?;
        let parsed = namespace.parse();
        let namespace = parsed.map_err(|error| InvalidTarget(format!("{namespace:?}: {error}")))?;
        Ok(Self { registry, namespace })
    }
}

impl GiteaTarget {
    fn parse(scheme: &str, host: &str, organization: &str) -> Result<Self, InvalidTarget> {
        let is_name = organization.starts_with(|first: char| first.is_ascii_alphanumeric())
            && organization
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if !is_name {
            return Err(InvalidTarget(format!("{organization:?} is no organization")));
        }
        let base = Url::parse(&format!("{scheme}://{host}/"));
        let base = base.map_err(|error| InvalidTarget(format!("{host:?}: {error}")))?;
        if base.host_str().is_none_or(str::is_empty) {
            return Err(InvalidTarget("the host is missing".to_owned()));
        }
        Ok(Self { base, organization: organization.to_owned() })
    }
}

impl fmt::Display for PublishTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layouts(path) => write!(f, "local:{}", path.display()),
            Self::Oci(target) => write!(f, "{target}"),
            Self::Gitea(target) => write!(f, "{target}"),
        }
    }
}

impl fmt::Display for OciTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.registry.authority();
        let scheme = if self.registry.base().scheme() == "http" { "oci+http" } else { "oci" };
        write!(f, "{scheme}://{host}/{}", self.namespace)
    }
}

impl fmt::Display for GiteaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.base.as_str();
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let scheme = if self.base.scheme() == "http" { "gitea+http" } else { "gitea" };
        write!(f, "{scheme}://{rest}{}", self.organization)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_shown_alike() {
        for text in [
            "local:/srv/extensions",
            "local:here",
            "oci://registry.example.com/provisioning",
            "oci://registry.example.com:5000/team/infra",
            "oci+http://127.0.0.1:5000/provisioning",
            "gitea://git.example.com/extensions",
            "gitea+http://127.0.0.1:3000/sub/path/extensions",
        ] {
            assert_eq!(text.parse::<PublishTarget>().unwrap().to_string(), text);
        }
        let slash = "gitea://git.example.com/extensions/".parse::<PublishTarget>().unwrap();
        assert_eq!(slash.to_string(), "gitea://git.example.com/extensions");
    }

    #[test]
    fn what_is_no_target_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "scheme"),
            ("/srv", "scheme"),
            ("local:", "empty"),
            ("https://registry.example.com/x", "not one of these"),
            ("oci://registry.example.com", "namespace"),
            ("oci://registry.example.com/", "namespace"),
            ("oci:///x", "host"),
            ("oci://host/-x", "segments"),
            ("oci://user:secret@host/x", "user"),
            ("gitea://git.example.com", "path"),
            ("gitea://host:port/org", "port"),
            ("gitea://host/or g", "characters"),
            ("gitea://host/-org", "organization"),
        ] {
            let reason = text.parse::<PublishTarget>().unwrap_err().to_string();
            assert!(reason.contains(part), "{text}: {reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }
}
