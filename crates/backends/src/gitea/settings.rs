//! Settings of a Gitea backend, as validated types.

use std::path::Path;
use std::str::FromStr;

use registry_core::config_reader::Section;
use registry_core::config_reader::form::{Form, WEB, without_credentials};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::files;
use registry_core::models::addresses::host_of;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use secrecy::SecretString;
use url::Url;

use crate::http::settings::UpstreamSettings;

/// Maximum size of a token file, in bytes.
const TOKEN_FILE_MAX: u64 = 64 * 1024;

/// Settings of one organization on a Gitea or Forgejo server.
#[derive(Clone, Debug)]
pub struct GiteaSettings {
    /// Name of the backend; by default the name of the kind.
    pub id: BackendId,
    /// `http` or `https` address of the server, including its sub path.
    pub url: Url,
    /// Organization whose repositories are the extensions.
    pub organization: Organization,
    /// Expected number of the organization. `None` accepts the first one observed.
    pub organization_id: Option<i64>,
    /// Access token. Optional for public organizations.
    pub token: Option<GiteaToken>,
    /// Settings of the HTTP client.
    pub upstream: UpstreamSettings,
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
            upstream: UpstreamSettings::default(),
            external_asset_hosts: Vec::new(),
        }
    }

    /// Reads `[gitea]`, or an entry of `[[gitea]]`.
    pub fn read(keys: &mut Section<'_>) -> Option<Self> {
        Some(Self {
            url: keys
                .key("url", Form::Pattern(WEB), server_url)
                .required("https://gitea.example.com", "Base URL; may have a sub-path.")?,
            organization: keys
                .text("organization")
                .required("provisioning-extensions", "Organization to index.")?,
            organization_id: keys.whole("organization_id", 1..=i64::MAX).optional(
                2,
                "Id that the organization must have. Default: the id seen first is pinned.",
            ),
            upstream: UpstreamSettings::read(keys)?,
            external_asset_hosts: keys
                .key("external_asset_hosts", Form::List, host_of)
                .items([], "Hosts from which external assets of Forgejo may be downloaded.")?,
            id: keys.id(BackendKind::Gitea),
            token: None,
        })
    }
}

fn server_url(text: &str) -> Result<Url, String> {
    let shown = without_credentials(text);
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    let host = rest.split('/').next().unwrap_or_default();
    if !is_web || host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '@') {
        return Err(format!(
            "must be http:// or https:// and a host, without credentials, not {shown:?}"
        ));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
        return Err(format!(
            "must be an address without query, fragment and white space, not {shown:?}"
        ));
    }
    Url::parse(text).map_err(|error| {
        format!("is no address ({error}): must be such as https://git.example.com/sub")
    })
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
        let fits = (1..=100).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric());
        let message = "organization must be 1 to 100 of A-Z a-z 0-9 . _ - and begin and end with a letter or digit";
        if fits { Ok(Self(text.to_owned())) } else { Err(Error::new(ErrorKind::Invalid, message)) }
    }
}

/// Access token: a single word. Gitea treats a malformed one as anonymous without an error.
#[derive(Clone, Debug)]
pub struct GiteaToken(SecretString);

impl GiteaToken {
    /// Reads a token without surrounding white space. The error names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = files::text_named(path, TOKEN_FILE_MAX)
            .map_err(|error| unusable(path, "cannot be read").because(error))?;
        text.parse().map_err(|error: InvalidToken| unusable(path, error.problem()))
    }

    pub(super) const fn secret(&self) -> &SecretString {
        &self.0
    }
}

fn unusable(path: &Path, problem: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("token file {} {problem}", path.display()))
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
