//! Requests to the token server that a registry names.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use registry_core::error::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::http::answer::UpstreamResponse;
use crate::http::request::{self, Redirects, Request};
use crate::http::upstream::UpstreamClient;
use crate::oci::challenge::BearerChallenge;
use crate::oci::credentials::Credentials;
use crate::oci::labels;
use crate::oci::lenient::value;
use crate::oci::object::from_object;
use crate::oci::realm::{self, Realm, TokenHost};

/// Maximum size of a token server's response, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
/// Maximum length of a token, in bytes. Few servers accept a longer header.
const TOKEN_MAX: usize = 16 * 1024;
/// Lifetime of a token without `expires_in`, in seconds (distribution's token specification).
const LIFETIME_DEFAULT: u64 = 60;
/// Margin before the expiry of a token, so that none expires in transit.
const MARGIN: Duration = Duration::from_secs(10);
/// Maximum lifetime of a token, in seconds.
const LIFETIME_MAX: u64 = 24 * 60 * 60;
const CLIENT_ID: &str = "extension-registry";

/// Token for a registry. `Debug` hides it.
#[derive(Clone, Debug)]
pub struct BearerToken {
    secret: SecretString,
    good_until: Instant,
}

impl BearerToken {
    /// Returns the secret, for the `Authorization` header.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Returns true if both are the same token.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }

    /// Returns true if the token has not expired.
    #[must_use]
    pub fn is_good(&self) -> bool {
        Instant::now() < self.good_until
    }

    pub(super) fn bytes(&self) -> usize {
        self.secret.expose_secret().len()
    }
}

/// Client for a token server.
pub struct TokenServer<'a> {
    http: &'a UpstreamClient,
    realm: Realm,
    credentials: &'a Credentials,
}

impl<'a> TokenServer<'a> {
    /// Returns the token server of a challenge. `BackendFaulty` if [`realm::check`] refuses it.
    pub fn of(
        challenge: &BearerChallenge,
        registry: &Url,
        token_hosts: &[TokenHost],
        http: &'a UpstreamClient,
        credentials: &'a Credentials,
    ) -> Result<Self> {
        // A ready token is only for the registry. Other tokens are requested anonymously beside it.
        let shows_us =
            matches!(credentials, Credentials::Password { .. } | Credentials::Identity(_));
        let realm = realm::check(&challenge.realm, registry, token_hosts, shows_us);
        let realm = realm.map_err(|refused| {
            Error::faulty("The registry names a token server that is not trusted").because(refused)
        })?;
        Ok(Self { http, realm, credentials })
    }

    /// Requests a token for a challenge.
    ///
    /// # Errors
    /// `BackendRefused` if the server refuses the credentials, `BackendFaulty` if its response
    /// holds no token, and the errors of sending.
    pub async fn token(&self, challenge: &BearerChallenge) -> Result<BearerToken> {
        // The lifetime counts from before the request: time in transit must not extend it.
        let asked = Instant::now();
        if let Credentials::Identity(secret) = self.credentials {
            let answer = self.exchange(challenge, secret).await?;
            if let Ok(token) = read(&answer, asked) {
                return Ok(token);
            }
            // Many servers do not support the exchange, and fail in different ways: fall back to
            // `GET`.
        }
        read(&self.ask(challenge).await?, asked)
    }

    async fn ask(&self, challenge: &BearerChallenge) -> Result<UpstreamResponse> {
        let mut url = self.realm.url.clone();
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(challenge.service.iter().map(|service| ("service", service)));
            query.extend_pairs(challenge.scopes.iter().map(|scope| ("scope", scope)));
        }
        // A redirect would let the token server pass the credentials on (docs/adr/0023).
        let request = Request::get(labels::TOKEN, url)
            .follow(Redirects::Never)
            .with_credentials_for(&self.realm.url, credentials_header(self.credentials)?);
        self.send(request).await
    }

    /// Exchanges an identity token (OAuth 2, in distribution's specification).
    async fn exchange(
        &self,
        challenge: &BearerChallenge,
        secret: &SecretString,
    ) -> Result<UpstreamResponse> {
        let form = exchange_form(challenge, secret);
        self.send(Request::post_form(labels::TOKEN, self.realm.url.clone(), form)).await
    }

    async fn send(&self, request: Request) -> Result<UpstreamResponse> {
        let request = if self.realm.chosen { request.on_configured_host() } else { request };
        // An outage of the token server counts for the registry's breaker, but its responses do
        // not.
        let request = request.aside();
        self.http.fetch(request, ANSWER_MAX).await.map_err(|error| {
            // A refused private address is the likely cause, so that the message names the remedy.
            if self.realm.chosen || error.kind() != ErrorKind::BackendFaulty {
                return error;
            }
            let message = "The registry's token server cannot be used; a server at a private address must be listed in token_hosts";
            Error::faulty(message).because(error.report())
        })
    }
}

fn exchange_form(challenge: &BearerChallenge, secret: &SecretString) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("refresh_token", secret.expose_secret())
        .extend_pairs(challenge.service.iter().map(|service| ("service", service)));
    if !challenge.scopes.is_empty() {
        form.append_pair("scope", &challenge.scopes.join(" "));
    }
    form.finish()
}

/// Returns the `Basic` header for credentials with a user and a password, or `None` for others.
pub fn credentials_header(
    credentials: &Credentials,
) -> Result<Option<request::AuthorizationHeader>> {
    let pair = match credentials {
        Credentials::Password { user, password } => format!("{user}:{}", password.expose_secret()),
        Credentials::Identity(secret) => format!("<token>:{}", secret.expose_secret()),
        Credentials::Anonymous | Credentials::Token(_) => return Ok(None),
    };
    request::AuthorizationHeader::new("Basic", &STANDARD.encode(pair).into()).map(Some)
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

fn read(answer: &UpstreamResponse, asked: Instant) -> Result<BearerToken> {
    match answer.status {
        StatusCode::OK => {}
        // Servers respond to a wrong password with different statuses, which all concern the
        // credentials.
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let message = "The registry's token server refused the credentials";
            return Err(Error::new(ErrorKind::BackendRefused, message));
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(answer.failure());
        }
        status => {
            let status = status.as_u16();
            let message = format!("The registry's token server answers with status {status}");
            return Err(Error::faulty(message));
        }
    }
    answer.check_json().map_err(|error| {
        Error::faulty("The registry's token server sent an unreadable response").because(error)
    })?;
    let (secret, lifetime) = parse(&answer.body)?;
    Ok(BearerToken { secret, good_until: asked + lifetime.saturating_sub(MARGIN) })
}

pub(crate) fn parse(body: &[u8]) -> Result<(SecretString, Duration)> {
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
