//! Address of a registry: parsing of the configured text, and the URLs built from it.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Host names of Docker Hub. Its API is served at the last one.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Address of a registry: `host[:port][/path]`, HTTPS unless it begins with `http://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryAddress {
    /// Base URL with a trailing slash, to which `v2/…` is appended.
    base: Url,
}

/// The text is not the address of a registry. The message is for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a registry is host, host:port or host/path, for plain HTTP with http:// before it, without user, query or fragment"
)]
pub struct InvalidAddress;

impl RegistryAddress {
    /// Returns the URL of a path in the distribution API, such as `_catalog`.
    ///
    /// The parts must be valid in a URL, as names, tags and digests are by their grammars.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}v2/{path}", self.base.path()));
        url
    }

    /// Returns the web address of a repository: `https://host/namespace/repository`.
    #[must_use]
    pub fn page(&self, repository: &str) -> String {
        format!("{}{repository}", self.base)
    }

    /// Returns the base URL, for comparisons of origins.
    #[must_use]
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// Returns true if `host[:port]` refers to this registry. The default port is its scheme's.
    #[must_use]
    pub fn is_called(&self, authority: &str) -> bool {
        let Ok(other) = Url::parse(&format!("{}://{authority}/", self.base.scheme())) else {
            return false;
        };
        let same_host = other.host() == self.base.host() || is_hub(&other) && is_hub(&self.base);
        same_host && other.port_or_known_default() == self.base.port_or_known_default()
    }

    /// Returns the host, and the port unless it is the default.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

fn is_hub(url: &Url) -> bool {
    url.host_str().is_some_and(is_docker_hub)
}

fn is_docker_hub(host: &str) -> bool {
    DOCKER_HUB.iter().any(|name| name.eq_ignore_ascii_case(host))
}

impl FromStr for RegistryAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (scheme, rest) = (scheme.to_ascii_lowercase(), rest.trim_end_matches('/'));
        // A user or password here would end up in logs and in `/health`, which show the address.
        if !matches!(scheme.as_str(), "http" | "https") || rest.contains(['@', '?', '#', '\\', ' '])
        {
            return Err(InvalidAddress);
        }
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        // `docker.io` itself serves a web site, not the API.
        let host = if is_docker_hub(host) { "registry-1.docker.io" } else { host };
        let slash = if path.is_empty() { "" } else { "/" };
        let base = Url::parse(&format!("{scheme}://{host}/{path}{slash}"));
        let base = base.map_err(|_| InvalidAddress)?;
        let hosted = base.host_str().is_some_and(|host| !host.is_empty());
        if hosted { Ok(Self { base }) } else { Err(InvalidAddress) }
    }
}

impl fmt::Display for RegistryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_unless_they_say_otherwise() {
        for (text, base) in [
            ("registry.example.com", "https://registry.example.com/"),
            ("registry.example.com:5000/", "https://registry.example.com:5000/"),
            ("http://localhost:5000", "http://localhost:5000/"),
            ("HTTP://localhost:5000", "http://localhost:5000/"),
            ("Https://registry.example.com", "https://registry.example.com/"),
            ("https://host/nexus/docker", "https://host/nexus/docker/"),
            ("docker.io", "https://registry-1.docker.io/"),
            ("[::1]:5000", "https://[::1]:5000/"),
        ] {
            let address: RegistryAddress = text.parse().unwrap();
            assert_eq!(address.base().as_str(), base, "{text}");
        }
        for bad in ["", "http://", "ftp://host", "user@host", "host?x", "a b", "host:port", "///"] {
            assert_eq!(bad.parse::<RegistryAddress>(), Err(InvalidAddress), "{bad:?}");
        }
    }

    #[test]
    fn endpoints_stand_under_the_path() {
        let address: RegistryAddress = "http://host:5000/sub".parse().unwrap();
        let url = address.endpoint("ns/x-provider/tags/list");
        assert_eq!(url.as_str(), "http://host:5000/sub/v2/ns/x-provider/tags/list");
        assert_eq!(address.page("ns/x"), "http://host:5000/sub/ns/x");
        assert_eq!(address.authority(), "host:5000");
        assert_eq!(address.to_string(), "http://host:5000/sub");
    }
}
