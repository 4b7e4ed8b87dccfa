//! Publishes a version to a repository of an OCI registry: blobs first, the tag last.

mod authorization;
mod blob;
mod credentials;
mod helper;
mod session;
mod token;

use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::{ACCEPTED, EMPTY_CONFIG, MANIFEST_TYPE};
use registry_packing::README;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode};

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::request_body::BodyPart;
use crate::http::target_client::{TargetAnswer, TargetRequest};
use crate::output::size;
use crate::publish::job::{PublishJob, PublishOutcome};
use crate::publish::oci::blob::Blob;
use crate::publish::oci::session::RegistrySession;
use crate::publish::publication::Publication;
use crate::publish::target::OciTarget;

/// Header of the digest that a registry computed.
const DIGEST: &str = "docker-content-digest";

/// Publishes a version. The repository is made by the registry if it is missing.
pub(super) async fn publish(
    publication: &Publication,
    target: &OciTarget,
    job: &PublishJob<'_>,
) -> Result<PublishOutcome> {
    let tag = publication.oci_tag()?;
    let session = RegistrySession::open(target, &publication.id, job).await?;
    let release = OciRelease { publication, session, tag };
    let before = match release.tagged().await? {
        TagState::Ours => return Ok(PublishOutcome::Unchanged),
        TagState::Nothing => None,
        TagState::Other(digest) => {
            job.replace(&release.place(), &digest)?;
            Some(digest)
        }
    };
    for blob in release.blobs() {
        blob.push(&release.session, job).await?;
    }
    let digest = publication.manifest_digest();
    if !job.may(&format!("put the manifest {digest} with the tag {}", release.tag)) {
        return Ok(job.done());
    }
    // Uploads may take long: another publisher may have been faster.
    match release.tagged().await? {
        TagState::Ours => return Ok(PublishOutcome::Unchanged),
        TagState::Other(digest) if before.as_ref() != Some(&digest) => {
            job.replace(&release.place(), &digest)?;
        }
        TagState::Nothing | TagState::Other(_) => {}
    }
    release.put_manifest(&digest).await?;
    release.check(&digest).await?;
    Ok(job.done())
}

/// A version on its way to a registry.
struct OciRelease<'a> {
    publication: &'a Publication,
    session: RegistrySession,
    tag: String,
}

/// What a tag names.
enum TagState {
    Nothing,
    /// A manifest with the same archive.
    Ours,
    /// Something else, with this digest.
    Other(String),
}

impl OciRelease<'_> {
    fn place(&self) -> String {
        format!("{}:{}", self.session.name(), self.tag)
    }

    fn blobs(&self) -> Vec<Blob> {
        let archive = &self.publication.archive;
        let readme = self.publication.readme.as_ref();
        let readme = readme.map(|bytes| Blob::of_bytes(README, bytes));
        let what = format!("{} ({})", archive.title, size(archive.size));
        let file = BodyPart::File { file: archive.file.clone(), size: archive.size };
        let archive =
            Blob { what, digest: archive.digest.clone(), size: archive.size, content: file };
        let config = Blob::of_bytes("the empty configuration", EMPTY_CONFIG);
        [archive].into_iter().chain(readme).chain([config]).collect()
    }

    async fn tagged(&self) -> Result<TagState> {
        let url = self.session.url(&format!("manifests/{}", self.tag));
        let request = TargetRequest::new(Method::GET, url).header(ACCEPT, ACCEPTED);
        let answer = self.session.send(request).await?;
        match answer.status {
            StatusCode::OK => {}
            // A web server in the place of a registry does not use its words.
            StatusCode::NOT_FOUND if answer.message().is_some() => {
                return Ok(TagState::Nothing);
            }
            _ => return Err(self.session.refusal(&answer)),
        }
        if !answer.body.starts_with(b"{") {
            return Err(self.session.refusal(&answer));
        }
        if self.publication.has_archive_of(&answer.body) {
            return Ok(TagState::Ours);
        }
        Ok(TagState::Other(digest_of(&answer).unwrap_or_else(|| {
            // The bytes are those of the manifest.
            Digest::sha256(&answer.body).to_string()
        })))
    }

    async fn put_manifest(&self, digest: &Digest) -> Result<()> {
        let url = self.session.url(&format!("manifests/{}", self.tag));
        let bytes = BodyPart::from(self.publication.manifest.clone());
        let request = TargetRequest::new(Method::PUT, url)
            .header(CONTENT_TYPE, MANIFEST_TYPE)
            .body(vec![bytes].into());
        let answer = self.session.send(request).await?;
        if !answer.status.is_success() {
            return Err(self.session.refusal(&answer));
        }
        compare(&answer, digest, &self.place())
    }

    /// Reads the tag again: two publishers may have put it at once.
    async fn check(&self, digest: &Digest) -> Result<()> {
        match self.tagged().await? {
            TagState::Ours => Ok(()),
            TagState::Other(found) => {
                let message = format!(
                    "{} has the digest {found}, not {digest}: another publisher pushed it too",
                    self.place()
                );
                Err(ClientFailure::new(FailureKind::Conflict, message)
                    .hint("publish a new version"))
            }
            TagState::Nothing => {
                let message = format!("{} is not there after it was put", self.place());
                Err(ClientFailure::failed(message).hint("ask the operator of the registry"))
            }
        }
    }
}

fn digest_of(answer: &TargetAnswer) -> Option<String> {
    answer.header(DIGEST).map(ToOwned::to_owned)
}

/// Fails if the registry computed another digest than we did.
fn compare(answer: &TargetAnswer, digest: &Digest, place: &str) -> Result<()> {
    let Some(found) = digest_of(answer) else { return Ok(()) };
    if found == digest.to_string() {
        return Ok(());
    }
    let message = format!("{place} arrived with the digest {found}, not {digest}");
    Err(ClientFailure::new(FailureKind::Integrity, message)
        .hint("a proxy may have changed it; publish it again"))
}
