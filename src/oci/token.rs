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
use crate::oci::address::RegistryAddress;
use crate::oci::challenge::BearerChallenge;
use crate::oci::credentials::Credentials;
use crate::oci::operations;

/// Longest answer of a token server, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
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
}

/// Where tokens come from.
pub struct TokenServer<'a> {
    http: &'a HttpClient,
    realm: Url,
    /// Whether it stands on the registry's own host, which may be private.
    at_home: bool,
}

impl<'a> TokenServer<'a> {
    /// The token server of a challenge, if it may be asked.
    ///
    /// # Errors
    /// `BackendFaulty` for a realm that is neither on HTTPS nor on the own host of a registry that
    /// itself speaks plain HTTP. Private addresses elsewhere are refused when they are dialled.
    pub fn of(
        challenge: &BearerChallenge,
        registry: &RegistryAddress,
        http: &'a HttpClient,
    ) -> Result<Self> {
        let base = registry.base();
        let refused = || Error::faulty("The registry names a token server that may not be asked");
        let realm = Url::parse(&challenge.realm).map_err(|error| refused().because(error))?;
        let at_home = realm.host().is_some() && realm.host() == base.host();
        let plain = realm.scheme() == "http" && base.scheme() == "http" && at_home;
        let bare = realm.username().is_empty() && realm.password().is_none();
        if bare && (realm.scheme() == "https" || plain) {
            Ok(Self { http, realm, at_home })
        } else {
            Err(refused())
        }
    }

    /// A token for what the challenge asks.
    ///
    /// # Errors
    /// `BackendRefused` if the server does not accept the credentials, `BackendFaulty` if its
    /// answer holds no token, and what sending can bring.
    pub async fn token(
        &self,
        challenge: &BearerChallenge,
        credentials: &Credentials,
    ) -> Result<Token> {
        let asked = Instant::now();
        if let Credentials::Identity(secret) = credentials {
            let answer = self.exchange(challenge, secret).await?;
            if let Ok(token) = read(&answer, asked) {
                return Ok(token);
            }
            // Many servers know no POST, and say so in many ways: the older question remains.
        }
        read(&self.ask(challenge, credentials).await?, asked)
    }

    async fn ask(&self, challenge: &BearerChallenge, credentials: &Credentials) -> Result<Answer> {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(challenge.service.iter().map(|service| ("service", service)));
            query.extend_pairs(challenge.scopes.iter().map(|scope| ("scope", scope)));
        }
        let request = Request::get(operations::TOKEN, url)
            .follow(Redirects::Never)
            .with_credentials_for(&self.realm, credentials_header(credentials)?);
        self.send(request).await
    }

    /// The exchange of an identity token (OAuth 2, distribution's specification of it).
    async fn exchange(&self, challenge: &BearerChallenge, secret: &SecretString) -> Result<Answer> {
        let form = exchange_form(challenge, secret);
        self.send(Request::post_form(operations::TOKEN, self.realm.clone(), form)).await
    }

    async fn send(&self, request: Request) -> Result<Answer> {
        let request = if self.at_home { request.on_configured_host() } else { request };
        let request = request.aside();
        self.http.fetch(request, ANSWER_MAX, Room::Much).await
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
    token: Option<String>,
    access_token: Option<String>,
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
        _ => return Err(answer.failure()),
    }
    let found: TokenAnswer = answer.json(Room::Little)?;
    let mut tokens = [found.token, found.access_token].into_iter().flatten();
    let secret = tokens
        .find(|token| !token.is_empty())
        .ok_or_else(|| Error::faulty("The registry's token server answered without token"))?;
    let lifetime = found.expires_in.unwrap_or(LIFETIME_DEFAULT).min(LIFETIME_MAX);
    let lifetime = Duration::from_secs(lifetime).saturating_sub(MARGIN);
    Ok(Token { secret: secret.into(), good_until: asked + lifetime })
}
