//! What a download asks of the catalog beyond a read, and what it teaches it.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::details::Details;
use crate::catalog::first_seen::{FirstSeen, News};
use crate::catalog::index::Entry;
use crate::catalog::questions::Deadline;
use crate::error::Result;
use crate::models::artifact::Artifact;
use crate::models::backend_id::BackendId;
use crate::models::digest::Digest;
use crate::models::extension::Release;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;
use crate::models::tag::Tag;

impl Catalog {
    /// One release to be downloaded. Where nobody knows the digest of its archive and other files
    /// lie beside it, a checksum may be among them: its backend is asked.
    ///
    /// # Errors
    /// As [`Catalog::find_release`].
    pub async fn find_download(
        self: &Arc<Self>,
        id: &ExtensionId,
        version: &Tag,
        scope: Scope,
    ) -> Result<(Arc<Entry>, Arc<Release>)> {
        let deadline = Deadline::of_a_read();
        let (entry, release) = self.find_release_by(id, version, scope, deadline).await?;
        let unknown = release.artifact.chosen().is_some_and(|file| file.digest.is_none());
        if !unknown || release.assets.len() < 2 {
            return Ok((entry, release));
        }
        let Details { entry, release, .. } = self.details(entry, release, deadline).await?;
        if release.artifact.chosen().is_some_and(|file| file.digest.is_some()) {
            self.amend(release.backend, entry.id());
        }
        Ok((entry, release))
    }

    /// A whole file of a release was verified: it has this digest.
    pub fn witness(
        self: &Arc<Self>,
        id: &ExtensionId,
        release: &Release,
        file: &Artifact,
        is_archive: bool,
        digest: &Digest,
    ) {
        if let Some(member) = self.member(release.backend) {
            let subject = FaultSubject::Download(release.tag.clone(), file.key.clone());
            member.evidence.mended(&id.to_string(), &subject);
        }
        if self.first_seen.saw(id, release, file, is_archive, digest) == News::Shown {
            self.amend(release.backend, id);
        }
    }

    /// The file in the place of a pinned archive, if only its bytes can tell whether it is another
    /// one.
    #[must_use]
    pub fn unverified(&self, release: &Release) -> Option<Artifact> {
        self.first_seen.unverified(release)
    }

    /// Which archives were seen first.
    #[must_use]
    pub const fn first_seen(&self) -> &Arc<FirstSeen> {
        &self.first_seen
    }

    fn amend(self: &Arc<Self>, backend: BackendId, id: &ExtensionId) {
        self.change(|index| index.amend(backend, id, |known| self.first_seen.amended(known)));
    }
}
