//! Manifests and indexes, by tag or digest, and the digest that a tag stands for.

use std::fmt;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::http::answer::Answer;
use crate::http::json;
use crate::http::room::Room;
use crate::models::digest::Digest;
use crate::models::tag::Tag;
use crate::oci::artifact::MANIFEST_MAX;
use crate::oci::client::{Client, Question};
use crate::oci::models::{DOCKER_INDEX, DOCKER_MANIFEST, Document, OCI_INDEX, OCI_MANIFEST};
use crate::oci::operations;
use crate::oci::repository::Repository;

/// All four, always: distribution answers 404 where the stored type is not among them.
const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// What a manifest is asked for by.
#[derive(Clone, Copy, Debug)]
pub enum Reference<'a> {
    /// Whatever the tag stands for now.
    Tag(&'a Tag),
    /// These bytes and no others.
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

/// A manifest or index as it was stored.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Computed from the bytes, whatever the headers say.
    pub digest: Digest,
    /// What it says.
    pub document: Document,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Manifest {
    /// Reads the bytes of this digest.
    ///
    /// # Errors
    /// They are no manifest, or one that takes more room than there is.
    pub fn read(digest: Digest, bytes: Bytes, room: Room) -> Result<Self> {
        let not_one = |error: Error| {
            let oversized = error.is_oversized();
            let error = Error::faulty(format!("{digest} is no manifest")).because(error);
            if oversized { error.oversized() } else { error }
        };
        let document = object(&bytes, room).map_err(not_one)?;
        Ok(Self { digest, document, bytes })
    }
}

/// A JSON object; an array is refused, which serde would take for a struct's fields in turn.
///
/// # Errors
/// As [`json::document`].
pub fn object<T: DeserializeOwned>(bytes: &[u8], room: Room) -> Result<T> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Error::faulty("It is no JSON object"));
    }
    json::document(bytes, room)
}

impl Client {
    /// The manifest or index behind a reference.
    ///
    /// # Errors
    /// `NotFound`, `BackendRefused`; `BackendFaulty` for more than 4 MiB, for what is no manifest
    /// or another one than asked for; and what sending can bring.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: Reference<'_>,
        room: Room,
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
            Reference::Digest(digest) if !digest.matches(&manifest.bytes) => {
                Err(Error::faulty(format!("The registry sent another manifest than {digest}")))
            }
            _ => Ok(manifest),
        }
    }

    /// The digest that a tag stands for, as cheaply as the registry tells it; `None` where only
    /// reading the manifest can tell.
    ///
    /// # Errors
    /// `BackendRefused`, and what sending can bring. Absence is `None`: there are registries that
    /// answer `GET` alone.
    pub async fn digest_of(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>> {
        let question = self.ask_manifest(Method::HEAD, repository, Reference::Tag(tag));
        let answer = self.fetch(&question, 0, Room::Much).await?;
        match answer.status {
            StatusCode::OK => Ok(announced_digest(&answer.headers)),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Ok(None),
            _ => Err(Self::failure(&answer, "")),
        }
    }

    fn ask_manifest<'a>(
        &self,
        method: Method,
        repository: &'a Repository,
        reference: Reference<'_>,
    ) -> Question<'a> {
        let url = self.in_repository(repository, &format!("manifests/{reference}"));
        Question {
            method,
            ..Question::get(operations::MANIFEST, repository.as_str(), url, ACCEPTED)
        }
    }
}

/// Only SHA-256 serves: it is what the bytes will be known by.
fn announced_digest(headers: &HeaderMap) -> Option<Digest> {
    let text = headers.get("docker-content-digest")?.to_str().ok()?;
    let digest: Digest = text.parse().ok()?;
    (digest.algorithm() == crate::models::digest::Algorithm::Sha256).then_some(digest)
}

fn read(answer: Answer, room: Room) -> Result<Manifest> {
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let announced = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let manifest = Manifest::read(Digest::sha256(&answer.body), answer.body, room)?;
    let said = manifest.document.media_type.as_str();
    let known = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
    let contradicts = known.contains(&announced) && !said.is_empty() && said != announced;
    if contradicts || announced == "text/html" {
        let reason = format!("The registry sent {} as another type than its own", manifest.digest);
        return Err(Error::faulty(reason));
    }
    Ok(manifest)
}
