//! A repository of a registry: addresses, and the credentials that its answers ask for.

use registry_core::models::naming::ExtensionId;
use registry_oci::address::RegistryAddress;
use registry_oci::challenge::{BearerChallenge, Challenge, challenges};
use registry_oci::credentials::Credentials;
use registry_oci::repository::OciRepository;
use registry_oci::token::basic_pair;
use reqwest::StatusCode;
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use tokio::sync::Mutex;
use url::Url;

use crate::failure::{ClientFailure, Result};
use crate::http::target_client::{TargetAnswer, TargetClient, TargetRequest};
use crate::publish::job::PublishJob;
use crate::publish::oci::authorization::{bearer, header};
use crate::publish::oci::{credentials, token};
use crate::publish::target::OciTarget;
use crate::settings::is_private;

/// A repository to push to.
pub(super) struct RegistrySession {
    client: TargetClient,
    registry: RegistryAddress,
    repository: OciRepository,
    credentials: Credentials,
    token_hosts: Vec<registry_oci::realm::TokenHost>,
    /// What the registry accepted last.
    authorization: Mutex<Option<HeaderValue>>,
}

impl RegistrySession {
    /// Finds the credentials. Sends no request.
    pub(super) async fn open(
        target: &OciTarget,
        id: &ExtensionId,
        job: &PublishJob<'_>,
    ) -> Result<Self> {
        let repository = target.namespace.repository_of(id);
        let name = format!("{}/{repository}", target.registry.authority());
        let credentials = credentials::find(target, job).await?;
        let registry = target.registry.clone();
        let is_anonymous = matches!(credentials, Credentials::Anonymous);
        if !is_anonymous && !is_private(registry.base()) {
            let message = format!("credentials are not sent to {registry} over plain HTTP");
            return Err(ClientFailure::usage(message).hint("use oci:// instead of oci+http://"));
        }
        let authorization = match &credentials {
            Credentials::Token(token) => Some(bearer(token)?),
            _ => None,
        };
        Ok(Self {
            client: TargetClient::new(&job.context.settings.connection, name)?,
            registry,
            repository,
            credentials,
            token_hosts: job.token_hosts.clone(),
            authorization: Mutex::new(authorization),
        })
    }

    /// Returns host, namespace and repository, for messages.
    pub(super) fn name(&self) -> &str {
        self.client.name()
    }

    /// Returns an address below the repository.
    pub(super) fn url(&self, path: &str) -> Url {
        self.registry.endpoint(&format!("{}/{path}", self.repository))
    }

    /// Sends a request with credentials as the registry wants them.
    pub(super) async fn send(&self, request: TargetRequest) -> Result<TargetAnswer> {
        let answer = self.once(request.clone()).await?;
        // The target of a redirect has no say in our credentials.
        let is_ours = answer.url.origin() == self.registry.base().origin();
        if answer.status != StatusCode::UNAUTHORIZED || !is_ours {
            return Ok(answer);
        }
        let authorization = self.answer_challenge(&answer).await?;
        *self.authorization.lock().await = Some(authorization);
        self.once(request).await
    }

    /// Describes an answer that is no success.
    pub(super) fn refusal(&self, answer: &TargetAnswer) -> ClientFailure {
        let failure = self.client.refusal(answer);
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => failure.hint(self.who()),
            StatusCode::METHOD_NOT_ALLOWED => {
                failure.hint("the registry is read-only, or it is a mirror: push to its source")
            }
            StatusCode::OK | StatusCode::NOT_FOUND if answer.message().is_none() => {
                let kind = answer.header("content-type").unwrap_or("no content type");
                let message =
                    format!("{} is no OCI registry: it answered {kind}", self.client.name());
                ClientFailure::usage(message).hint("check the host of the target")
            }
            _ => failure,
        }
    }

    async fn once(&self, request: TargetRequest) -> Result<TargetAnswer> {
        let authorization = self.authorization.lock().await.clone();
        let origin = self.registry.base().origin();
        // Uploads may go to another host, which does not get them.
        let authorization = authorization.map(|value| (value, origin));
        self.client.send(&TargetRequest { authorization, ..request }).await
    }

    async fn answer_challenge(&self, answer: &TargetAnswer) -> Result<HeaderValue> {
        let values = answer.headers.get_all(WWW_AUTHENTICATE);
        let offered = challenges(values.iter().filter_map(|value| value.to_str().ok()));
        if matches!(self.credentials, Credentials::Token(_)) {
            return Err(self.refusal(answer));
        }
        let bearer_challenge = offered.iter().find_map(|offer| match offer {
            Challenge::Bearer(challenge) => Some(challenge),
            Challenge::Basic => None,
        });
        if let Some(challenge) = bearer_challenge {
            // One token for reading and writing, whatever this request needs.
            let scopes = vec![format!("repository:{}:pull,push", self.repository)];
            let challenge = BearerChallenge { scopes, ..challenge.clone() };
            let server = token::PublishTokens {
                client: &self.client,
                registry: self.registry.base(),
                credentials: &self.credentials,
                token_hosts: &self.token_hosts,
            };
            return bearer(&server.token(&challenge).await?);
        }
        match basic_pair(&self.credentials) {
            Some(pair) if offered.contains(&Challenge::Basic) => header("Basic", &pair),
            _ => Err(self.refusal(answer)),
        }
    }

    /// Describes the credentials without them.
    fn who(&self) -> String {
        match &self.credentials {
            Credentials::Anonymous => format!(
                "no credentials were found: docker login {}, or use --token-file",
                self.registry.authority()
            ),
            Credentials::Password { user, .. } => {
                format!("the user {user} needs the right to push to {}", self.repository)
            }
            Credentials::Token(_) | Credentials::Identity(_) => {
                format!("the token needs the right to push to {}", self.repository)
            }
        }
    }
}
