//! Requests to the registry: JSON, texts, and files in parts.

mod attempt;
mod connect;
mod last_piece;
mod refusal;
pub(crate) mod request_body;
pub(crate) mod target_client;
mod transfer;
mod upload;

use registry_public::paths::Target;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::attempt::{RequestAttempt, retried};
use crate::http::refusal::refusal;
use crate::http::transfer::Transfer;
use crate::settings::{Server, Settings};

/// Longest JSON that is read, in bytes.
const JSON_MAX: usize = 64 << 20;
const JSON: &str = "application/json";

/// Client of one registry.
#[derive(Debug)]
pub struct Registry {
    transfer: Transfer,
    server: Server,
    is_offline: bool,
}

/// Rows of a list, and the number of rows of all pages.
#[derive(Debug)]
pub struct ResultPage<T> {
    /// Rows of this page.
    pub rows: Vec<T>,
    /// Rows of all pages; at least those of this one.
    pub total: usize,
    /// True if a backend's part is missing or old.
    pub is_degraded: bool,
}

impl Registry {
    /// Creates a client. Sends no request.
    pub fn new(settings: &Settings) -> Result<Self> {
        Self::with_token(settings, settings.token.clone())
    }

    /// Creates a client that sends this token instead of that of the settings.
    pub fn with_token(settings: &Settings, token: Option<SecretString>) -> Result<Self> {
        Ok(Self {
            transfer: Transfer::new(&settings.connection, &settings.server, token)?,
            server: settings.server.clone(),
            is_offline: settings.is_offline,
        })
    }

    /// Returns the address before `/api/v1`.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Reads one JSON object.
    pub async fn get<T: DeserializeOwned>(&self, target: &Target) -> Result<T> {
        retried(async || {
            let response = self.ask(Method::GET, target, accepting(JSON)).await?;
            self.json(response).await
        })
        .await
    }

    /// Reads one page of a list.
    pub async fn page<T: DeserializeOwned>(&self, target: &Target) -> Result<ResultPage<T>> {
        retried(async || {
            let response = self.ask(Method::GET, target, accepting(JSON)).await?;
            let total = response.headers().get("x-total-count");
            let total = total.and_then(|total| total.to_str().ok()?.parse().ok());
            let is_degraded = response.headers().contains_key("extension-registry-degraded");
            let rows: Vec<T> = self.json(response).await?;
            Ok(ResultPage { total: total.unwrap_or(rows.len()), rows, is_degraded })
        })
        .await
    }

    /// Reads a text.
    pub async fn text(&self, target: &Target, media_type: &'static str) -> Result<String> {
        retried(async || {
            let response = self.ask(Method::GET, target, accepting(media_type)).await?;
            let bytes = self.body(response).await?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
        .await
    }

    /// Reads a small document as it is, and its media type.
    pub async fn document(
        &self,
        target: &Target,
        accept: &'static str,
    ) -> Result<(Vec<u8>, String)> {
        retried(async || {
            let response = self.ask(Method::GET, target, accepting(accept)).await?;
            let media_type = response.headers().get(CONTENT_TYPE).cloned();
            let media_type = media_type.as_ref().and_then(|value| value.to_str().ok());
            let media_type = media_type.unwrap_or_default().to_owned();
            Ok((self.body(response).await?, media_type))
        })
        .await
    }

    /// Reads the headers of a file.
    pub async fn head(&self, target: &Target) -> Result<HeaderMap> {
        retried(async || {
            let response = self.ask(Method::HEAD, target, HeaderMap::new()).await?;
            Ok(response.headers().clone())
        })
        .await
    }

    /// Opens a file at this byte, if the entity tag is still the given one, else at its start.
    pub async fn open(&self, target: &Target, rest: Option<&(u64, String)>) -> Result<Response> {
        retried(async || {
            let mut headers = HeaderMap::new();
            if let Some((start, entity_tag)) = rest {
                headers.insert(RANGE, value(&format!("bytes={start}-"))?);
                headers.insert(reqwest::header::IF_RANGE, value(entity_tag)?);
            }
            self.ask(Method::GET, target, headers).await
        })
        .await
    }

    async fn ask(
        &self,
        method: Method,
        target: &Target,
        headers: HeaderMap,
    ) -> Result<Response, RequestAttempt> {
        if self.is_offline {
            let message = format!("--offline sends no request to {}", self.server.url);
            return Err(ClientFailure::usage(message).hint("run it without --offline").into());
        }
        let url = self.server.url.at(&target.absolute());
        let response = self.transfer.send(method, &url, headers).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response, &self.server).await)
    }

    async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, RequestAttempt> {
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or("nothing").to_owned();
        if !content_type.starts_with(JSON) {
            return Err(refusal::no_registry(&self.server, &content_type).into());
        }
        let bytes = self.body(response).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{} sent JSON of another form: {error}", self.server.url);
            let hint = "check that --server is an extension registry of version 0.2 or later";
            ClientFailure::usage(message).hint(hint).into()
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, RequestAttempt> {
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| self.transfer.broken(&e))? {
            if bytes.len() + piece.len() > JSON_MAX {
                let message =
                    format!("{} sent more than {JSON_MAX} bytes of text", self.server.url);
                return Err(ClientFailure::new(FailureKind::Failed, message).into());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

fn accepting(media_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(media_type))])
}

fn value(text: &str) -> Result<HeaderValue, RequestAttempt> {
    HeaderValue::from_str(text).map_err(|_| {
        ClientFailure::failed("a header of the registry has control characters").into()
    })
}
