//! What an operator says of a Gitea, in types that cannot hold nonsense.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::models::backend_id::BackendId;

/// Largest file of a token, in bytes.
const TOKEN_FILE_MAX: u64 = 64 * 1024;

/// One Gitea or Forgejo organization, and how to talk to its server.
#[derive(Clone, Debug)]
pub struct GiteaSettings {
    /// Name of the backend, by default that of its kind.
    pub id: BackendId,
    /// `http` or `https` address of the server, with its sub path if it has one.
    pub url: Url,
    /// The organization whose repositories are the extensions.
    pub organization: Organization,
    /// The number that the organization has to have. `None`: the first one that is seen.
    pub organization_id: Option<i64>,
    /// Public organizations need none.
    pub token: Option<GiteaToken>,
    /// A whole question for metadata; for downloads the time to headers and the longest silence.
    pub timeout: Duration,
    /// `false` accepts any certificate.
    pub verify_ssl: bool,
    /// A PEM file with certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Questions under way at once; 8 is what servers bear well.
    pub max_concurrency: usize,
    /// Retries after a temporary failure.
    pub retries: u32,
    /// Whether a download may be redirected to a private address (a store beside the server).
    pub allow_private_redirects: bool,
    /// Forgejo's external assets are ignored unless the host of their address is one of these.
    pub external_asset_hosts: Vec<String>,
}

impl GiteaSettings {
    /// The given organization with every other setting at its default.
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

/// The name of an organization: 1 to 100 of `[A-Za-z0-9._-]`, the first and last alphanumeric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization(String);

impl Organization {
    /// As configured.
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

/// An access token: one word. Gitea takes anything else for nobody, without a complaint, so
/// anything else is refused here.
#[derive(Clone, Debug)]
pub struct GiteaToken(SecretString);

impl GiteaToken {
    /// The token in a file, less the white space around it.
    ///
    /// # Errors
    /// A file that cannot be read, is empty, or holds more than one word; the message names it.
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

/// Why a text is no token. Says nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token {}", self.problem())]
pub enum InvalidToken {
    /// Nothing but white space.
    Empty,
    /// White space inside.
    SeveralWords,
    /// Characters that no header can carry.
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
