//! The manifest of a release, and the manifest with a digest.

use std::sync::Arc;
use std::time::Duration;

use registry_catalog::index::entry::Entry;
use registry_catalog::sync::content::BackendContent;
use registry_catalog::{Catalog, Merge};
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use tokio::time::timeout;

use crate::answers::downloads::Downloads;
use crate::archives::places::ArchivePlaces;
use crate::oci::learning::Learning;
use crate::oci::made::manifest_of;
use crate::oci::manifest::PullManifest;
use crate::oci::published::{Published, PublishedManifests};
use crate::oci::stored_manifests::{StoredManifests, StoredRules};

/// Time after which a version that is not known yet may be read.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Maximum number of versions that one question about a digest reads.
const READ_MAX: usize = 2;

/// Manifests of extensions.
pub struct Manifests {
    catalog: Arc<Catalog>,
    /// Those that backends store.
    pub stored: StoredManifests,
    /// Those that publishers stored as files.
    pub published: Arc<PublishedManifests>,
    learning: Arc<Learning>,
    flights: SingleFlight<String, Arc<PullManifest>>,
    patience: Duration,
}

impl Manifests {
    /// Creates the service. A client waits for `patience` for an archive whose digest is not known.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        downloads: Arc<Downloads>,
        places: ArchivePlaces,
        patience: Duration,
    ) -> Self {
        let (ttl, negative_ttl) = (catalog.rules.ttl, catalog.rules.negative_ttl);
        let published = Arc::<PublishedManifests>::default();
        let learning =
            Learning::new(Arc::clone(&catalog), downloads, places, Arc::clone(&published));
        Self {
            catalog,
            stored: StoredManifests::new(StoredRules { ttl, negative_ttl }),
            published,
            learning: Arc::new(learning),
            flights: SingleFlight::default(),
            patience,
        }
    }

    /// Returns the manifest of a release: the stored one, else the publisher's, else a made one. The
    /// first caller of a version whose digest is not known waits until its archive is fetched, which
    /// others share.
    ///
    /// # Errors
    ///
    /// `NotFound` if the release has no single archive; `Overloaded` while other archives are fetched;
    /// `BackendTimeout` if it does not arrive in time; the errors of downloads.
    pub async fn of_release(
        &self,
        id: &ExtensionId,
        release: &Release,
    ) -> Result<Arc<PullManifest>> {
        if let Some(content) = self.catalog.syncer.content(release.backend)
            && content.has_manifests()
        {
            return self.stored.of_release(&content, id, release).await;
        }
        if let Some(known) = self.known(id, release) {
            return known;
        }
        let key = format!("{} {id} {}", release.backend, release.tag);
        let flight = self.flights.ask(&key, || {
            Arc::clone(&self.learning).manifest(id.clone(), release.tag.clone(), release.backend)
        });
        timeout(self.patience, flight).await.unwrap_or_else(|_| Err(late(id, release)))
    }

    /// Returns the manifest with this digest of an extension, from the backends that answer for it.
    /// Reads versions whose digests are not known, the newest first.
    ///
    /// # Errors
    ///
    /// `NotFound` if no version has it; `BackendUnavailable` while there are versions whose digests are
    /// not known; the errors of [`Manifests::of_release`].
    pub async fn by_digest(&self, entry: &Entry, digest: &Digest) -> Result<Arc<PullManifest>> {
        let id = entry.id();
        let is_same = |manifest: &Arc<PullManifest>| manifest.digest == *digest;
        for release in entry.extension.all_releases() {
            let says_so = release.manifest_digest.as_ref() == Some(digest);
            if !self.is_made(release) {
                if says_so {
                    return self.of_release(id, release).await;
                }
                continue;
            }
            // The record of a release may have the digest of the publisher's manifest.
            if says_so
                && let Ok(manifest) = self.of_release(id, release).await
                && is_same(&manifest)
            {
                return Ok(manifest);
            }
            if let Published::Present(manifest) = self.published.known(id, release)
                && is_same(&manifest)
            {
                return Ok(manifest);
            }
            // A made one may have been the manifest of the tag before the publisher's was there.
            if let Some(Ok(manifest)) = made(id, release).map(|made| made.map(Arc::new))
                && is_same(&manifest)
            {
                return Ok(manifest);
            }
        }
        let mut failed = None;
        for content in self.storing(entry) {
            let found = async {
                self.stored
                    .check_shown(&content, entry, &self.hidden(entry, &content), digest)
                    .await?;
                self.stored.by_digest(&content, id, digest).await
            };
            match found.await {
                Err(error) if error.is_not_found() => {}
                Err(error) => failed = Some(error),
                found => return found,
            }
        }
        let learned = self.learn(entry, is_same).await?;
        match (learned, failed) {
            (Some(manifest), _) => Ok(manifest),
            (None, Some(error)) => Err(error),
            (None, None) => {
                let message = format!("No version of {id} has a manifest with the digest {digest}");
                Err(Error::not_found(message))
            }
        }
    }

    /// Reads versions whose manifests are not known, the newest first and few at once. Returns the
    /// manifest that `is_wanted`; `None` if all are known.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` while there are others; the errors of [`Manifests::of_release`].
    pub async fn learn(
        &self,
        entry: &Entry,
        is_wanted: impl Fn(&Arc<PullManifest>) -> bool,
    ) -> Result<Option<Arc<PullManifest>>> {
        let id = entry.id();
        let mut unknown = self.unknown(entry);
        for release in unknown.by_ref().take(READ_MAX) {
            let content = self.catalog.syncer.content(release.backend);
            content.map_or(Ok(()), |content| content.take_lookup())?;
            match self.of_release(id, release).await {
                Ok(manifest) if is_wanted(&manifest) => return Ok(Some(manifest)),
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        match unknown.next() {
            Some(_) => Err(not_known_yet(id)),
            None => Ok(None),
        }
    }

    /// Returns the backends that answer for an extension and store manifests, in order.
    pub fn storing(&self, entry: &Entry) -> impl Iterator<Item = BackendContent> {
        let backends = self.catalog.backends.within(Scope::All);
        let answering = backends.filter(|backend| entry.is_of(*backend));
        let contents = answering.filter_map(|backend| self.catalog.syncer.content(backend));
        contents.filter(BackendContent::has_manifests)
    }

    /// Returns the versions of a backend that are not served, because another backend of the union has
    /// them.
    #[must_use]
    pub fn hidden(&self, entry: &Entry, content: &BackendContent) -> Vec<Arc<Release>> {
        // Only a union serves versions of several backends under one name.
        if self.catalog.rules.merge != Merge::Union {
            return Vec::new();
        }
        let copy = self.catalog.store.read_backend(content.backend(), |extensions| {
            extensions.get(entry.id()).map(|copy| Arc::clone(&copy.extension))
        });
        let Some(own) = copy.flatten() else { return Vec::new() };
        let is_shown = |release: &Release| {
            let mut shown = entry.extension.all_releases();
            shown.any(|one| one.backend == release.backend && one.tag == release.tag)
        };
        own.all_releases().filter(|release| !is_shown(release)).cloned().collect()
    }

    /// Fails while there are versions whose manifests are not known.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable`.
    pub fn are_known(&self, entry: &Entry) -> Result<()> {
        match self.unknown(entry).next() {
            Some(_) => Err(not_known_yet(entry.id())),
            None => Ok(()),
        }
    }

    fn unknown<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = &'a Release> {
        let all = entry.extension.all_releases().map(|release| &**release);
        all.filter(move |release| self.is_made(release) && self.is_unknown(entry.id(), release))
    }

    fn is_unknown(&self, id: &ExtensionId, release: &Release) -> bool {
        // A release without a single archive has no manifest.
        let may_have = match &release.artifact {
            ArtifactChoice::Chosen(_) | ArtifactChoice::Unread => true,
            ArtifactChoice::Ambiguous(_) | ArtifactChoice::Nothing => false,
        };
        may_have && self.known(id, release).is_none()
    }

    /// Returns true if the backend of the release stores no manifests.
    fn is_made(&self, release: &Release) -> bool {
        let content = self.catalog.syncer.content(release.backend);
        content.is_none_or(|content| !content.has_manifests())
    }

    /// Returns the manifest of a release that no backend stores, if that takes no request.
    fn known(&self, id: &ExtensionId, release: &Release) -> Option<Result<Arc<PullManifest>>> {
        match self.published.known(id, release) {
            Published::Unread => None,
            Published::Present(manifest) => Some(Ok(manifest)),
            Published::Absent => made(id, release).map(|manifest| manifest.map(Arc::new)),
        }
    }
}

/// Makes the manifest of a release whose digest is known; `None` for another one.
fn made(id: &ExtensionId, release: &Release) -> Option<Result<PullManifest>> {
    let archive = release.artifact.chosen()?;
    let digest = archive.digest.as_ref().filter(|_| archive.known_size().is_some())?;
    Some(manifest_of(id, release, archive, digest))
}

fn not_known_yet(id: &ExtensionId) -> Error {
    Error::unavailable(
        format!("The digests of some versions of {id} are not known yet"),
        RETRY_AFTER,
    )
}

fn late(id: &ExtensionId, release: &Release) -> Error {
    let (version, backend) = (release.version.as_str(), release.backend);
    let message =
        format!("The {backend} backend did not send the archive of {id} {version} in time; retry");
    Error::new(ErrorKind::BackendTimeout, message)
}
