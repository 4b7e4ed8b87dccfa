//! Upload of a blob in one request, after a place for it was asked for.

use std::time::Duration;

use bytes::Bytes;
use registry_core::models::digest::Digest;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, StatusCode};
use tokio::time::sleep;
use url::Url;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::request_body::BodyPart;
use crate::http::target_client::{TargetAnswer, TargetRequest};
use crate::publish::job::PublishJob;
use crate::publish::oci::compare;
use crate::publish::oci::session::RegistrySession;

/// Uploads of one blob, each in a new place.
const UPLOADS: usize = 3;
/// Time between two uploads of one blob.
const PAUSE: Duration = Duration::from_millis(500);

/// A blob to push.
pub(super) struct Blob {
    /// Name for messages.
    pub(super) what: String,
    pub(super) digest: Digest,
    /// Length in bytes.
    pub(super) size: u64,
    pub(super) content: BodyPart,
}

impl Blob {
    pub(super) fn of_bytes(what: &str, bytes: &[u8]) -> Self {
        Self {
            what: what.to_owned(),
            digest: Digest::sha256(bytes),
            size: bytes.len() as u64,
            content: Bytes::copy_from_slice(bytes).into(),
        }
    }

    /// Uploads the blob, unless the registry has it.
    pub(super) async fn push(&self, session: &RegistrySession, job: &PublishJob<'_>) -> Result<()> {
        if self.is_there(session).await? || !job.may(&format!("upload {}", self.what)) {
            return Ok(());
        }
        for _ in 1..UPLOADS {
            match self.upload(session).await {
                // The place of an upload that broke off is not used again.
                Err(failure) if failure.kind() == FailureKind::Unavailable => sleep(PAUSE).await,
                ended => return ended,
            }
        }
        self.upload(session).await
    }

    async fn is_there(&self, session: &RegistrySession) -> Result<bool> {
        let url = session.url(&format!("blobs/{}", self.digest));
        let answer = session.send(TargetRequest::new(Method::HEAD, url)).await?;
        match answer.status {
            StatusCode::OK => {
                let length = answer.header("content-length").and_then(|length| length.parse().ok());
                Ok(length.is_none_or(|length: u64| length == self.size))
            }
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(session.refusal(&answer)),
        }
    }

    async fn upload(&self, session: &RegistrySession) -> Result<()> {
        let begin = TargetRequest {
            // A place that is not used costs nothing.
            is_repeatable: true,
            ..TargetRequest::new(Method::POST, session.url("blobs/uploads/"))
        };
        let answer = session.send(begin).await?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(session.refusal(&answer));
        }
        let mut place = place_of(&answer, session)?;
        place.query_pairs_mut().append_pair("digest", &self.digest.to_string());
        let put = TargetRequest {
            // Part of the blob may be in this place already.
            is_repeatable: false,
            ..TargetRequest::new(Method::PUT, place)
        };
        let put = put.header(CONTENT_TYPE, "application/octet-stream");
        let answer = session.send(put.body(vec![self.content.clone()].into())).await?;
        if !answer.status.is_success() {
            return Err(session.refusal(&answer));
        }
        compare(&answer, &self.digest, &self.what)
    }
}

/// Returns the place of an upload: absolute or relative, with or without a query, here or elsewhere.
fn place_of(answer: &TargetAnswer, session: &RegistrySession) -> Result<Url> {
    let place = answer.header(LOCATION.as_str()).unwrap_or_default();
    let lost = || {
        ClientFailure::usage(format!("{} names no place for an upload: {place:?}", session.name()))
            .hint("ask the operator of the registry")
    };
    let mut url = answer.url.join(place).map_err(|_| lost())?;
    if place.is_empty() {
        return Err(lost());
    }
    let is_same_host = url.host() == answer.url.host();
    if answer.url.scheme() == "https" && url.scheme() == "http" && is_same_host {
        // A registry behind a TLS proxy sees plain HTTP.
        let port = if url.port().is_some() { url.port() } else { answer.url.port() };
        url.set_scheme("https").and_then(|()| url.set_port(port)).map_err(|()| lost())?;
    }
    match (answer.url.scheme(), url.scheme()) {
        (_, "https") | ("http", "http") => Ok(url),
        _ => Err(lost()),
    }
}
