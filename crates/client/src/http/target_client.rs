//! Requests to the target of `publish`: retries, redirects, and who may see the credentials.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, Method, Response, StatusCode};
use tokio::time::timeout;
use url::{Origin, Url};

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::attempt::{RequestAttempt, retried};
use crate::http::connect;
use crate::http::request_body::UploadBody;
use crate::http::upload::{self, UploadError};
use crate::settings::ConnectionSettings;

/// Longest answer that is read, in bytes.
const ANSWER_MAX: usize = 4 << 20;
/// Longest message of a server that is shown, in characters.
const MESSAGE_MAX: usize = 300;
/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// Sender of requests to one target.
#[derive(Debug)]
pub(crate) struct TargetClient {
    client: Client,
    /// Client for requests with a body: without a time limit.
    uploading: Client,
    /// Longest silence.
    silence: Duration,
    /// Target as the user wrote it, for messages.
    name: String,
    is_verbose: bool,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct TargetRequest {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// Credentials, and the origin that they are for. Other origins do not get them.
    pub(crate) authorization: Option<(HeaderValue, Origin)>,
    pub(crate) body: UploadBody,
    /// False if a second one would do something else than the first, such as `POST`.
    pub(crate) is_repeatable: bool,
}

/// An answer with its body.
#[derive(Debug)]
pub(crate) struct TargetAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Address that answered, after redirects.
    pub(crate) url: Url,
}

impl TargetRequest {
    /// A request without a body. All but `POST` and `PATCH` may be repeated.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            is_repeatable: method != Method::POST && method != Method::PATCH,
            method,
            url,
            headers: HeaderMap::new(),
            authorization: None,
            body: UploadBody::default(),
        }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: reqwest::header::HeaderName, value: &str) -> Self {
        // Values are media types and names of ours: characters that cannot be sent do not occur.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: UploadBody) -> Self {
        self.body = body;
        self
    }

    /// Sets the credentials for the origin of the request.
    pub(crate) fn authorized(mut self, value: Option<HeaderValue>) -> Self {
        self.authorization = value.map(|value| (value, self.url.origin()));
        self
    }
}

impl TargetAnswer {
    /// Returns a header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Parses the body. Fails with a message if it is no JSON of this form, such as a web page.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let kind = self.header(CONTENT_TYPE.as_str()).unwrap_or("no content type");
            ClientFailure::usage(format!("{name} sent no answer of its API, but {kind}: {error}"))
                .hint("check the address of the target")
        })
    }

    /// Returns what the server says about a failure, in the words of OCI registries or of Gitea.
    pub(crate) fn message(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let text = |value: &serde_json::Value, key: &str| {
            value.get(key).and_then(serde_json::Value::as_str).map(str::to_owned)
        };
        let error = body.get("errors").and_then(|errors| errors.get(0));
        let of_registry =
            error.and_then(|error| match (text(error, "code"), text(error, "message")) {
                (Some(code), Some(message)) => Some(format!("{code}: {message}")),
                (code, message) => code.or(message),
            });
        let message = of_registry.or_else(|| text(&body, "message"))?;
        Some(message.chars().take(MESSAGE_MAX).collect())
    }
}

impl TargetClient {
    /// Creates a client. `name` is the target in messages.
    pub(crate) fn new(connection: &ConnectionSettings, name: String) -> Result<Self> {
        Ok(Self {
            client: connect::client(connection)?,
            uploading: connect::uploading_client(connection)?,
            silence: connection.silence,
            name,
            is_verbose: connection.is_verbose,
        })
    }

    /// Returns the target for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a request, again where that may help, and reads the answer. Any status but those of an
    /// unavailable server is an answer.
    pub(crate) async fn send(&self, request: &TargetRequest) -> Result<TargetAnswer> {
        retried(async || {
            let (response, url) = self.exchange(request).await?;
            let status = response.status();
            if is_passing(status) {
                let wait = wait_of(&response);
                let failure = self.refusal(&self.read(response, url).await?);
                return Err(again(failure, wait, request.is_repeatable));
            }
            let answer = self.read(response, url).await;
            // The request was done; only the reading of an answer may be repeated.
            answer.map_err(|failure| again(failure, None, request.is_repeatable))
        })
        .await
    }

    /// Sends a request without a body, and passes the answer's bytes on.
    pub(crate) async fn download(
        &self,
        request: &TargetRequest,
        take: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<()> {
        let opened = retried(async || {
            let (response, url) = self.exchange(request).await?;
            if response.status().is_success() {
                return Ok(response);
            }
            let wait = wait_of(&response);
            let failure = self.refusal(&self.read(response, url).await?);
            Err(again(failure, wait, true))
        });
        let mut response = opened.await?;
        while let Some(piece) = self.piece(&mut response).await? {
            take(&piece);
        }
        Ok(())
    }

    /// Describes an answer that is no success.
    pub(crate) fn refusal(&self, answer: &TargetAnswer) -> ClientFailure {
        let status = answer.status;
        let told = answer.message().map_or_else(String::new, |message| format!(" ({message})"));
        let message = format!("{} answered {status}{told}", self.name);
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FailureKind::Denied,
            StatusCode::NOT_FOUND => FailureKind::NotFound,
            StatusCode::CONFLICT => FailureKind::Conflict,
            _ if is_passing(status) => FailureKind::Unavailable,
            _ if status.is_redirection() => FailureKind::Usage,
            _ => FailureKind::Failed,
        };
        let failure = ClientFailure::new(kind, message);
        match kind {
            FailureKind::Unavailable => failure.hint("try again: publishing can be repeated"),
            FailureKind::Usage => failure.hint("use the address that it redirects to"),
            _ => failure,
        }
    }

    async fn exchange(&self, request: &TargetRequest) -> Result<(Response, Url), RequestAttempt> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let has_body = has_body(&request.method);
            let client = if has_body { &self.uploading } else { &self.client };
            let mut sent = client.request(request.method.clone(), url.clone());
            sent = sent.headers(request.headers.clone());
            let authorization = request.authorization.as_ref();
            if let Some((value, _)) = authorization.filter(|(_, origin)| *origin == url.origin()) {
                sent = sent.header(AUTHORIZATION, value.clone());
            }
            if self.is_verbose {
                connect::report(&request.method, &shown(&url));
            }
            let sent = if has_body {
                let sent = sent.header(CONTENT_LENGTH, request.body.size());
                upload::send(sent, &request.body, self.silence).await
            } else {
                sent.send().await.map_err(UploadError::from)
            };
            let response = sent.map_err(|error| self.broken(&error, request))?;
            let follows =
                matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) && !has_body;
            let location = response.headers().get(LOCATION).filter(|_| follows);
            let Some(location) = location.and_then(|location| location.to_str().ok()) else {
                return Ok((response, url));
            };
            let next = url.join(location).ok();
            let next = next.filter(|next| next.scheme() == "https" || url.scheme() == "http");
            url = next.ok_or_else(|| {
                let message = format!("{} redirects to a place without TLS", self.name);
                ClientFailure::usage(message).hint("use the address that it redirects to")
            })?;
        }
        let message = format!("{} redirects more than {REDIRECTS_MAX} times", self.name);
        Err(ClientFailure::usage(message).hint("check the address of the target").into())
    }

    async fn read(&self, mut response: Response, url: Url) -> Result<TargetAnswer> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            let Some(piece) = self.piece(&mut response).await? else { break };
            if body.len() + piece.len() > ANSWER_MAX {
                let message = format!("{} sent more than {ANSWER_MAX} bytes", self.name);
                return Err(ClientFailure::failed(message));
            }
            body.extend_from_slice(&piece);
        }
        Ok(TargetAnswer { status, headers, body, url })
    }

    async fn piece(&self, response: &mut Response) -> Result<Option<Bytes>> {
        match timeout(self.silence, response.chunk()).await {
            Ok(piece) => piece.map_err(|error| self.silent(&connect::cause(&error))),
            Err(_) => Err(self.silent("it stopped within an answer")),
        }
    }

    fn broken(&self, error: &UploadError, request: &TargetRequest) -> RequestAttempt {
        let (reason, is_connect) = match error {
            UploadError::Request(error) => (connect::cause(error), error.is_connect()),
            UploadError::Silence(_) => (error.to_string(), false),
        };
        // A server that was never reached has done nothing.
        again(self.silent(&reason), None, request.is_repeatable || is_connect)
    }

    fn silent(&self, reason: &str) -> ClientFailure {
        let message = format!("{} does not answer: {reason}", self.name);
        ClientFailure::new(FailureKind::Unavailable, message)
            .hint("check the address, the network and proxies; try again")
    }
}

fn again(failure: ClientFailure, wait: Option<Duration>, is_repeatable: bool) -> RequestAttempt {
    if is_repeatable && failure.kind() == FailureKind::Unavailable {
        RequestAttempt::Again(failure, wait)
    } else {
        RequestAttempt::Final(failure)
    }
}

fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// Returns true for a status that says nothing about the request.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

fn wait_of(response: &Response) -> Option<Duration> {
    let wait = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(wait))
}

/// Queries of upload addresses may be credentials.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.to_string()
}
