//! Origins, hosts and addresses as operators write them, parsed to what they mean.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// Returns the origin as browsers send it: lower case, without the default port of the scheme.
pub fn origin_of(text: &str) -> Result<String, String> {
    // Browsers send it for files and sandboxed pages.
    if text == "null" {
        return Ok(text.to_owned());
    }
    let none = || {
        format!(
            "{text:?} is no origin: write scheme, host and perhaps a port, such as \
             https://app.example.com or http://localhost:8080, and nothing behind them; \"*\" is any"
        )
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(none)?;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '@' | '\\' | '*');
    let is_scheme =
        scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let url = Url::parse(text).ok().filter(|_| is_scheme && rest.chars().all(plain));
    let url = url.ok_or_else(none)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(none)?;
    if url.origin().is_tuple() {
        return Ok(url.origin().ascii_serialization());
    }
    // Schemes of applications, such as tauri://, have no port of their own.
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Ok(format!("{}://{}{port}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase()))
}

/// Parses an origin that CORS may allow, or `*` for every origin.
pub fn allowed_origin(text: &str) -> Result<String, String> {
    if text == "*" { Ok(text.to_owned()) } else { origin_of(text) }
}

/// Parses a network, or the network of a single address.
pub fn network_of(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().ok().or(address.ok()).ok_or_else(|| {
        format!("{text:?} is not an address such as 10.0.0.1 and no network such as 10.0.0.0/8")
    })
}

/// Parses a host without a port. The error describes a host.
pub fn host_of(text: &str) -> Result<String, String> {
    match Host::parse(text) {
        Ok(Host::Domain(name)) if !is_name(&name) => {}
        Ok(host) => return Ok(host.to_string()),
        Err(_) => {}
    }
    Err(format!(
        "{text:?} is no host: write a name or an address, such as files.example.com, without scheme, \
         port, path or *"
    ))
}

/// Parses a name or an address to listen on, with or without the brackets of IPv6.
pub fn listening_host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let is_address = bare.parse::<Ipv4Addr>().is_ok() || bare.parse::<Ipv6Addr>().is_ok();
    if is_address || is_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is no address to listen on: write 0.0.0.0, ::, another address of this machine or \
         its name; the port is server.port"
    ))
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !text.is_empty() && text.len() <= 253 && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for (text, origin) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.com:443", "https://app.example.com"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("tauri://localhost", "tauri://localhost"),
            ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
            ("null", "null"),
        ] {
            assert_eq!(origin_of(text).as_deref(), Ok(origin));
        }
        for bad in [
            "",
            "app.example.com",
            "https://",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://*.example.com",
            "https://a b",
            "https://a\r\nX: y",
            "https://a:99999",
            "data:text/plain",
            " https://a",
        ] {
            assert!(origin_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_have_neither_port_nor_path() {
        for (text, host) in [
            ("files.example.com", "files.example.com"),
            ("FILES.example.com", "files.example.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("[fd00::1]", "[fd00::1]"),
        ] {
            assert_eq!(host_of(text).as_deref(), Ok(host));
        }
        for bad in ["", "a:443", "https://a", "a/b", "*.a", "a b", "fd00::1", "a\r\nb", "u@a"] {
            assert!(host_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_listened_on_is_a_name_or_an_address() {
        for good in ["0.0.0.0", "::", "[::1]", "localhost", "host_1.example"] {
            assert_eq!(listening_host(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "http://a", "0.0.0.0:80", "[::1]:80", "a\r\nb"] {
            assert!(listening_host(bad).is_err(), "{bad}");
        }
    }
}
