//! Manifests and indexes by tag or digest, and the digest of a tag.

use std::fmt;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use registry_core::backend::oci_content::StoredManifest;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::ACCEPTED;
use registry_core::models::readme::README_MAX;
use registry_core::models::tag::Tag;

use crate::http::answer::UpstreamResponse;
use crate::http::json;
use crate::oci::artifact::MANIFEST_MAX;
use crate::oci::client::stored_blob::leading_bytes;
use crate::oci::client::{Client, RegistryRequest, failure};
use crate::oci::labels;
use crate::oci::manifest_type::manifest_type;
use crate::oci::models::{DOCKER_INDEX, DOCKER_MANIFEST, Document, OCI_INDEX, OCI_MANIFEST};
use crate::oci::repository::OciRepository;

/// Maximum size of a manifest that is cached, in bytes.
const CONTENT_MAX: usize = 64 * 1024;
/// Maximum size of a parsed manifest, in bytes: the longest README, and a thousand layers.
#[expect(clippy::cast_possible_truncation, reason = "a README has at most a few MiB")]
const KEPT_MAX: usize = README_MAX as usize + 512 * 1024;

/// Tag or digest of a manifest.
#[derive(Clone, Copy, Debug)]
pub enum ManifestReference<'a> {
    /// The current target of a tag.
    Tag(&'a Tag),
    /// Content with exactly this digest.
    Digest(&'a Digest),
}

impl fmt::Display for ManifestReference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A manifest or index as stored.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Digest computed from the bytes, independent of the headers.
    pub digest: Digest,
    /// Media type of the content.
    pub media_type: String,
    /// Parsed content.
    pub document: Document,
    /// Raw content, if it is short enough to be cached.
    pub bytes: Option<Bytes>,
}

/// Reader of manifests and indexes.
pub struct ManifestClient<'a> {
    client: &'a Client,
}

impl<'a> ManifestClient<'a> {
    pub(super) const fn new(client: &'a Client) -> Self {
        Self { client }
    }

    /// Fetches a manifest or index.
    ///
    /// # Errors
    /// `NotFound`, `BackendRefused`, `BackendFaulty` if the content is longer than 4 MiB, not a
    /// manifest, or does not match the digest, and the errors of sending.
    pub async fn read(
        &self,
        repository: &OciRepository,
        reference: ManifestReference<'_>,
    ) -> Result<Manifest> {
        let question = self.question(Method::GET, repository, reference);
        let answer = self.fetch(&question, repository, reference).await?;
        let (digest, media_type, document) = read(&answer)?;
        // The document outlives the response and its memory permit, while further ones are read.
        if document.weight() > KEPT_MAX {
            return Err(Error::faulty(format!("{digest} has more text than a manifest may have")));
        }
        let is_short = !answer.is_large() && answer.body.len() <= CONTENT_MAX;
        let bytes = is_short.then(|| answer.body.clone());
        Ok(Manifest { digest, media_type, document, bytes })
    }

    /// Fetches a manifest or index as it is stored. Its digest is the requested one, or else SHA-256.
    ///
    /// # Errors
    /// Those of [`ManifestClient::read`], which bounds the memory of the document further.
    pub async fn stored(
        &self,
        repository: &OciRepository,
        reference: ManifestReference<'_>,
    ) -> Result<StoredManifest> {
        let question = self.question(Method::GET, repository, reference);
        let question = RegistryRequest { guessed: true, ..question };
        let answer = match self.fetch(&question, repository, reference).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.unless_blob(error, repository, reference).await),
        };
        let (computed, media_type, _) = read(&answer)?;
        let digest = match reference {
            ManifestReference::Digest(digest) => digest.clone(),
            ManifestReference::Tag(_) => computed,
        };
        Ok(StoredManifest { bytes: answer.body.clone(), media_type, digest })
    }

    /// Returns `NotFound` for a blob: distribution fails with 500 if it is asked for as a manifest.
    async fn unless_blob(
        &self,
        error: Error,
        repository: &OciRepository,
        reference: ManifestReference<'_>,
    ) -> Error {
        let ManifestReference::Digest(digest) = reference else { return error };
        let failed = matches!(error.kind(), ErrorKind::BackendUnavailable { .. });
        if !failed || !error.was_asked() {
            return error;
        }
        match leading_bytes(self.client, repository, digest).await {
            // Other registries have manifests among their blobs, so that only the content decides.
            Ok(head) if !head.starts_with(b"{") || head == "{}" => {
                missing(repository, reference).because(error)
            }
            _ => error,
        }
    }

    async fn fetch(
        &self,
        question: &RegistryRequest<'_>,
        repository: &OciRepository,
        reference: ManifestReference<'_>,
    ) -> Result<UpstreamResponse> {
        let max = usize::try_from(MANIFEST_MAX).unwrap_or(usize::MAX);
        let answer = self.client.fetch(question, max).await?;
        if answer.status != StatusCode::OK {
            return Err(failure(&answer, missing(repository, reference).message()));
        }
        match reference {
            // A tag has no expected digest; the computed one identifies the release from here on.
            ManifestReference::Digest(digest) if !digest.matches(&answer.body) => {
                Err(Error::faulty(format!("The registry sent another manifest than {digest}")))
            }
            _ => Ok(answer),
        }
    }

    /// Returns the digest of a tag with a `HEAD`. `None` if only the manifest itself can tell.
    ///
    /// # Errors
    /// `BackendRefused`, and the errors of sending. A 404 is `None`, because some registries only
    /// support `GET`.
    pub async fn digest_of(&self, repository: &OciRepository, tag: &Tag) -> Result<Option<Digest>> {
        let question = self.question(Method::HEAD, repository, ManifestReference::Tag(tag));
        let answer = self.client.fetch(&question, 0).await?;
        match answer.status {
            StatusCode::OK => Ok(announced_digest(&answer.headers)),
            // Registries without `HEAD` respond this way too, so that only a `GET` proves absence.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(None),
            _ => Err(failure(&answer, "")),
        }
    }

    fn question<'r>(
        &self,
        method: Method,
        repository: &'r OciRepository,
        reference: ManifestReference<'_>,
    ) -> RegistryRequest<'r> {
        let url = self.client.in_repository(repository, &format!("manifests/{reference}"));
        RegistryRequest {
            method,
            ..RegistryRequest::get(labels::MANIFEST, repository.as_str(), url, ACCEPTED)
        }
    }
}

fn missing(repository: &OciRepository, reference: ManifestReference<'_>) -> Error {
    Error::not_found(format!("{repository} has no manifest {reference}"))
}

/// Returns the digest in the header if it is SHA-256, the algorithm of the computed one.
fn announced_digest(headers: &HeaderMap) -> Option<Digest> {
    let text = headers.get("docker-content-digest")?.to_str().ok()?;
    let digest: Digest = text.parse().ok()?;
    (digest.algorithm() == registry_core::models::digest::Algorithm::Sha256).then_some(digest)
}

/// Returns the computed digest, the media type, and the parsed content.
fn read(answer: &UpstreamResponse) -> Result<(Digest, String, Document)> {
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let announced = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let digest = Digest::sha256(&answer.body);
    let document = parse(&digest, &answer.body)?;
    let said = document.media_type.as_str();
    let known = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
    let contradicts = known.contains(&announced) && !said.is_empty() && said != announced;
    // The type decides how clients interpret the bytes, so that two types for one digest are an
    // attack or a fault.
    if contradicts || announced == "text/html" {
        let reason = format!("The registry sent {digest} as another type than its own");
        return Err(Error::faulty(reason));
    }
    let media_type = manifest_type(&document, announced);
    Ok((digest, media_type, document))
}

/// Parses the content with this digest. Fails if it is no manifest.
pub fn parse(digest: &Digest, content: &[u8]) -> Result<Document> {
    json::object(content)
        .map_err(|cause| Error::faulty(format!("{digest} is not a manifest")).because(cause))
}
