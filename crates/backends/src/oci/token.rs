//! Requests to the token server that a registry names.

use std::time::Duration;

use hyper::StatusCode;
use registry_core::error::{Error, ErrorKind, Result};
use registry_oci::token::{basic_pair, exchange_form, parse, token_url};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use url::Url;

use crate::http::answer::UpstreamResponse;
use crate::http::request::{self, Redirects, Request};
use crate::http::upstream::UpstreamClient;
use crate::oci::challenge::BearerChallenge;
use crate::oci::credentials::Credentials;
use crate::oci::labels;
use crate::oci::realm::{self, Realm, TokenHost};

/// Maximum size of a token server's response, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
/// Margin before the expiry of a token, so that none expires in transit.
const MARGIN: Duration = Duration::from_secs(10);
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
        let url = token_url(&self.realm.url, challenge);
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
        let form = exchange_form(challenge, secret, CLIENT_ID);
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

/// Returns the `Basic` header for credentials with a user and a password, or `None` for others.
pub fn credentials_header(
    credentials: &Credentials,
) -> Result<Option<request::AuthorizationHeader>> {
    let Some(pair) = basic_pair(credentials) else { return Ok(None) };
    request::AuthorizationHeader::new("Basic", &pair).map(Some)
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
