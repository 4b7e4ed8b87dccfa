//! Refuses request heads that a proxy may interpret differently, and closes their connection.

use axum::http::header::{HOST, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};

use crate::edge::problem::Problem;

/// Refuses requests without exactly one valid `Host`, and bodies with a transfer coding other than
/// a single `chunked` (RFC 9112 §3.2, §6.1): the basis of request smuggling. The error is 400, or
/// 501 for an unknown coding; the connection must be closed.
pub fn one_reading(head: &Parts) -> Result<(), Problem> {
    host(head.version, &head.headers)?;
    // HTTP/2 frames its bodies itself.
    if head.version < Version::HTTP_2 { codings(head.version, &head.headers) } else { Ok(()) }
}

fn host(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let why = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => "is there twice",
        (None, _) if version == Version::HTTP_11 => "is missing",
        (Some(host), None) if !is_authority(host) => "is not a host and port",
        _ => return Ok(()),
    };
    Err(Problem::bad_request(format!("The header Host {why}")).closing())
}

fn is_authority(host: &HeaderValue) -> bool {
    // An empty host is valid for targets without one. Plain names need no parser, which allocates.
    if host.is_empty() || is_plain(host.as_bytes()) {
        return true;
    }
    let authority = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        // Userinfo (`user@`) is part of an `Authority` but invalid in `Host`; the default fails
        // both checks.
        let port = authority.as_str().strip_prefix(authority.host()).unwrap_or("@");
        let good = match port.strip_prefix(':') {
            Some(port) => port.is_empty() || port.parse::<u16>().is_ok(),
            None => port.is_empty(),
        };
        good && !authority.host().contains([',', ';', '(', ')'])
    })
}

/// Returns true for letters, digits, dots and dashes, and perhaps a port.
fn is_plain(host: &[u8]) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let end = host.iter().position(|byte| !is_of_name(byte)).unwrap_or(host.len());
    let (name, rest) = host.split_at(end);
    let port = match rest {
        [] => true,
        [b':', port @ ..] => is_port(port),
        _ => false,
    };
    !name.is_empty() && port
}

/// Returns true for one to five digits that are at most 65535.
fn is_port(text: &[u8]) -> bool {
    let value = text.iter().try_fold(0, |value: u32, byte| {
        byte.is_ascii_digit().then(|| 10 * value + u32::from(byte - b'0'))
    });
    matches!(text.len(), 1..=5) && value.is_some_and(|value| u16::try_from(value).is_ok())
}

fn codings(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(first) = lines.next() else { return Ok(()) };
    let is_chunked = first.as_bytes().eq_ignore_ascii_case(b"chunked");
    if is_chunked && lines.next().is_none() && version == Version::HTTP_11 {
        return Ok(());
    }
    let message = "Transfer-Encoding must be absent, or chunked once";
    Err(Problem::new(StatusCode::NOT_IMPLEMENTED, message).closing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_host_is_one_that_the_parser_takes_too() {
        for host in ["x", "a-b.example.com", "127.0.0.1", "x:80", "x:65535", "EXAMPLE:1"] {
            assert!(is_plain(host.as_bytes()), "{host}");
            assert!(host.parse::<Authority>().is_ok(), "{host}");
        }
        for host in [
            "", ":80", "x:", "x:65536", "x:000080", "x:a", "a b", "a,b", "u@h", "[::1]", "a_b",
            "x:1:2",
        ] {
            assert!(!is_plain(host.as_bytes()), "{host}");
        }
    }
}
