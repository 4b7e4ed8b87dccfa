//! Tokens of clients: kept as digests, compared without telling how far they agree.

use std::str::FromStr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jiff::Timestamp;
use parking_lot::RwLock;
use subtle::ConstantTimeEq as _;

use crate::models::digest::{Algorithm, Digest};

/// Longest name of a client, in characters.
const NAME_MAX: usize = 64;

/// The tokens that are accepted, never empty. Holds no token, only what tells one.
#[derive(Clone, Debug)]
pub struct ClientTokens(Vec<ClientToken>);

#[derive(Clone, Debug)]
struct ClientToken {
    client: Arc<str>,
    digest: Digest,
    /// From when on it is refused.
    expires: Option<Timestamp>,
}

/// Why a text is no list of tokens. Says nothing of its content but the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokens {
    /// A line that cannot be read.
    #[error("line {0}: must be NAME SHA256 or NAME SHA256 EXPIRES: {1}")]
    Line(usize, &'static str),
    /// Nobody could come in.
    #[error("holds no token")]
    Empty,
}

impl FromStr for ClientTokens {
    type Err = InvalidTokens;

    /// One token a line: the client's name, the SHA-256 of its token in hexadecimal, and perhaps
    /// when it expires (RFC 3339). `#` begins a comment. A name may stand in several lines, so
    /// that a token can be changed without a gap.
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
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.len() > NAME_MAX || !name.bytes().all(plain) {
        return Err("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    let digest = format!("{}:{digest}", Algorithm::Sha256.as_str());
    let digest = digest.parse().map_err(|_| "SHA256 is 64 hexadecimal digits in lower case")?;
    let expires = expires.map(str::parse).transpose();
    let expires = expires.map_err(|_| "EXPIRES is a time such as 2027-01-31T00:00:00Z")?;
    Ok(ClientToken { client: name.into(), digest, expires })
}

impl ClientTokens {
    /// Whose token this is. Takes as long for any token, whatever it has in common with ours.
    fn client_of(&self, token: &str, now: Timestamp) -> Option<Arc<str>> {
        let given = Digest::sha256(token.as_bytes());
        let mut found = None;
        for known in &self.0 {
            let same = bool::from(known.digest.hex().as_bytes().ct_eq(given.hex().as_bytes()));
            if same && known.expires.is_none_or(|expires| now < expires) {
                found = Some(Arc::clone(&known.client));
            }
        }
        found
    }
}

/// Why a request does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no token.
    Missing,
    /// It carries one that is not, or no longer, accepted.
    Wrong,
}

/// Tells clients by their tokens, which may be replaced at any time.
#[derive(Debug)]
pub struct Auth(RwLock<ClientTokens>);

impl Auth {
    /// Accepts these tokens.
    #[must_use]
    pub const fn new(tokens: ClientTokens) -> Self {
        Self(RwLock::new(tokens))
    }

    /// From now on accepts these alone.
    pub fn replace(&self, tokens: ClientTokens) {
        *self.0.write() = tokens;
    }

    /// The name of the client whose token the request carries.
    ///
    /// # Errors
    /// [`Refusal`]: there is none, or it is not accepted.
    pub fn client(&self, headers: &HeaderMap, now: Timestamp) -> Result<Arc<str>, Refusal> {
        let token = bearer(headers)?;
        self.0.read().client_of(token, now).ok_or(Refusal::Wrong)
    }
}

/// The token of `Authorization: Bearer`. Two such headers are as wrong as another scheme.
fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let value = given.next().ok_or(Refusal::Missing)?;
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refusal::Wrong)?;
    let alone = given.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    if alone { Ok(token.trim()) } else { Err(Refusal::Wrong) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn digest(token: &str) -> String {
        Digest::sha256(token.as_bytes()).hex().to_owned()
    }

    fn ask(auth: &Auth, authorization: &str) -> Result<String, Refusal> {
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
        let auth = Auth::new(file.parse().unwrap());
        assert_eq!(ask(&auth, "Bearer a"), Ok("ci".to_owned()));
        assert_eq!(ask(&auth, "bearer  b "), Ok("ui".to_owned()));
        for wrong in ["Bearer c", "Bearer d", "Bearer x", "Bearer ", "Bearer", "Basic a", "a"] {
            assert_eq!(ask(&auth, wrong), Err(Refusal::Wrong), "{wrong}");
        }
        assert_eq!(auth.client(&HeaderMap::new(), Timestamp::UNIX_EPOCH), Err(Refusal::Missing));
        let digest_itself = format!("Bearer {}", digest("a"));
        assert_eq!(ask(&auth, &digest_itself), Err(Refusal::Wrong), "a digest is no token");
        auth.replace(format!("ci {}", digest("e")).parse().unwrap());
        assert_eq!(ask(&auth, "Bearer a"), Err(Refusal::Wrong));
        assert_eq!(ask(&auth, "Bearer e"), Ok("ci".to_owned()));
    }

    #[test]
    fn two_tokens_are_none() {
        let auth = Auth::new(format!("ci {}", digest("a")).parse().unwrap());
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
