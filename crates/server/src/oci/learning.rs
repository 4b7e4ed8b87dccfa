//! Learns the manifest of a release that no backend stores, at the cost of a request.

use std::sync::Arc;

use registry_catalog::Catalog;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::Tag;

use crate::answers::downloads::{DownloadQuery, Downloads, RequestedFile};
use crate::archives::places::ArchivePlaces;
use crate::oci::made::manifest_of;
use crate::oci::manifest::PullManifest;
use crate::oci::published::PublishedManifests;

/// Learns manifests.
pub struct Learning {
    catalog: Arc<Catalog>,
    downloads: Arc<Downloads>,
    places: ArchivePlaces,
    published: Arc<PublishedManifests>,
}

impl Learning {
    /// Creates the service.
    #[must_use]
    pub const fn new(
        catalog: Arc<Catalog>,
        downloads: Arc<Downloads>,
        places: ArchivePlaces,
        published: Arc<PublishedManifests>,
    ) -> Self {
        Self { catalog, downloads, places, published }
    }

    /// Returns the manifest of a release: the publisher's, or one that is made from the archive. The
    /// archive is fetched if its digest is not known.
    ///
    /// # Errors
    ///
    /// `NotFound` if the release has no single archive; `Overloaded` without a free place; the errors
    /// of downloads.
    pub async fn manifest(
        self: Arc<Self>,
        id: ExtensionId,
        tag: Tag,
        backend: BackendId,
    ) -> Result<Arc<PullManifest>> {
        // The release is read in full, with its files and a checksum.
        let query = DownloadQuery { id, version: tag, asset: None, scope: backend.into() };
        let found = self.downloads.find(&query).await?;
        if let Some(content) = self.catalog.syncer.content(backend)
            && let Some(published) =
                self.published.read(&content, &found.id, &found.release).await?
        {
            return Ok(published);
        }
        let found = self.downloads.sized(found).await?;
        let (file, digest) = if let Some(digest) = found.artifact.digest.clone() {
            (found, digest)
        } else {
            // Beyond the places the caller is told to retry, so that mirrors cannot take them all.
            let _place = self.places.take()?;
            self.downloads.hashed(found).await?
        };
        let RequestedFile { id, release, artifact, .. } = &file;
        manifest_of(id, release, artifact, &digest).map(Arc::new)
    }
}
