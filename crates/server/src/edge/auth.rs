//! Client tokens, stored as digests and compared in constant time.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use parking_lot::RwLock;
use registry_core::models::digest::{Algorithm, Digest};
use subtle::ConstantTimeEq as _;

const NAME_MAX: usize = 64;

/// The accepted tokens, never empty. Contains only their digests.
#[derive(Clone, Debug)]
pub struct ClientTokens(Vec<ClientToken>);

#[derive(Clone, Debug)]
struct ClientToken {
    client: Arc<str>,
    digest: Digest,
    expires: Option<Timestamp>,
}

/// Error in a token file. Contains the line number but no content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokens {
    /// A malformed line.
    #[error("line {0}: must be NAME SHA256 or NAME SHA256 EXPIRES: {1}")]
    Line(usize, &'static str),
    /// No token, so that no client could be admitted.
    #[error("holds no token")]
    Empty,
}

impl FromStr for ClientTokens {
    type Err = InvalidTokens;

    /// Parses one token per line: name, SHA-256 in hexadecimal, optional expiry (RFC 3339); `#`
    /// begins a comment. A name may have several lines, so that a token is replaced without a gap.
    fn from_str(text: &str) -> Result<Self, InvalidTokens> {
        let mut tokens = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let content = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = content.split_whitespace().collect();
            if !words.is_empty() {
                tokens.push(token(&words).map_err(|what| InvalidTokens::Line(number, what))?);
            }
        }
        if tokens.is_empty() { Err(InvalidTokens::Empty) } else { Ok(Self(tokens)) }
    }
}

fn token(words: &[&str]) -> Result<ClientToken, &'static str> {
    let (name, digest, expires) = match *words {
        [name, digest] => (name, digest, None),
        [name, digest, expires] => (name, digest, Some(expires)),
        _ => return Err("two or three words"),
    };
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if name.len() > NAME_MAX || !is_plain {
        return Err("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    let digest = format!("{}:{digest}", Algorithm::Sha256.as_str());
    let digest = digest.parse().map_err(|_| "SHA256 is 64 hexadecimal digits in lower case")?;
    let expires = expires.map(str::parse).transpose();
    let expires = expires.map_err(|_| "EXPIRES is a time such as 2027-01-31T00:00:00Z")?;
    Ok(ClientToken { client: name.into(), digest, expires })
}

impl ClientTokens {
    /// Returns the owner of a token. Takes the same time for every token of equal length.
    fn client_of(&self, token: &str, now: Timestamp) -> Option<Arc<str>> {
        let given = Digest::sha256(token.as_bytes());
        let mut found = None;
        // No early exit: the time must not reveal the position of a match.
        for known in &self.0 {
            let same = bool::from(known.digest.hex().as_bytes().ct_eq(given.hex().as_bytes()));
            if same && known.expires.is_none_or(|expires| now < expires) {
                found = Some(Arc::clone(&known.client));
            }
        }
        found
    }
}

/// Reason why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request has no token.
    Missing,
    /// The token is unknown or expired.
    Wrong,
}

/// Authenticates clients by tokens, which can be replaced at run time.
#[derive(Debug)]
pub struct ClientAuth(RwLock<ClientTokens>);

impl ClientAuth {
    /// Creates the authentication with these tokens.
    #[must_use]
    pub const fn new(tokens: ClientTokens) -> Self {
        Self(RwLock::new(tokens))
    }

    /// Replaces all accepted tokens.
    pub fn replace(&self, tokens: ClientTokens) {
        *self.0.write() = tokens;
    }

    /// Returns the name of the client whose token the request carries, or the [`Refusal`].
    pub fn client(&self, headers: &HeaderMap, now: Timestamp) -> Result<Arc<str>, Refusal> {
        let token = token_of(headers)?;
        self.0.read().client_of(&token, now).ok_or(Refusal::Wrong)
    }
}

/// Returns the token of `Authorization: Bearer`, or the password of `Authorization: Basic`, which
/// browsers send. A second such header is as wrong as another scheme.
fn token_of(headers: &HeaderMap) -> Result<Cow<'_, str>, Refusal> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let value = given.next().ok_or(Refusal::Missing)?;
    let (scheme, text) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refusal::Wrong)?;
    if given.next().is_some() {
        return Err(Refusal::Wrong);
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Cow::Borrowed(text.trim()));
    }
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    let password = is_basic.then(|| password(text.trim())).flatten();
    password.map(Cow::Owned).ok_or(Refusal::Wrong)
}

/// Returns the password of Basic credentials (RFC 7617). The user name is ignored.
fn password(credentials: &str) -> Option<String> {
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn digest(token: &str) -> String {
        Digest::sha256(token.as_bytes()).hex().to_owned()
    }

    fn ask(auth: &ClientAuth, authorization: &str) -> Result<String, Refusal> {
        let value = HeaderValue::from_str(authorization).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
        auth.client(&headers, NOW.parse().unwrap()).map(|client| client.to_string())
    }

    #[test]
    fn a_client_is_told_by_the_digest_of_its_token() {
        let file = format!(
            "# clients\nci {}\nui {} # soon\nold {} 2025-12-31T23:59:59Z\nnew {} {NOW}\n\n",
            digest("a"),
            digest("b"),
            digest("c"),
            digest("d"),
        );
        let auth = ClientAuth::new(file.parse().unwrap());
        assert_eq!(ask(&auth, "Bearer a"), Ok("ci".to_owned()));
        assert_eq!(ask(&auth, "bearer  b "), Ok("ui".to_owned()));
        for wrong in ["Bearer c", "Bearer d", "Bearer x", "Bearer ", "Bearer", "Basic a", "a"] {
            assert_eq!(ask(&auth, wrong), Err(Refusal::Wrong), "{wrong}");
        }
        assert_eq!(auth.client(&HeaderMap::new(), Timestamp::UNIX_EPOCH), Err(Refusal::Missing));
        for name in ["", "any", "ci"] {
            let basic = BASE64_STANDARD.encode(format!("{name}:a"));
            assert_eq!(ask(&auth, &format!("Basic {basic}")), Ok("ci".to_owned()), "{name}");
        }
        for wrong in ["a", ":x", "a:"] {
            let basic = format!("Basic {}", BASE64_STANDARD.encode(wrong));
            assert_eq!(ask(&auth, &basic), Err(Refusal::Wrong), "{wrong}");
        }
        let digest_itself = format!("Bearer {}", digest("a"));
        assert_eq!(ask(&auth, &digest_itself), Err(Refusal::Wrong), "a digest is no token");
        auth.replace(format!("ci {}", digest("e")).parse().unwrap());
        assert_eq!(ask(&auth, "Bearer a"), Err(Refusal::Wrong));
        assert_eq!(ask(&auth, "Bearer e"), Ok("ci".to_owned()));
    }

    #[test]
    fn two_tokens_are_none() {
        let auth = ClientAuth::new(format!("ci {}", digest("a")).parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert_eq!(auth.client(&headers, Timestamp::UNIX_EPOCH), Err(Refusal::Wrong));
    }

    #[test]
    fn what_is_no_list_of_tokens_is_told_by_its_line_alone() {
        let good = digest("a");
        for (text, expected) in [
            ("", "holds no token".to_owned()),
            ("# nobody\n", "holds no token".to_owned()),
            ("secret", "line 1: must be NAME SHA256 or NAME SHA256 EXPIRES: two or".to_owned()),
            (&format!("ci {good}\nsecret secret"), "line 2: ".to_owned()),
            (&format!("c/i {good}"), "line 1: ".to_owned()),
            (&format!("ci {good} secret"), "line 1: ".to_owned()),
            (&format!("ci {good} 2027-01-31T00:00:00Z secret"), "line 1: ".to_owned()),
        ] {
            let told = text.parse::<ClientTokens>().unwrap_err().to_string();
            assert!(told.starts_with(&expected), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
