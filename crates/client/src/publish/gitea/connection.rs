//! Connection to one Gitea: its API below `/api/v1`, and files of releases.

use registry_core::models::digest::{Algorithm, Digest, DigestHasher};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::request_body::UploadBody;
use crate::http::target_client::{TargetAnswer, TargetClient, TargetRequest};
use crate::publish::gitea::form::UploadForm;
use crate::publish::gitea::refusal::{Asked, REPOSITORY_SCOPE, no_gitea, refusal};
use crate::publish::target::GiteaTarget;
use crate::settings::ConnectionSettings;

const JSON: &str = "application/json";

/// Connection to one Gitea.
#[derive(Debug)]
pub(super) struct GiteaConnection {
    client: TargetClient,
    /// Address of the server, which ends in a slash.
    base: Url,
    authorization: Option<HeaderValue>,
}

/// One request below `/api/v1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct GiteaCall<'a> {
    pub(super) method: &'a Method,
    pub(super) segments: &'a [&'a str],
    pub(super) body: Option<&'a Value>,
    /// What the request is for, for messages.
    pub(super) subject: &'a str,
    /// Scope of the token that it needs.
    pub(super) scope: &'static str,
}

impl GiteaConnection {
    /// Creates a connection. Sends no request.
    pub(super) fn new(
        target: &GiteaTarget,
        token: Option<&SecretString>,
        connection: &ConnectionSettings,
    ) -> Result<Self> {
        let authorization = token.map(|token| {
            let value = HeaderValue::from_str(&format!("token {}", token.expose_secret()));
            let mut value =
                value.map_err(|_| ClientFailure::usage("the token has control characters"))?;
            value.set_sensitive(true);
            Ok::<_, ClientFailure>(value)
        });
        let name = target.base.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            client: TargetClient::new(connection, name)?,
            base: target.base.clone(),
            authorization: authorization.transpose()?,
        })
    }

    /// Returns the address of the server, for messages.
    pub(super) fn server(&self) -> &str {
        self.client.name()
    }

    /// Reads an object; `None` if it is missing.
    pub(super) async fn find<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        subject: &str,
        scope: &'static str,
    ) -> Result<Option<T>> {
        let call = GiteaCall { method: &Method::GET, segments, body: None, subject, scope };
        present(self.json(call).await)
    }

    /// Sends a request once, and reads the object in the answer. The answer may be lost: see
    /// [`is_unknown`].
    pub(super) async fn change<T: DeserializeOwned>(&self, call: GiteaCall<'_>) -> Result<T> {
        self.json(call).await
    }

    /// Deletes an object. One that is gone is no failure.
    pub(super) async fn delete(&self, segments: &[&str], subject: &str) -> Result<()> {
        let scope = REPOSITORY_SCOPE;
        let call = GiteaCall { method: &Method::DELETE, segments, body: None, subject, scope };
        present(self.call(call).await).map(|_| ())
    }

    /// Uploads a file as a form with one field.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        form: &UploadForm,
        subject: &str,
    ) -> Result<T> {
        let mut url = self.url(segments)?;
        url.query_pairs_mut().append_pair("name", &form.name);
        let request = TargetRequest::new(Method::POST, url).authorized(self.authorization.clone());
        let request = request.header(CONTENT_TYPE, &form.content_type).body(form.body.clone());
        let answer = self.client.send(&request).await?;
        self.read(&self.succeeded(answer, subject, REPOSITORY_SCOPE)?)
    }

    /// Reads a file by its identity: names are ambiguous, and addresses in answers may be wrong. Passes
    /// it on piece by piece.
    pub(super) async fn read_file(
        &self,
        uuid: &str,
        take: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<()> {
        let url = self.below(&["attachments", uuid])?;
        let request = TargetRequest::new(Method::GET, url).authorized(self.authorization.clone());
        let request = request.header(ACCEPT_ENCODING, "identity");
        self.client.download(&request, take).await
    }

    /// Computes the digest of a file.
    pub(super) async fn digest_of(&self, uuid: &str, algorithm: Algorithm) -> Result<Digest> {
        let mut hasher = DigestHasher::new(algorithm);
        self.read_file(uuid, &mut |piece| hasher.update(piece)).await?;
        Ok(hasher.finish())
    }

    async fn json<T: DeserializeOwned>(&self, call: GiteaCall<'_>) -> Result<T> {
        self.read(&self.call(call).await?)
    }

    async fn call(&self, call: GiteaCall<'_>) -> Result<TargetAnswer> {
        let url = self.url(call.segments)?;
        let mut request =
            TargetRequest::new(call.method.clone(), url).authorized(self.authorization.clone());
        if let Some(body) = call.body {
            let body = UploadBody::from(vec![body.to_string().into()]);
            request = request.header(CONTENT_TYPE, JSON).body(body);
        }
        let answer = self.client.send(&request).await?;
        self.succeeded(answer, call.subject, call.scope)
    }

    /// Passes a success on, and describes any other answer.
    fn succeeded(
        &self,
        answer: TargetAnswer,
        subject: &str,
        scope: &'static str,
    ) -> Result<TargetAnswer> {
        let status = answer.status;
        if status.is_success() {
            return Ok(answer);
        }
        let server = self.server();
        if status.is_redirection() {
            let to = answer.header("location").unwrap_or("another address");
            let message = format!("{subject} moved: {server} redirects to {to}");
            return Err(ClientFailure::usage(message).hint("use its present name in --to"));
        }
        // Absence counts only in the words of Gitea: a wrong path is no missing repository.
        if status == StatusCode::NOT_FOUND && !is_json(&answer) {
            return Err(no_gitea(server, "404 without JSON"));
        }
        let message = answer.message().unwrap_or_default();
        Err(refusal(status, &message, Asked { server, subject, scope }))
    }

    fn read<T: DeserializeOwned>(&self, answer: &TargetAnswer) -> Result<T> {
        if !is_json(answer) {
            let kind = answer.header(CONTENT_TYPE.as_str()).unwrap_or("nothing");
            return Err(no_gitea(self.server(), kind));
        }
        answer.json(self.server())
    }

    fn url(&self, segments: &[&str]) -> Result<Url> {
        let api: Vec<&str> = ["api", "v1"].into_iter().chain(segments.iter().copied()).collect();
        self.below(&api)
    }

    fn below(&self, segments: &[&str]) -> Result<Url> {
        let mut url = self.base.clone();
        let wrong = || ClientFailure::usage(format!("{} makes no address", self.base));
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(segments);
        Ok(url)
    }
}

/// Returns true if a request may have been done although it failed.
pub(super) fn is_unknown(failure: &ClientFailure) -> bool {
    failure.kind() == FailureKind::Unavailable
}

fn present<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.kind() == FailureKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn is_json(answer: &TargetAnswer) -> bool {
    answer.header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with(JSON))
}
