//! Host and port of a server.

use std::fmt;
use std::str::FromStr;

use registry_core::models::addresses::host_of;

/// Name or address of a host, with a port: `HOST:PORT`, or `[ADDRESS]:PORT` for IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

/// A text that is not a host with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostPort {
    /// The text may hold credentials, and is left out of the message.
    #[error(
        "must hold no credentials, which logs would show: put the user into shared.sentinel_username and \
         the password into the file shared.sentinel_password_path"
    )]
    Credentials,
    /// The host is not one.
    #[error("it has no valid host")]
    Host,
    /// The port is missing, or not one.
    #[error("its port is not a number from 1 to 65535")]
    Port,
}

impl HostPort {
    /// Parses a host, with or without the brackets of IPv6, and a port.
    pub(crate) fn parse(host: &str, port: &str) -> Result<Self, InvalidHostPort> {
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port > 0);
        let port = port.ok_or(InvalidHostPort::Port)?;
        let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
        let host = if is_bare_ipv6 { format!("[{host}]") } else { host.to_owned() };
        let host = host_of(&host).map_err(|_| InvalidHostPort::Host)?;
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port })
    }
}

impl FromStr for HostPort {
    type Err = InvalidHostPort;

    fn from_str(text: &str) -> Result<Self, InvalidHostPort> {
        if text.contains('@') {
            return Err(InvalidHostPort::Credentials);
        }
        let (host, port) = text.rsplit_once(':').ok_or(InvalidHostPort::Port)?;
        // The port of an IPv6 address without brackets could be its last part.
        if host.contains(':') && !host.starts_with('[') {
            return Err(InvalidHostPort::Host);
        }
        Self::parse(host, port)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_ports_have_one_spelling() {
        for (text, shown) in [
            ("sentinel-1.example.com:26379", "sentinel-1.example.com:26379"),
            ("Sentinel-1.Example.com:1", "sentinel-1.example.com:1"),
            ("10.0.0.1:65535", "10.0.0.1:65535"),
            ("[FD00::1]:26379", "[fd00::1]:26379"),
        ] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), shown);
        }
        let bare = HostPort::parse("fd00::1", "6379").unwrap();
        assert_eq!(bare.to_string(), "[fd00::1]:6379");
    }

    #[test]
    fn anything_else_is_refused() {
        use InvalidHostPort::{Credentials, Host, Port};
        for (text, expected) in [
            ("", Port),
            ("sentinel", Port),
            ("sentinel:", Port),
            ("sentinel:0", Port),
            ("sentinel:65536", Port),
            ("sentinel:+1", Port),
            ("sentinel:-1", Port),
            ("sentinel:x", Port),
            ("sentinel:1/0", Port),
            (":26379", Host),
            ("fd00::1:26379", Host),
            ("[fd00::1:26379", Host),
            ("redis://sentinel:26379", Host),
            ("two words:26379", Host),
            ("*.example.com:26379", Host),
            ("me:hunter2@sentinel:26379", Credentials),
            ("@", Credentials),
        ] {
            let refused = text.parse::<HostPort>().unwrap_err();
            assert_eq!(refused, expected, "{text}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }
}
