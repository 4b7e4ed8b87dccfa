//! Fetching tokens from the token server that a registry names.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::error::{Error, ErrorKind, Result};
use crate::http::HttpClient;
use crate::http::answer::Answer;
use crate::http::request::{self, Redirects, Request};
use crate::http::room::Room;
use crate::oci::challenge::BearerChallenge;
use crate::oci::credentials::Credentials;
use crate::oci::lenient::value;
use crate::oci::models::from_object;
use crate::oci::operations;
use crate::oci::realm::{self, Realm, TokenHost};

/// Longest answer of a token server, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
/// Longest token, in bytes: few servers read a longer header.
const TOKEN_MAX: usize = 16 * 1024;
/// How long a token lasts whose server does not say (distribution's token specification).
const LIFETIME_DEFAULT: u64 = 60;
/// A token is given up this much before it ends, so that none ends on its way.
const MARGIN: Duration = Duration::from_secs(10);
/// No token is believed for longer, in seconds.
const LIFETIME_MAX: u64 = 24 * 60 * 60;
const CLIENT_ID: &str = "extension-registry";

/// A token for the registry. Hides itself in `Debug`.
#[derive(Clone, Debug)]
pub struct Token {
    secret: SecretString,
    good_until: Instant,
}

impl Token {
    /// The token itself, for the one header that needs it.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Whether this is the same token.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }

    /// Whether it is worth sending.
    #[must_use]
    pub fn is_good(&self) -> bool {
        Instant::now() < self.good_until
    }

    /// Length of the secret, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.secret.expose_secret().len()
    }
}

/// Where tokens come from.
pub struct TokenServer<'a> {
    http: &'a HttpClient,
    realm: Realm,
    credentials: &'a Credentials,
}

impl<'a> TokenServer<'a> {
    /// The token server of a challenge, if it may be asked with these credentials.
    ///
    /// # Errors
    /// `BackendFaulty` for a realm that the registry at this address may not name, see
    /// [`realm::check`].
    pub fn of(
        challenge: &BearerChallenge,
        registry: &Url,
        token_hosts: &[TokenHost],
        http: &'a HttpClient,
        credentials: &'a Credentials,
    ) -> Result<Self> {
        // A ready token is the registry's alone; tokens are fetched beside it as by anyone.
        let shows_us =
            matches!(credentials, Credentials::Password { .. } | Credentials::Identity(_));
        let realm = realm::check(&challenge.realm, registry, token_hosts, shows_us);
        let realm = realm.map_err(|refused| {
            Error::faulty("The registry names a token server that may not be asked")
                .because(refused)
        })?;
        Ok(Self { http, realm, credentials })
    }

    /// A token for what the challenge asks.
    ///
    /// # Errors
    /// `BackendRefused` if the server does not accept the credentials, `BackendFaulty` if its
    /// answer holds no token, and what sending can bring.
    pub async fn token(&self, challenge: &BearerChallenge) -> Result<Token> {
        let asked = Instant::now();
        if let Credentials::Identity(secret) = self.credentials {
            let answer = self.exchange(challenge, secret).await?;
            if let Ok(token) = read(&answer, asked) {
                return Ok(token);
            }
            // Many servers know no POST, and say so in many ways: the older question remains.
        }
        read(&self.ask(challenge).await?, asked)
    }

    async fn ask(&self, challenge: &BearerChallenge) -> Result<Answer> {
        let mut url = self.realm.url.clone();
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(challenge.service.iter().map(|service| ("service", service)));
            query.extend_pairs(challenge.scopes.iter().map(|scope| ("scope", scope)));
        }
        let request = Request::get(operations::TOKEN, url)
            .follow(Redirects::Never)
            .with_credentials_for(&self.realm.url, credentials_header(self.credentials)?);
        self.send(request).await
    }

    /// The exchange of an identity token (OAuth 2, distribution's specification of it).
    async fn exchange(&self, challenge: &BearerChallenge, secret: &SecretString) -> Result<Answer> {
        let form = exchange_form(challenge, secret);
        self.send(Request::post_form(operations::TOKEN, self.realm.url.clone(), form)).await
    }

    async fn send(&self, request: Request) -> Result<Answer> {
        let request = if self.realm.chosen { request.on_configured_host() } else { request };
        let request = request.aside();
        self.http.fetch(request, ANSWER_MAX, Room::Much).await.map_err(|error| {
            if self.realm.chosen || error.kind() != ErrorKind::BackendFaulty {
                return error;
            }
            let message = "The registry's token server cannot be asked; one at a private address \
                           has to be named in oci.token_hosts";
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

/// `Basic` for what has a user and a password; nothing for everyone else.
///
/// # Errors
/// Never in practice: Base64 always fits a header.
pub fn credentials_header(credentials: &Credentials) -> Result<Option<request::Credentials>> {
    let pair = match credentials {
        Credentials::Password { user, password } => format!("{user}:{}", password.expose_secret()),
        Credentials::Identity(secret) => format!("<token>:{}", secret.expose_secret()),
        Credentials::Anonymous | Credentials::Token(_) => return Ok(None),
    };
    request::Credentials::new("Basic", &STANDARD.encode(pair).into()).map(Some)
}

/// What a token server answers. Its `issued_at` is left out: measured from when we asked, no
/// clock but ours matters.
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default, deserialize_with = "value")]
    token: Option<String>,
    #[serde(default, deserialize_with = "value")]
    access_token: Option<String>,
    #[serde(default, deserialize_with = "value")]
    expires_in: Option<u64>,
}

fn read(answer: &Answer, asked: Instant) -> Result<Token> {
    match answer.status {
        StatusCode::OK => {}
        // What a wrong password looks like differs; each of these is about us, not about it.
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let message = "The registry's token server refused our credentials";
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
    Ok(Token { secret, good_until: asked + lifetime.saturating_sub(MARGIN) })
}

/// The token in an answer, and how long it lasts.
pub(crate) fn parse(body: &[u8]) -> Result<(SecretString, Duration)> {
    // What is wrong with it is not told in serde's words, which may hold a part of the token.
    let found: TokenAnswer = from_object(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::faulty("The registry's token server sent an unreadable response").because(place)
    })?;
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
