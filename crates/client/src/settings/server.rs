//! The registry that a command asks, and the token for it.

use std::fmt;
use std::path::Path;

use registry_core::models::public_url::PublicUrl;
use secrecy::SecretString;
use url::{Host, Url};

use crate::cli::Options;
use crate::environment::Environment;
use crate::failure::{ClientFailure, Result};
use crate::settings::{StoredCredentials, find_manifest};

const DEFAULT: &str = "http://127.0.0.1:8082";
const URL: &str = "EXTENSION_REGISTRY_URL";
const TOKEN: &str = "EXTENSION_REGISTRY_TOKEN";
const TOKEN_FILE: &str = "EXTENSION_REGISTRY_TOKEN_FILE";

/// A registry.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address before `/api/v1`.
    pub url: PublicUrl,
    /// Who chose it.
    pub chosen: Chosen,
}

/// Who chose the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The flag `--server`.
    Flag,
    /// The variable.
    Variable,
    /// `extensions.toml`, which may come from somebody else.
    Manifest,
    /// `client.toml`.
    ClientFile,
    /// Nothing else did.
    Default,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "--server",
            Self::Variable => URL,
            Self::Manifest => "extensions.toml",
            Self::ClientFile => "client.toml",
            Self::Default => "the default",
        })
    }
}

impl Server {
    /// Returns true if a token may be sent: over TLS, or to this machine.
    #[must_use]
    pub fn is_private(&self) -> bool {
        Url::parse(self.url.origin()).is_ok_and(|url| is_private(&url))
    }

    /// Returns the failure of sending a token in the clear.
    #[must_use]
    pub fn in_the_clear(&self) -> ClientFailure {
        let message = format!("a token is not sent to {} over plain HTTP", self.url.origin());
        ClientFailure::usage(message).hint("use an address that begins with https://")
    }
}

/// Returns true if credentials may be sent to an address: over TLS, or to this machine.
#[must_use]
pub fn is_private(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || is_loopback
}

/// Finds the registry of a command that is run in this directory.
pub(super) fn find(
    options: &Options,
    environment: &Environment,
    directory: &Path,
    client_file: Option<String>,
) -> Result<Server> {
    let manifest = || -> Result<Option<String>> {
        Ok(find_manifest(directory)?.and_then(|manifest| manifest.url().map(str::to_owned)))
    };
    let (text, chosen) = if let Some(url) = options.server.clone() {
        (url, Chosen::Flag)
    } else if let Some(url) = environment.get(URL) {
        (url.to_owned(), Chosen::Variable)
    } else if let Some(url) = manifest()? {
        (url, Chosen::Manifest)
    } else if let Some(url) = client_file {
        (url, Chosen::ClientFile)
    } else {
        (DEFAULT.to_owned(), Chosen::Default)
    };
    let url = text.parse().map_err(|error| {
        ClientFailure::usage(format!(
            "the registry of {chosen} is {text:?}, and an address {error}"
        ))
    })?;
    Ok(Server { url, chosen })
}

/// Finds the token for a registry.
pub(super) fn token(
    options: &Options,
    environment: &Environment,
    server: &Server,
    config_directory: Option<&Path>,
) -> Result<Option<SecretString>> {
    let file = options.token_file.as_deref();
    // A manifest of somebody else must not choose who gets a token that was given for no address.
    let is_trusted = server.chosen != Chosen::Manifest;
    let file = file.or_else(|| environment.get(TOKEN_FILE).map(Path::new).filter(|_| is_trusted));
    let given = match (file, environment.get(TOKEN).filter(|_| is_trusted)) {
        (Some(path), _) => Some(read_token(path)?),
        (None, Some(token)) => Some(parse_token(token, TOKEN)?),
        (None, None) => None,
    };
    if given.is_some() && !server.is_private() {
        return Err(server.in_the_clear());
    }
    if given.is_some() || !server.is_private() {
        return Ok(given);
    }
    let Some(directory) = config_directory else { return Ok(None) };
    Ok(StoredCredentials::read(directory)?.token(server.url.origin()))
}

/// Reads the token of a file.
pub fn read_token(path: &Path) -> Result<SecretString> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        ClientFailure::usage(format!("the token file {name} cannot be read: {error}"))
    })?;
    parse_token(&text, &name)
}

/// Parses a token: one word of printable ASCII. The message does not repeat it.
pub fn parse_token(text: &str, place: &str) -> Result<SecretString> {
    let token = text.trim();
    if token.is_empty() {
        return Err(ClientFailure::usage(format!("the token of {place} is empty")));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("the token of {place} is not one word of printable characters");
        return Err(ClientFailure::usage(message));
    }
    Ok(SecretString::from(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_over_tls_or_to_this_machine() {
        for (url, is_private) in [
            ("https://a.example.com", true),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost:1", true),
            ("http://a.example.com", false),
            ("http://localhost.example.com", false),
            ("http://192.168.0.1", false),
        ] {
            let server = Server { url: url.parse().unwrap(), chosen: Chosen::Flag };
            assert_eq!(server.is_private(), is_private, "{url}");
        }
    }

    #[test]
    fn a_message_about_a_token_has_no_part_of_it() {
        for text in ["", " \n", "secret word", "sécret"] {
            let failure = parse_token(text, "FILE").unwrap_err();
            assert!(!failure.to_string().contains("cret"), "{failure}");
        }
    }
}
