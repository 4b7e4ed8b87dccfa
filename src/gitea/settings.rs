//! Settings of a Gitea backend, as validated types.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::models::backend_id::BackendId;

/// Maximum size of a token file, in bytes.
const TOKEN_FILE_MAX: u64 = 64 * 1024;

/// Settings of one organization on a Gitea or Forgejo server.
#[derive(Clone, Debug)]
pub struct GiteaSettings {
    /// Name of the backend, by default that of its kind.
    pub id: BackendId,
    /// `http` or `https` address of the server, including its sub path.
    pub url: Url,
    /// Organization whose repositories are the extensions.
    pub organization: Organization,
    /// Expected number of the organization. `None` accepts the first one observed.
    pub organization_id: Option<i64>,
    /// Access token. Optional for public organizations.
    pub token: Option<GiteaToken>,
    /// Deadline of a metadata request. For downloads, the time until the headers and the longest
    /// silence.
    pub timeout: Duration,
    /// Verification of TLS certificates. `false` accepts any certificate.
    pub verify_ssl: bool,
    /// PEM file of certificates that are trusted in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Maximum number of concurrent requests; 8 is a moderate load for a server.
    pub max_concurrency: usize,
    /// Maximum number of retries after a temporary failure.
    pub retries: u32,
    /// Allows downloads to be redirected to a private address, such as an internal object store.
    pub allow_private_redirects: bool,
    /// Hosts of Forgejo's external assets that may be downloaded. Others are ignored.
    pub external_asset_hosts: Vec<String>,
}

impl GiteaSettings {
    /// Creates settings for an organization, with defaults for everything else.
    #[must_use]
    pub fn new(url: Url, organization: Organization) -> Self {
        Self {
            id: BackendId::GITEA,
            url,
            organization,
            organization_id: None,
            token: None,
            timeout: Duration::from_secs(30),
            verify_ssl: true,
            ca_file: None,
            max_concurrency: 8,
            retries: 2,
            allow_private_redirects: false,
            external_asset_hosts: Vec::new(),
        }
    }
}

/// Name of an organization: 1 to 100 of `[A-Za-z0-9._-]`, the first and last alphanumeric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization(String);

impl Organization {
    /// Returns the name as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Organization {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let edge = |c: char| c.is_ascii_alphanumeric();
        let fits = (1..=100).contains(&text.len())
            && text.chars().all(inside)
            && text.starts_with(edge)
            && text.ends_with(edge);
        let message = "organization must be 1 to 100 of A-Z a-z 0-9 . _ - and begin and end with a letter or digit";
        if fits { Ok(Self(text.to_owned())) } else { Err(Error::new(ErrorKind::Invalid, message)) }
    }
}

/// Access token: a single word. Gitea treats a malformed token as anonymous without an error, so
/// that it is rejected here.
#[derive(Clone, Debug)]
pub struct GiteaToken(SecretString);

impl GiteaToken {
    /// Reads a token from a file, without surrounding white space.
    ///
    /// # Errors
    /// Returns an error that names the file if it cannot be read, is empty, or holds more than one
    /// word.
    pub fn read(path: &Path) -> Result<Self> {
        let named = |problem: &str| {
            Error::new(ErrorKind::Invalid, format!("token file {} {problem}", path.display()))
        };
        let text = files::text_named(path, TOKEN_FILE_MAX)
            .map_err(|error| named("cannot be read").because(error))?;
        text.parse().map_err(|error: InvalidToken| named(error.problem()))
    }

    pub(super) const fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl FromStr for GiteaToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut words = text.split_whitespace();
        match (words.next(), words.next()) {
            (None, _) => Err(InvalidToken::Empty),
            (Some(_), Some(_)) => Err(InvalidToken::SeveralWords),
            (Some(word), None) if word.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self(word.to_owned().into()))
            }
            _ => Err(InvalidToken::Unprintable),
        }
    }
}

/// Reason why a text is not a valid token. It never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token {}", self.problem())]
pub enum InvalidToken {
    /// Only white space.
    Empty,
    /// White space inside.
    SeveralWords,
    /// Characters that are not valid in a header.
    Unprintable,
}

impl InvalidToken {
    const fn problem(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::SeveralWords => "holds more than one word",
            Self::Unprintable => "holds characters that no token has",
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_is_one_word() {
        let token: GiteaToken = " 0123abc\n".parse().unwrap();
        assert_eq!(token.secret().expose_secret(), "0123abc");
        assert!(!format!("{token:?}").contains("0123abc"));
        for (text, problem) in [
            ("", InvalidToken::Empty),
            (" \n\t", InvalidToken::Empty),
            ("abc def", InvalidToken::SeveralWords),
            ("token abc", InvalidToken::SeveralWords),
            ("a\u{7f}b", InvalidToken::Unprintable),
            ("ключ", InvalidToken::Unprintable),
        ] {
            assert_eq!(text.parse::<GiteaToken>().unwrap_err(), problem, "{text:?}");
        }
    }

    #[test]
    fn organizations_outside_the_grammar_are_refused() {
        for good in ["provisioning-extensions", "a", "A.b_c-9"] {
            assert!(good.parse::<Organization>().is_ok(), "{good}");
        }
        for bad in ["", "..", ".", "a/b", "a b", "-a", "a.", "é", &"a".repeat(101)] {
            assert!(bad.parse::<Organization>().is_err(), "{bad}");
        }
    }
}
