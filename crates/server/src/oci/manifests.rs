//! The manifest of a release, and the release of a digest.

use std::sync::Arc;
use std::time::Duration;

use registry_catalog::Catalog;
use registry_catalog::index::entry::Entry;
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use tokio::time::timeout;

use crate::answers::downloads::{DownloadQuery, Downloads, RequestedFile};
use crate::oci::archive_places::ArchivePlaces;
use crate::oci::made::manifest_of;
use crate::oci::manifest::Manifest;

/// Time after which a version that is not known yet may be read.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Maximum number of versions that one question about a digest reads.
const READ_MAX: usize = 2;

/// Manifests of releases.
pub struct Manifests {
    catalog: Arc<Catalog>,
    downloads: Arc<Downloads>,
    places: ArchivePlaces,
    flights: SingleFlight<String, Arc<Manifest>>,
    patience: Duration,
}

impl Manifests {
    /// Creates the service.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        downloads: Arc<Downloads>,
        places: ArchivePlaces,
        patience: Duration,
    ) -> Self {
        Self { catalog, downloads, places, flights: SingleFlight::default(), patience }
    }

    /// Returns the manifest of a release. The first caller of a version whose digest is not known waits
    /// until its archive is fetched, which others share.
    ///
    /// # Errors
    ///
    /// `NotFound` if the release has no single archive; `Overloaded` while other archives are fetched;
    /// `BackendTimeout` if it does not arrive in time; the errors of downloads.
    pub async fn of_release(&self, id: &ExtensionId, release: &Release) -> Result<Arc<Manifest>> {
        if let Some(made) = made(id, release) {
            return made.map(Arc::new);
        }
        let key = format!("{} {id} {}", release.backend, release.tag);
        let flight = self.flights.ask(&key, || {
            let query = DownloadQuery {
                id: id.clone(),
                version: release.tag.clone(),
                asset: None,
                scope: Scope::All,
            };
            fetched(Arc::clone(&self.downloads), self.places.clone(), query)
        });
        timeout(self.patience, flight).await.unwrap_or_else(|_| Err(late(id, release)))
    }

    /// Returns the manifest with this digest of an extension. Reads versions whose digests are not
    /// known, the newest first.
    ///
    /// # Errors
    ///
    /// `NotFound` if no version has it; `BackendUnavailable` while there are versions whose digests are
    /// not known.
    pub async fn by_digest(&self, entry: &Entry, digest: &Digest) -> Result<Arc<Manifest>> {
        let id = entry.id();
        let known = entry.extension.all_releases().filter_map(|release| made(id, release)?.ok());
        if let Some(found) = { known }.find(|manifest| manifest.digest == *digest) {
            return Ok(Arc::new(found));
        }
        let mut unknown = entry.extension.all_releases().filter(|release| is_unknown(release));
        for release in unknown.by_ref().take(READ_MAX) {
            let content = self.catalog.syncer.content(release.backend);
            content.map_or(Ok(()), |content| content.take_lookup())?;
            match self.of_release(id, release).await {
                Ok(manifest) if manifest.digest == *digest => return Ok(manifest),
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        if unknown.next().is_some() {
            let message = format!("The digests of some versions of {id} are not known yet");
            return Err(Error::unavailable(message, RETRY_AFTER));
        }
        Err(Error::not_found(format!("No version of {id} has a manifest with the digest {digest}")))
    }
}

/// Returns the manifest of a release whose digest is known; `None` for another one.
fn made(id: &ExtensionId, release: &Release) -> Option<Result<Manifest>> {
    let archive = release.artifact.chosen()?;
    let digest = archive.digest.as_ref().filter(|_| archive.known_size().is_some())?;
    Some(manifest_of(id, release, archive, digest))
}

fn is_unknown(release: &Release) -> bool {
    release.artifact.chosen().is_none_or(|archive| archive.digest.is_none())
}

async fn fetched(
    downloads: Arc<Downloads>,
    places: ArchivePlaces,
    query: DownloadQuery,
) -> Result<Arc<Manifest>> {
    let found = downloads.sized(downloads.find(&query).await?).await?;
    let (file, digest) = if let Some(digest) = found.artifact.digest.clone() {
        (found, digest)
    } else {
        // Beyond the places the caller is told to retry, so that mirrors cannot take them all.
        let _place = places.take()?;
        downloads.hashed(found).await?
    };
    let RequestedFile { id, release, artifact, .. } = &file;
    manifest_of(id, release, artifact, &digest).map(Arc::new)
}

fn late(id: &ExtensionId, release: &Release) -> Error {
    let (version, backend) = (release.version.as_str(), release.backend);
    let message =
        format!("The {backend} backend did not send the archive of {id} {version} in time; retry");
    Error::new(ErrorKind::BackendTimeout, message)
}
