//! Downloads: the release to download, and the digests that downloads establish.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::details::Details;
use crate::catalog::index::Entry;
use crate::catalog::lookups::Deadline;
use crate::catalog::pins::{News, Pins};
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
    /// Returns one release to download. If the archive's digest is unknown and other files lie
    /// beside it, reads the release again, because these may include a checksum.
    ///
    /// # Errors
    ///
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
        // A single asset is the archive itself, so there is no checksum file to look for.
        if !unknown || release.assets.len() < 2 {
            return Ok((entry, release));
        }
        let Details { entry, release, .. } = self.details(entry, release, deadline).await?;
        // Stored in the index, so that the next download need not read the checksum again.
        if release.artifact.chosen().is_some_and(|file| file.digest.is_some()) {
            self.amend(release.backend, entry.id());
        }
        Ok((entry, release))
    }

    /// Records the digest of a whole file of a release that was verified.
    pub fn witness(
        self: &Arc<Self>,
        id: &ExtensionId,
        release: &Release,
        file: &Artifact,
        is_archive: bool,
        digest: &Digest,
    ) {
        // The file could be downloaded, so an earlier fault of the download no longer applies.
        if let Some(handle) = self.handle(release.backend) {
            let subject = FaultSubject::Download(release.tag.clone(), file.key.clone());
            handle.evidence.mended(&id.to_string(), &subject);
        }
        // Only what responses show makes a new view; a pin alone changes no response.
        if self.pins.saw(id, release, file, is_archive, digest) == News::Shown {
            self.amend(release.backend, id);
        }
    }

    /// Returns the file in place of a pinned archive if only its bytes can show whether it changed.
    #[must_use]
    pub fn unverified(&self, release: &Release) -> Option<Artifact> {
        self.pins.unverified(release)
    }

    /// Returns the pins and learned digests.
    #[must_use]
    pub const fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    fn amend(self: &Arc<Self>, backend: BackendId, id: &ExtensionId) {
        self.change(|index| index.amend(backend, id, |known| self.pins.amended(known)));
    }
}
