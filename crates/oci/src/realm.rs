//! Validation of token servers, and of the credentials that each may receive.
//!
//! A realm is the registry's claim about the recipient of our password. The password is sent to the
//! registry's own origin, to port 443 of hosts in the same registered domain (public suffix list),
//! and to hosts in the configuration. Without credentials, any public server may be used
//! (docs/adr/0023).

use psl::{List, Psl as _};
use url::{Host, Url};

/// Domains shared by customers with token servers, which the public suffix list lacks.
const SHARED: [&str; 2] = ["azurecr.io", "jfrog.io"];

/// A token server that may be used.
#[derive(Debug, PartialEq, Eq)]
pub struct Realm {
    /// Address of the server.
    pub url: Url,
    /// True if the operator configured the server, which may then be private.
    pub chosen: bool,
}

/// Reason why a token server may not be used, for operators, with the host and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedRealm {
    /// The realm is not the address of a server.
    #[error("its realm is not an HTTP address")]
    NoAddress,
    /// The server is on plain HTTP.
    #[error("{0} is named without HTTPS")]
    Plain(String),
    /// The server is at another port of the registry's host, perhaps opened by another user.
    #[error(
        "{server} has another port than the registry at {registry}, so it gets no request; if it is the right server, add it to token_hosts"
    )]
    OtherPort {
        /// Host and port of the token server.
        server: String,
        /// Host and port of the registry.
        registry: String,
    },
    /// The server is in another domain.
    #[error(
        "{host} is outside the domain of {registry}, so it gets no credentials; if it is the right server, add it to token_hosts"
    )]
    Stranger {
        /// Host that would receive the credentials.
        host: String,
        /// Host of the registry that the credentials belong to.
        registry: String,
    },
}

/// The text is not a host name or address. The message is for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a host is a name or an address, with a port where only that one is meant, such as \
     auth.example.com or auth.example.com:8443; without scheme or *"
)]
pub struct InvalidHost;

/// Location of a token server in the configuration: a host, or one port on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHost {
    host: Host,
    /// Port, or `None` for any port.
    port: Option<u16>,
}

impl TokenHost {
    fn is_at(&self, url: &Url) -> bool {
        let port = self.port.is_none_or(|port| url.port_or_known_default() == Some(port));
        port && url.host().is_some_and(|host| host.to_owned() == self.host)
    }
}

/// Parses a host with an optional port.
pub fn host_of(text: &str) -> Result<TokenHost, InvalidHost> {
    let text = text.trim();
    let (host, port) = match text.rsplit_once(':') {
        // The colons within the brackets of an IPv6 address do not separate a port.
        Some((host, port)) if !port.ends_with(']') => {
            let digits = port.chars().all(|c| c.is_ascii_digit());
            let port = port.parse().ok().filter(|port| digits && *port != 0);
            (host, Some(port.ok_or(InvalidHost)?))
        }
        _ => (text, None),
    };
    match Host::parse(host) {
        Ok(Host::Domain(name)) if !name.bytes().all(is_plain) => Err(InvalidHost),
        Ok(host) => Ok(TokenHost { host, port }),
        Err(_) => Err(InvalidHost),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// Returns the token server at a realm if the registry may refer to it. Private addresses that
/// the operator did not configure are refused later, when a connection is opened.
pub fn check(
    realm: &str,
    registry: &Url,
    token_hosts: &[TokenHost],
    shows_us: bool,
) -> Result<Realm, RefusedRealm> {
    let url = Url::parse(realm).map_err(|_| RefusedRealm::NoAddress)?;
    // A user in the realm would replace our credentials or end up in the logs.
    let bare = url.username().is_empty() && url.password().is_none();
    let (Some(host), Some(home), true) = (url.host(), registry.host(), bare) else {
        return Err(RefusedRealm::NoAddress);
    };
    let chosen =
        url.origin() == registry.origin() || token_hosts.iter().any(|named| named.is_at(&url));
    let other_port =
        || RefusedRealm::OtherPort { server: place_of(&url), registry: place_of(registry) };
    match url.scheme() {
        "https" => {}
        // A registry that is configured with plain HTTP exposes the credentials to its network
        // anyway.
        "http" if host == home && registry.scheme() == "http" => {
            if !chosen {
                return Err(other_port());
            }
        }
        "http" => return Err(RefusedRealm::Plain(host.to_string())),
        _ => return Err(RefusedRealm::NoAddress),
    }
    // Without credentials the token server learns nothing that any client would not send.
    if shows_us && !chosen {
        let kin = same_domain(&host, &home);
        // On a shared machine any user may open a port.
        if host == home && !kin || kin && url.port().is_some() {
            return Err(other_port());
        }
        if !kin {
            let (host, registry) = (host.to_string(), home.to_string());
            return Err(RefusedRealm::Stranger { host, registry });
        }
    }
    Ok(Realm { url, chosen })
}

fn place_of(url: &Url) -> String {
    let port = url.port_or_known_default().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Returns true if both hosts belong to one registrant. If the public suffix list does not cover a
/// domain, as in private networks, only the configuration can tell.
fn same_domain(one: &Host<&str>, other: &Host<&str>) -> bool {
    match (one, other) {
        (Host::Domain(one), Host::Domain(other)) => {
            registered(one).is_some_and(|domain| Some(domain) == registered(other))
        }
        _ => false,
    }
}

/// Returns the registered part of a name: `docker.io` for `auth.docker.io`.
fn registered(name: &str) -> Option<&str> {
    // Under an unlisted suffix such as `corp.internal`, two names may have different owners.
    let domain = List.domain(name.as_bytes()).filter(|domain| domain.suffix().is_known())?;
    let domain = std::str::from_utf8(domain.as_bytes()).ok()?;
    (!SHARED.contains(&domain)).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(realm: &str, registry: &str) -> Result<Realm, RefusedRealm> {
        check(realm, &registry.parse().unwrap(), &[], true)
    }

    /// Cases from the realm tests of go-containerregistry and distribution, and of the registries
    /// in docs/oci.md.
    #[test]
    fn who_is_of_the_registrys_domain_is_told_who_we_are() {
        for (realm, registry) in [
            ("https://auth.docker.io/token", "https://registry-1.docker.io/"),
            ("https://gitlab.com/jwt/auth", "https://registry.gitlab.com/"),
            ("https://gitlab.example.com/jwt/auth", "https://registry.example.com/"),
            ("https://auth.example.com/token", "https://registry.eu.example.com:5000/"),
            ("https://example.co.uk/token", "https://registry.example.co.uk/"),
            ("https://api.digitalocean.com/v2/registry/auth", "https://registry.digitalocean.com/"),
            ("https://ghcr.io/token", "https://ghcr.io/"),
            ("https://quay.io/v2/auth", "https://quay.io/"),
            ("https://GHCR.io:443/token", "https://ghcr.io/"),
            ("https://gitlab.example.com/jwt/auth", "https://gitlab.example.com:5050/"),
            ("https://acme.azurecr.io/oauth2/token", "https://acme.azurecr.io/"),
            ("https://registry:5000/token", "https://registry:5000/"),
            ("https://harbor.corp.internal/service/token", "https://harbor.corp.internal/"),
            ("https://10.0.0.5:5000/token", "https://10.0.0.5:5000/"),
            ("https://[fd00::1]:5000/token", "https://[fd00::1]:5000/"),
            ("http://127.0.0.1:5000/token", "http://127.0.0.1:5000/"),
            ("http://registry/token", "http://registry:80/"),
        ] {
            let found = told(realm, registry);
            assert_eq!(found.map(|found| found.url), Ok(realm.parse().unwrap()), "{registry}");
        }
    }

    #[test]
    fn strangers_are_asked_only_where_nothing_is_shown() {
        for (realm, registry) in [
            ("https://evil.example.net/token", "https://registry.example.com/"),
            ("https://registry.example.com.evil.net/token", "https://registry.example.com/"),
            ("https://evilexample.com/token", "https://registry.example.com/"),
            ("https://docker.io.evil.net/token", "https://registry-1.docker.io/"),
            ("https://evil.co.uk/token", "https://example.co.uk/"),
            ("https://evil.github.io/token", "https://acme.github.io/"),
            ("https://evil.azurecr.io/oauth2/token", "https://acme.azurecr.io/"),
            ("https://evil.jfrog.io/token", "https://acme.jfrog.io/"),
            ("https://evil.io/token", "https://ghcr.io/"),
            ("https://auth.corp.internal/token", "https://registry.corp.internal/"),
            ("https://auth/token", "https://registry/"),
            ("https://10.0.0.6/token", "https://10.0.0.5/"),
            ("https://169.254.169.254/token", "https://registry.example.com/"),
            ("https://93.184.216.34/token", "https://93.184.216.35/"),
            ("https://[fd00:ec2::254]/token", "https://registry.example.com/"),
        ] {
            let refused = told(realm, registry).unwrap_err();
            assert!(matches!(refused, RefusedRealm::Stranger { .. }), "{realm}: {refused}");
            let registry: Url = registry.parse().unwrap();
            assert!(check(realm, &registry, &[], false).is_ok(), "{realm}");
            let named = host_of(realm.parse::<Url>().unwrap().host_str().unwrap()).unwrap();
            assert!(check(realm, &registry, &[named], true).unwrap().chosen, "{realm}");
        }
    }

    #[test]
    fn s12_other_ports_are_told_who_we_are_only_where_the_operator_names_them() {
        for (realm, registry, anyone_may_ask) in [
            ("http://127.0.0.1:4351/token", "http://127.0.0.1:5000/", false),
            ("http://registry.example.com:4351/token", "http://registry.example.com/", false),
            ("https://127.0.0.1:4351/token", "http://127.0.0.1:5000/", true),
            ("https://registry.example.com:8443/token", "https://registry.example.com/", true),
            ("https://auth.example.com:8443/token", "https://registry.example.com:8443/", true),
            ("https://registry/token", "https://registry:5000/", true),
            ("https://10.0.0.5/token", "https://10.0.0.5:5000/", true),
            ("https://[fd00::1]/token", "https://[fd00::1]:5000/", true),
        ] {
            let base: Url = registry.parse().unwrap();
            let refused = told(realm, registry).unwrap_err();
            assert!(matches!(refused, RefusedRealm::OtherPort { .. }), "{realm}: {refused}");
            for part in [place_of(&realm.parse().unwrap()), place_of(&base), "token_hosts".into()] {
                assert!(refused.to_string().contains(&part), "{refused}");
            }
            let asked = check(realm, &base, &[], false);
            assert_eq!(asked.is_ok_and(|realm| !realm.chosen), anyone_may_ask, "{realm}");
            let url: Url = realm.parse().unwrap();
            let (host, port) = (url.host_str().unwrap(), url.port_or_known_default().unwrap());
            for (named, holds) in [
                (host.to_owned(), true),
                (format!("{host}:{port}"), true),
                (format!("{host}:{}", port + 1), false),
            ] {
                let named = host_of(&named).unwrap();
                assert_eq!(check(realm, &base, &[named], true).is_ok(), holds, "{realm}");
            }
        }
    }

    #[test]
    fn what_is_no_server_with_https_is_never_asked() {
        for (realm, registry) in [
            ("http://auth.example.com/token", "https://registry.example.com/"),
            ("http://registry.example.com/token", "https://registry.example.com/"),
            ("http://auth.example.com/token", "http://registry.example.com/"),
            ("http://169.254.169.254/token", "http://registry.example.com/"),
            ("https://user@registry.example.com/", "https://registry.example.com/"),
            ("ftp://registry.example.com/", "https://registry.example.com/"),
            ("file:///etc/passwd", "https://registry.example.com/"),
            ("data:text/plain,x", "https://registry.example.com/"),
            ("/token", "https://registry.example.com/"),
            ("//registry.example.com/token", "https://registry.example.com/"),
            ("", "https://registry.example.com/"),
        ] {
            let base: Url = registry.parse().unwrap();
            let anyone = ["auth.example.com", "169.254.169.254"].map(|host| host_of(host).unwrap());
            for shows_us in [true, false] {
                let refused = check(realm, &base, &anyone, shows_us).unwrap_err();
                assert!(!matches!(refused, RefusedRealm::Stranger { .. }), "{realm}: {refused}");
            }
        }
    }

    #[test]
    fn the_operator_reads_whom_to_name_and_where() {
        let refused = told("https://evil.net/token?secret=1", "https://registry.example.com/");
        let text = refused.unwrap_err().to_string();
        for part in ["evil.net", "registry.example.com", "token_hosts"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for good in [
            "auth.example.com",
            " AUTH.example.com ",
            "10.0.0.1",
            "[fd00::1]",
            "auth.example.com:443",
            "10.0.0.1:8443",
            "[fd00::1]:8443",
        ] {
            assert!(host_of(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ":443",
            "https://auth.example.com",
            "auth.example.com:",
            "auth.example.com:0",
            "auth.example.com:+443",
            "auth.example.com:65536",
            "fd00::1",
            "*.example.com",
            "a b",
        ] {
            assert_eq!(host_of(bad), Err(InvalidHost), "{bad}");
        }
    }
}
