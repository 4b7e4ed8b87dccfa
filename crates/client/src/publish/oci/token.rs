//! Tokens of the token server that a registry names.

use registry_oci::challenge::BearerChallenge;
use registry_oci::credentials::Credentials;
use registry_oci::realm::{RefusedRealm, TokenHost, check};
use registry_oci::token::{basic_pair, exchange_form, parse, token_url};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use url::Url;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::request_body::BodyPart;
use crate::http::target_client::{TargetAnswer, TargetClient, TargetRequest};
use crate::publish::oci::authorization::header;

const CLIENT_ID: &str = "extreg";

/// Where tokens come from, and for whom.
pub(super) struct PublishTokens<'a> {
    pub(super) client: &'a TargetClient,
    pub(super) registry: &'a Url,
    pub(super) credentials: &'a Credentials,
    /// Hosts that the user lets have the credentials.
    pub(super) token_hosts: &'a [TokenHost],
}

impl PublishTokens<'_> {
    /// Asks for a token. The credentials go only to servers of the registry, or to hosts that the
    /// user named.
    pub(super) async fn token(&self, challenge: &BearerChallenge) -> Result<SecretString> {
        let shows_us = !matches!(self.credentials, Credentials::Anonymous);
        let realm = check(&challenge.realm, self.registry, self.token_hosts, shows_us);
        let realm = realm.map_err(|refused| self.untrusted(&refused))?.url;
        if let Credentials::Identity(secret) = self.credentials {
            let form = exchange_form(challenge, secret, CLIENT_ID);
            let request = TargetRequest::new(Method::POST, realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(vec![BodyPart::from(form)].into());
            let answer = self.client.send(&request).await?;
            if answer.status == StatusCode::OK
                && let Ok((token, _)) = parse(&answer.body)
            {
                return Ok(token);
            }
            // Many servers do not support the exchange, and fail in different ways: ask with GET.
        }
        let request = TargetRequest::new(Method::GET, token_url(&realm, challenge));
        let pair = basic_pair(self.credentials);
        let authorization = pair.map(|pair| header("Basic", &pair)).transpose()?;
        let answer = self.client.send(&request.authorized(authorization)).await?;
        self.read(&answer)
    }

    fn read(&self, answer: &TargetAnswer) -> Result<SecretString> {
        let name = self.client.name();
        match answer.status {
            StatusCode::OK => {}
            // Servers answer a wrong password with each of these.
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let message = format!(
                    "the token server of {name} refused the credentials: {}",
                    answer.message().unwrap_or_else(|| answer.status.to_string())
                );
                return Err(ClientFailure::new(FailureKind::Denied, message)
                    .hint("log in again: docker login"));
            }
            _ => return Err(self.client.refusal(answer)),
        }
        parse(&answer.body).map(|(token, _)| token).map_err(|error| {
            ClientFailure::failed(format!("the token server of {name} sent no token: {error}"))
        })
    }

    fn untrusted(&self, refused: &RefusedRealm) -> ClientFailure {
        let name = self.client.name();
        let (server, reason) = match refused {
            RefusedRealm::Stranger { host, registry } => {
                (host, format!("{host} is outside the domain of {registry}"))
            }
            RefusedRealm::OtherPort { server, registry } => {
                (server, format!("{server} has another port than the registry at {registry}"))
            }
            RefusedRealm::NoAddress | RefusedRealm::Plain(_) => {
                let message =
                    format!("{name} names a token server that gets no request: {refused}");
                return ClientFailure::new(FailureKind::Denied, message);
            }
        };
        let message = format!("{name} names a token server that gets no credentials: {reason}");
        ClientFailure::new(FailureKind::Denied, message)
            .hint(format!("if it is the right server, add --token-host {server}"))
    }
}
