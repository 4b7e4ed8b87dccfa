//! What a release of Gitea is made of.

use std::sync::Arc;

use registry_packing::README;
use tokio::task::spawn_blocking;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::request_body::BodyPart;
use crate::publish::gitea::form::UploadForm;
use crate::publish::publication::{ArchiveFile, Publication};
use crate::pull::existing::digest_of;

/// A release to make.
#[derive(Debug)]
pub(super) struct ReleasePlan {
    pub(super) tag: String,
    /// Title of the published release.
    pub(super) title: String,
    /// Release notes; empty without any.
    pub(super) notes: String,
    pub(super) is_prerelease: bool,
    /// The archive, its checksum, its manifest, and perhaps the README.
    pub(super) files: Vec<UploadForm>,
    archive: ArchiveFile,
}

impl ReleasePlan {
    /// Plans the release of a version in a repository, whose name the archive gets.
    pub(super) fn new(publication: &Publication, repository: &str, tag: &str) -> Self {
        let archive = &publication.archive;
        let ending = registry_core::models::artifact::archive_ending(&archive.title);
        let name = format!("{repository}{}", ending.unwrap_or(".tar.gz"));
        let checksum = format!("{}  {name}\n", archive.digest.hex());
        let checksum_name = format!("{name}.{}", archive.digest.algorithm().as_str());
        let manifest_name = format!("{name}.manifest.json");
        let content = BodyPart::File { file: Arc::clone(&archive.file), size: archive.size };
        let readme = publication.readme.clone();
        let files = [
            UploadForm::new(name, content, archive.size, &archive.digest),
            UploadForm::of_bytes(checksum_name, checksum.into_bytes()),
            UploadForm::of_bytes(manifest_name, publication.manifest.clone()),
        ];
        let readme = readme.map(|readme| UploadForm::of_bytes(README.to_owned(), readme));
        Self {
            tag: tag.to_owned(),
            title: tag.to_owned(),
            notes: publication.notes.clone(),
            is_prerelease: publication.is_prerelease(),
            files: files.into_iter().chain(readme).collect(),
            archive: archive.clone(),
        }
    }

    /// Checks that the archive still has its digest: Gitea does not know it.
    pub(super) async fn check_archive(&self) -> Result<()> {
        let (file, expected) = (Arc::clone(&self.archive.file), self.archive.digest.clone());
        let algorithm = expected.algorithm();
        let found = spawn_blocking(move || digest_of(&mut file.try_clone()?, algorithm)).await;
        let found = found.map_err(std::io::Error::other).and_then(|found| found);
        let found = found.map_err(|error| {
            ClientFailure::failed(format!("{} cannot be read: {error}", self.archive.title))
        })?;
        if found == expected {
            return Ok(());
        }
        let message = format!("{} changed while it was uploaded", self.archive.title);
        Err(ClientFailure::new(FailureKind::Integrity, message)
            .hint("run it again when no other program writes to the file"))
    }
}
