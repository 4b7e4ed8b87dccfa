//! Requests to token servers, and their responses (distribution's token specification).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry_core::error::{Error, Result};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::challenge::BearerChallenge;
use crate::credentials::Credentials;
use crate::lenient::value;
use crate::object::from_object;

/// Maximum length of a token, in bytes. Few servers accept a longer header.
const TOKEN_MAX: usize = 16 * 1024;
/// Lifetime of a token without `expires_in`, in seconds.
const LIFETIME_DEFAULT: u64 = 60;
/// Maximum lifetime of a token, in seconds.
const LIFETIME_MAX: u64 = 24 * 60 * 60;

/// Returns the address of a token for a challenge.
#[must_use]
pub fn token_url(realm: &Url, challenge: &BearerChallenge) -> Url {
    let mut url = realm.clone();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(challenge.service.iter().map(|service| ("service", service)));
        query.extend_pairs(challenge.scopes.iter().map(|scope| ("scope", scope)));
    }
    url
}

/// Returns the form that exchanges an identity token (OAuth 2).
#[must_use]
pub fn exchange_form(
    challenge: &BearerChallenge,
    secret: &SecretString,
    client_id: &str,
) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token")
        .append_pair("client_id", client_id)
        .append_pair("refresh_token", secret.expose_secret())
        .extend_pairs(challenge.service.iter().map(|service| ("service", service)));
    if !challenge.scopes.is_empty() {
        form.append_pair("scope", &challenge.scopes.join(" "));
    }
    form.finish()
}

/// Returns the value behind `Basic` for credentials with a user and a password, or `None` for others.
#[must_use]
pub fn basic_pair(credentials: &Credentials) -> Option<SecretString> {
    let pair = match credentials {
        Credentials::Password { user, password } => format!("{user}:{}", password.expose_secret()),
        Credentials::Identity(secret) => format!("<token>:{}", secret.expose_secret()),
        Credentials::Anonymous | Credentials::Token(_) => return None,
    };
    Some(STANDARD.encode(pair).into())
}

/// `issued_at` is ignored: the lifetime counts from the request, by the local clock.
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default, deserialize_with = "value")]
    token: Option<String>,
    #[serde(default, deserialize_with = "value")]
    access_token: Option<String>,
    #[serde(default, deserialize_with = "value")]
    expires_in: Option<u64>,
}

/// Parses the response of a token server: a token, and its lifetime.
pub fn parse(body: &[u8]) -> Result<(SecretString, Duration)> {
    // Serde's message may contain a part of the token.
    let found: TokenAnswer = from_object(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::faulty("The registry's token server sent an unreadable response").because(place)
    })?;
    // Servers send `token`, `access_token` for OAuth 2, or both.
    let mut tokens = [found.token, found.access_token].into_iter().flatten();
    let secret = tokens
        .find(|token| !token.is_empty())
        .ok_or_else(|| Error::faulty("The registry's token server sent no token"))?;
    if secret.len() > TOKEN_MAX {
        return Err(Error::faulty("The registry's token server sent a token that is too long"));
    }
    let lifetime = found.expires_in.unwrap_or(LIFETIME_DEFAULT).min(LIFETIME_MAX);
    Ok((secret.into(), Duration::from_secs(lifetime)))
}
