//! Public base URL of the service.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use url::Url;

/// The URL before `/api/v1`: `http` or `https`, optional port and path, no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

/// Error for an invalid public URL. The message is for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be http:// or https://, a host, and perhaps a port and a path of A-Z a-z 0-9 - . _ ~, without \
     credentials, query and fragment, such as https://extensions.example.com/registry"
)]
pub struct InvalidPublicUrl;

impl PublicUrl {
    /// Returns the URL of a listener for clients on this machine: loopback if it listens on all.
    #[must_use]
    pub fn of_listener(address: SocketAddr, has_tls: bool) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = if has_tls { "https" } else { "http" };
        Self(format!("{scheme}://{}", SocketAddr::new(ip, address.port())).into())
    }

    /// Returns scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.get(..self.path_start()).unwrap_or(&self.0)
    }

    /// Returns the path, without a slash at its end; empty at the root.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.get(self.path_start()..).unwrap_or_default()
    }

    fn path_start(&self) -> usize {
        let authority = self.0.find("://").map_or(0, |at| at + 3);
        let path = self.0.get(authority..).and_then(|rest| rest.find('/'));
        path.map_or(self.0.len(), |at| authority + at)
    }

    /// Appends a path of this service, which begins with a slash.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidPublicUrl)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = path.trim_end_matches('/');
        // Checked before `Url` parses the text, which would resolve dots, backslashes and white
        // space silently instead of refusing them.
        let is_plain = path.split('/').skip(1).all(is_segment);
        let is_authority =
            !host.is_empty() && host.chars().all(|c| !c.is_control() && !" \\@?#".contains(c));
        let url = Url::parse(text).map_err(|_| InvalidPublicUrl)?;
        let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
        // Port 0 is valid in a URL, but a client cannot connect to it.
        if !is_web || !is_plain || !is_authority || url.port() == Some(0) {
            return Err(InvalidPublicUrl);
        }
        // The serialized origin has no default port, and its host is in normal form.
        Ok(Self(format!("{}{path}", url.origin().ascii_serialization()).into()))
    }
}

fn is_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_to_one_form() {
        for (text, expected) in [
            ("https://extensions.example.com", "https://extensions.example.com"),
            ("https://extensions.example.com/", "https://extensions.example.com"),
            ("HTTPS://Extensions.Example.com:443/", "https://extensions.example.com"),
            ("http://127.0.0.1:8082", "http://127.0.0.1:8082"),
            ("http://[::1]:8082//", "http://[::1]:8082"),
            ("https://a.example/registry/", "https://a.example/registry"),
            ("https://a.example/a/B.1_c~d-e", "https://a.example/a/B.1_c~d-e"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(
                text.parse::<PublicUrl>().map(|url| url.to_string()).as_deref(),
                Ok(expected)
            );
        }
    }

    #[test]
    fn an_address_has_an_origin_and_a_path() {
        for (text, origin, path) in [
            ("https://a.example", "https://a.example", ""),
            ("http://[::1]:8082/", "http://[::1]:8082", ""),
            ("https://a.example/a/b", "https://a.example", "/a/b"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.origin(), url.path()), (origin, path));
        }
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for bad in [
            "",
            "extensions.example.com",
            "//extensions.example.com",
            "https://",
            "https:///a",
            "https:a.example",
            "ftp://a.example",
            "https://a.example?x",
            "https://a.example/?x=1",
            "https://a.example/#x",
            "https://a.example#x",
            "https://me@a.example",
            "https://me:secret@a.example/",
            "https://a.example//b",
            "https://a.example/../b",
            "https://a.example/%2e%2e/b",
            "https://a.example/a b",
            "https://a.example/ä",
            "https://a.example\\b",
            "https://a.example/\\b",
            "https://a.example/\r\nX: y",
            "https://a\n.example",
            "https://a.example:99999",
            "https://a.example:0",
            " https://a.example",
        ] {
            assert_eq!(bad.parse::<PublicUrl>(), Err(InvalidPublicUrl), "{bad:?}");
        }
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_this_machine() {
        for (address, expected) in [
            ("127.0.0.1:8082", "http://127.0.0.1:8082"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:8082", "http://[::1]:8082"),
            ("10.0.0.1:1", "http://10.0.0.1:1"),
            ("[fe80::1%2]:8082", "http://[fe80::1]:8082"),
        ] {
            let url = PublicUrl::of_listener(address.parse().unwrap(), false);
            assert_eq!(url.at("/x"), format!("{expected}/x"));
            let url = PublicUrl::of_listener(address.parse().unwrap(), true);
            assert_eq!(url.to_string(), expected.replace("http://", "https://"));
        }
    }
}
