//! Manifests and indexes by tag or digest, and the digest of a tag.

use std::fmt;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::http::answer::UpstreamResponse;
use crate::http::json;
use crate::http::memory_budget::MemoryBudget;
use crate::models::digest::Digest;
use crate::models::tag::Tag;
use crate::oci::artifact::MANIFEST_MAX;
use crate::oci::client::{Client, RegistryRequest};
use crate::oci::labels;
use crate::oci::models::{DOCKER_INDEX, DOCKER_MANIFEST, Document, OCI_INDEX, OCI_MANIFEST};
use crate::oci::repository::OciRepository;

/// distribution responds with 404 if the stored type is not listed.
const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// Reference to a manifest.
#[derive(Clone, Copy, Debug)]
pub enum Reference<'a> {
    /// The current target of a tag.
    Tag(&'a Tag),
    /// Content with exactly this digest.
    Digest(&'a Digest),
}

impl fmt::Display for Reference<'_> {
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
    /// Parsed content.
    pub document: Document,
    /// Raw content.
    pub bytes: Bytes,
}

impl Manifest {
    /// Parses the bytes with this digest. Fails if they are no manifest or exceed `room`.
    pub fn read(digest: Digest, bytes: Bytes, room: MemoryBudget) -> Result<Self> {
        let document = object(&bytes, room).map_err(|cause| {
            let oversized = cause.is_oversized();
            let error = Error::faulty(format!("{digest} is not a manifest")).because(cause);
            if oversized { error.oversized() } else { error }
        })?;
        Ok(Self { digest, document, bytes })
    }
}

/// Parses a JSON object like [`json::document`]. serde would accept an array as a struct.
pub fn object<T: DeserializeOwned>(bytes: &[u8], room: MemoryBudget) -> Result<T> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Error::faulty("It is not a JSON object"));
    }
    json::document(bytes, room)
}

impl Client {
    /// Fetches a manifest or index.
    ///
    /// # Errors
    /// `NotFound`, `BackendRefused`, `BackendFaulty` if the content is longer than 4 MiB, not a
    /// manifest, or does not match the digest, and the errors of sending.
    pub async fn manifest(
        &self,
        repository: &OciRepository,
        reference: Reference<'_>,
        room: MemoryBudget,
    ) -> Result<Manifest> {
        let question = self.ask_manifest(Method::GET, repository, reference);
        let max = usize::try_from(MANIFEST_MAX).unwrap_or(usize::MAX);
        let answer = self.fetch(&question, max, room).await?;
        if answer.status != StatusCode::OK {
            let missing = format!("{repository} has no manifest {reference}");
            return Err(Self::failure(&answer, missing));
        }
        let manifest = read(answer, room)?;
        match reference {
            // A tag has no expected digest; the computed one identifies the release from here on.
            Reference::Digest(digest) if !digest.matches(&manifest.bytes) => {
                Err(Error::faulty(format!("The registry sent another manifest than {digest}")))
            }
            _ => Ok(manifest),
        }
    }

    /// Returns the digest of a tag with a `HEAD`. `None` if only the manifest itself can tell.
    ///
    /// # Errors
    /// `BackendRefused`, and the errors of sending. A 404 is `None`, because some registries only
    /// support `GET`.
    pub async fn digest_of(&self, repository: &OciRepository, tag: &Tag) -> Result<Option<Digest>> {
        let question = self.ask_manifest(Method::HEAD, repository, Reference::Tag(tag));
        let answer = self.fetch(&question, 0, MemoryBudget::Much).await?;
        match answer.status {
            StatusCode::OK => Ok(announced_digest(&answer.headers)),
            // Registries without `HEAD` respond this way too, so that only a `GET` proves absence.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(None),
            _ => Err(Self::failure(&answer, "")),
        }
    }

    fn ask_manifest<'a>(
        &self,
        method: Method,
        repository: &'a OciRepository,
        reference: Reference<'_>,
    ) -> RegistryRequest<'a> {
        let url = self.in_repository(repository, &format!("manifests/{reference}"));
        RegistryRequest {
            method,
            ..RegistryRequest::get(labels::MANIFEST, repository.as_str(), url, ACCEPTED)
        }
    }
}

/// Returns the digest in the header if it is SHA-256, the algorithm of the computed one.
fn announced_digest(headers: &HeaderMap) -> Option<Digest> {
    let text = headers.get("docker-content-digest")?.to_str().ok()?;
    let digest: Digest = text.parse().ok()?;
    (digest.algorithm() == crate::models::digest::Algorithm::Sha256).then_some(digest)
}

fn read(answer: UpstreamResponse, room: MemoryBudget) -> Result<Manifest> {
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let announced = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let manifest = Manifest::read(Digest::sha256(&answer.body), answer.body, room)?;
    let said = manifest.document.media_type.as_str();
    let known = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
    let contradicts = known.contains(&announced) && !said.is_empty() && said != announced;
    // The type decides how clients interpret the bytes, so that two types for one digest are an
    // attack or a fault.
    if contradicts || announced == "text/html" {
        let reason = format!("The registry sent {} as another type than its own", manifest.digest);
        return Err(Error::faulty(reason));
    }
    Ok(manifest)
}
