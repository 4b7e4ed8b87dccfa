//! Address of an engine, as operators write it.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::host_port::{HostPort, InvalidHostPort};

/// Address of a server: `redis://HOST:PORT/DATABASE`, or `rediss://` for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineAddress {
    /// Host and port; 6379 if no port is named.
    pub server: HostPort,
    /// Number of the database; 0 if none is named.
    pub database: u16,
    /// True for TLS.
    pub has_tls: bool,
}

/// A text that is no address of an engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEngineAddress {
    /// The text has credentials. They are left out of the message.
    #[error(
        "must hold no credentials, which logs would show: put the user into shared.username and the \
         password into the file shared.password_path"
    )]
    Credentials,
    /// The text has another form.
    #[error(
        "{0}; write redis://HOST:PORT/DATABASE, or rediss:// for TLS, such as redis://valkey.example.com:6379/0"
    )]
    Form(&'static str),
}

impl EngineAddress {
    /// Returns the address of another server, with this scheme and database.
    pub(crate) fn at(&self, server: HostPort) -> Self {
        Self { server, ..self.clone() }
    }
}

impl FromStr for EngineAddress {
    type Err = InvalidEngineAddress;

    fn from_str(text: &str) -> Result<Self, InvalidEngineAddress> {
        // First of all: no message about the rest may show a password.
        if text.contains('@') {
            return Err(InvalidEngineAddress::Credentials);
        }
        let form = InvalidEngineAddress::Form;
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(form("it has spaces or control characters"));
        }
        let url = Url::parse(text).map_err(|_| form("it is no address"))?;
        let has_tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(form("it begins with another scheme")),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(form("it has a query or a fragment"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(form("it has no host"))?;
        // Schemes without a standard of their own leave hosts unparsed.
        let port = url.port().unwrap_or(6379).to_string();
        let server = HostPort::parse(host, &port).map_err(|invalid| match invalid {
            InvalidHostPort::Port => form("its port is 0"),
            InvalidHostPort::Host | InvalidHostPort::Credentials => form("it has no valid host"),
        })?;
        let database = match url.path().trim_start_matches('/') {
            "" => 0,
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().map_err(|_| form("its database is too large a number"))?
            }
            _ => return Err(form("its path is not the number of a database")),
        };
        Ok(Self { server, database, has_tls })
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.has_tls { "rediss" } else { "redis" };
        write!(f, "{scheme}://{}/{}", self.server, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_defaults_and_one_spelling() {
        for (text, shown) in [
            ("redis://valkey.example.com", "redis://valkey.example.com:6379/0"),
            ("rediss://Valkey.Example.com:6380/3", "rediss://valkey.example.com:6380/3"),
            ("redis://10.0.0.1:7000/", "redis://10.0.0.1:7000/0"),
            ("redis://[fd00::1]:6379/15", "redis://[fd00::1]:6379/15"),
            ("REDIS://localhost", "redis://localhost:6379/0"),
        ] {
            assert_eq!(text.parse::<EngineAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn anything_else_is_refused_and_no_message_shows_what_was_written() {
        for text in [
            "",
            " ",
            "valkey",
            "valkey:6379",
            "http://valkey",
            "redis:",
            "redis:valkey",
            "redis://",
            "redis:///0",
            "redis://:6379",
            "redis://valkey:0",
            "redis://valkey:99999",
            "redis://valkey:x",
            "redis://valkey/x",
            "redis://valkey/-1",
            "redis://valkey/+1",
            "redis://valkey/1/2",
            "redis://valkey/65536",
            "redis://valkey?db=1",
            "redis://valkey/0?password=hunter2",
            "redis://valkey#x",
            "redis://val key",
            "redis://valkey\n",
            "redis://*.example.com",
            "redis+unix:///tmp/x",
            "unix:///tmp/x",
        ] {
            let error = text.parse::<EngineAddress>().unwrap_err();
            assert!(matches!(error, InvalidEngineAddress::Form(_)), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        for text in
            ["redis://u:hunter2@valkey", "redis://:hunter2@valkey", "u:hunter2@", "redis://a@b@c"]
        {
            let error = text.parse::<EngineAddress>().unwrap_err();
            assert_eq!(error, InvalidEngineAddress::Credentials);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
