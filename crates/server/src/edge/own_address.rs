//! Address of this service as its clients see it: the origin, and the path before every page.

use axum::http::header::HOST;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, Uri};
use registry_core::models::public_url::PublicUrl;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Maximum length of a prefix, in bytes.
const PREFIX_MAX: usize = 256;
/// Origin of a request that names no host, such as one of HTTP/1.0.
const UNKNOWN_ORIGIN: &str = "http://localhost";

/// Rules by which the address is determined.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    /// The configured address, which overrules what requests name.
    pub public_url: Option<PublicUrl>,
    /// Path below which everything lies; empty for the root.
    pub base_path: String,
    /// True if clients connect with TLS.
    pub has_tls: bool,
}

/// Address of this service as one client sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddress {
    /// Scheme, host and port.
    pub origin: String,
    /// Path before every page, without a slash at its end; empty for the root.
    pub prefix: String,
    /// True if a proxy named a prefix that is not usable, and so ignored.
    pub is_prefix_ignored: bool,
}

impl AddressRules {
    /// Returns the address for a request. Headers of proxies count only if the peer is `trusted`.
    #[must_use]
    pub fn address(&self, uri: &Uri, headers: &HeaderMap, trusted: bool) -> OwnAddress {
        if let Some(url) = &self.public_url {
            let (origin, prefix) = (url.origin().to_owned(), url.path().to_owned());
            return OwnAddress { origin, prefix, is_prefix_ignored: false };
        }
        let forwarded = |name| trusted.then(|| last_value(headers, &name)).flatten();
        let scheme = match forwarded(X_FORWARDED_PROTO) {
            Some(named @ ("http" | "https")) => named,
            _ if self.has_tls => "https",
            _ => "http",
        };
        // HTTP/2 names the host in the target.
        let named = uri.authority().map(axum::http::uri::Authority::as_str);
        let named = forwarded(X_FORWARDED_HOST).or(named);
        let host = named.or_else(|| headers.get(HOST)?.to_str().ok());
        let origin = host.and_then(|host| origin(scheme, host));
        let given = forwarded(X_FORWARDED_PREFIX).filter(|prefix| !matches!(*prefix, "" | "/"));
        let prefix = given.map(|given| self.prefix(given));
        OwnAddress {
            origin: origin.unwrap_or_else(|| UNKNOWN_ORIGIN.to_owned()),
            is_prefix_ignored: matches!(prefix, Some(None)),
            prefix: prefix.flatten().unwrap_or_else(|| self.base_path.clone()),
        }
    }

    /// Returns the whole prefix; `None` if what a proxy names is not a plain path.
    fn prefix(&self, given: &str) -> Option<String> {
        let path = given.strip_suffix('/').unwrap_or(given);
        let is_short = path.len() + self.base_path.len() <= PREFIX_MAX;
        let is_plain = is_short && path.starts_with('/') && !path.ends_with('/');
        let url = format!("{UNKNOWN_ORIGIN}{path}").parse::<PublicUrl>();
        url.ok().filter(|_| is_plain).map(|url| format!("{}{}", url.path(), self.base_path))
    }

    /// Removes the base path from a target. Returns false if the target lies outside.
    pub fn enter(&self, uri: &mut Uri) -> bool {
        if self.base_path.is_empty() {
            return true;
        }
        let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
        let inside = match target.strip_prefix(&self.base_path) {
            Some("") => Some("/".to_owned()),
            Some(rest) if rest.starts_with('/') => Some(rest.to_owned()),
            Some(rest) if rest.starts_with('?') => Some(format!("/{rest}")),
            _ => None,
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = inside.and_then(|inside| PathAndQuery::try_from(inside).ok());
        let entered = parts.path_and_query.is_some().then(|| Uri::from_parts(parts).ok()).flatten();
        let Some(entered) = entered else { return false };
        *uri = entered;
        true
    }
}

/// Returns the origin of a host in normal form; `None` for anything but a host and perhaps a port.
fn origin(scheme: &str, host: &str) -> Option<String> {
    // What URLs allow besides these is a name that no resolver knows.
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if !host.chars().all(is_host) {
        return None;
    }
    let url = format!("{scheme}://{host}").parse::<PublicUrl>().ok()?;
    Some(url.origin().to_owned())
}

/// Returns true if a proxy names another address than the host, or claims to be a proxy.
#[must_use]
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    let names = [X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PREFIX];
    names.iter().any(|name| headers.contains_key(name))
}

/// Returns the value that the nearest proxy wrote.
fn last_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(rules: &AddressRules, headers: &[(&HeaderName, &str)], trusted: bool) -> String {
        let headers = headers.iter().map(|(name, value)| ((*name).clone(), value.parse().unwrap()));
        let headers = headers.into_iter().collect::<HeaderMap>();
        let OwnAddress { origin, prefix, is_prefix_ignored } =
            rules.address(&Uri::from_static("/"), &headers, trusted);
        format!("{origin}{prefix}{}", if is_prefix_ignored { " ignored" } else { "" })
    }

    #[test]
    fn a_host_is_taken_only_as_an_authority() {
        let rules = AddressRules::default();
        for (host, expected) in [
            ("a.example", "http://a.example"),
            ("A.example:80", "http://a.example"),
            ("[::1]:8082", "http://[::1]:8082"),
            ("a.example/x", UNKNOWN_ORIGIN),
            ("me@a.example", UNKNOWN_ORIGIN),
            ("a\"b", UNKNOWN_ORIGIN),
            ("a.example#", UNKNOWN_ORIGIN),
            ("", UNKNOWN_ORIGIN),
        ] {
            assert_eq!(address(&rules, &[(&HOST, host)], false), expected, "{host}");
        }
        assert_eq!(address(&rules, &[], false), UNKNOWN_ORIGIN);
        let uri = Uri::from_static("https://b.example/x");
        let rules = AddressRules { has_tls: true, ..rules };
        assert_eq!(rules.address(&uri, &HeaderMap::new(), false).origin, "https://b.example");
    }

    #[test]
    fn proxies_are_believed_if_they_are_trusted() {
        let rules = AddressRules::default();
        let headers = [
            (&HOST, "inner"),
            (&X_FORWARDED_PROTO, "https"),
            (&X_FORWARDED_HOST, "evil.example, a.example"),
            (&X_FORWARDED_PREFIX, "/registry/"),
        ];
        assert_eq!(address(&rules, &headers, true), "https://a.example/registry");
        assert_eq!(address(&rules, &headers, false), "http://inner");
        let below = AddressRules { base_path: "/base".to_owned(), ..rules.clone() };
        assert_eq!(address(&below, &headers, true), "https://a.example/registry/base");
        assert_eq!(address(&below, &headers, false), "http://inner/base");
        let url = Some("https://set.example/a".parse().unwrap());
        let configured = AddressRules { public_url: url, ..rules };
        assert_eq!(address(&configured, &headers, true), "https://set.example/a");
    }

    #[test]
    fn prefixes_that_lead_elsewhere_are_ignored() {
        let rules = AddressRules::default();
        let long = format!("/{}", "a".repeat(256));
        for bad in ["//evil.example", "/a/../b", "/a\\b", "a", "/a b", "/a?b", "/a//", &long] {
            let headers = [(&HOST, "x"), (&X_FORWARDED_PREFIX, bad)];
            assert_eq!(address(&rules, &headers, true), "http://x ignored", "{bad}");
        }
        assert_eq!(address(&rules, &[(&HOST, "x"), (&X_FORWARDED_PREFIX, "/")], true), "http://x");
    }

    #[test]
    fn everything_lies_below_the_base_path() {
        let rules = AddressRules { base_path: "/a".to_owned(), ..AddressRules::default() };
        for (target, expected) in [
            ("/a", Some("/")),
            ("/a/", Some("/")),
            ("/a?q=1", Some("/?q=1")),
            ("/a/b/a?q=/a", Some("/b/a?q=/a")),
            ("/ab", None),
            ("/", None),
            ("/b/a", None),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            let is_inside = rules.enter(&mut uri);
            let entered = uri.to_string();
            assert_eq!(is_inside.then_some(entered.as_str()), expected, "{target}");
        }
    }
}
