//! Downloads of archives and assets: the file of a release, its bytes, and errors within them.

mod by_digest;
mod named_files;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use registry_catalog::Catalog;
use registry_catalog::pins::archive_replaced;
use registry_catalog::read::file::file_of;
use registry_catalog::sync::content::BackendContent;
use registry_core::backend::Fault;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::digest::{Algorithm, Digest, DigestHasher};
use registry_core::models::extension::{Change, Release};
use registry_core::models::fault::FaultSubject;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use tracing::warn;

use crate::artifacts::blobs::BlobReader;
use crate::artifacts::{ArtifactRequest, Artifacts, DownloadOrigin, Opened, Upstream, Witness};
use crate::metrics::Metrics;

// Log filters name this target (docs/operations.md), so it outlives the former module name.
const LOG_TARGET: &str = "extension_registry::api::download";

/// A request for a file of a release.
#[derive(Clone, Debug)]
pub struct DownloadQuery {
    /// Extension.
    pub id: ExtensionId,
    /// A raw tag, a version, or `latest`.
    pub version: Tag,
    /// Key or name of one file; `None` for the archive.
    pub asset: Option<String>,
    /// Backends that are asked.
    pub scope: Scope,
}

/// One requested file of a release.
#[derive(Clone)]
pub struct RequestedFile {
    /// Extension of the release.
    pub id: ExtensionId,
    /// Release of the file.
    pub release: Arc<Release>,
    /// File to send.
    pub artifact: Arc<Artifact>,
    /// Key or name that was asked for; `None` for the archive.
    asset: Option<String>,
    /// Backend that has it as a blob; `None` for a file of the release.
    blob_at: Option<BackendContent>,
}

/// Downloads of every backend.
pub struct Downloads {
    catalog: Arc<Catalog>,
    artifacts: Arc<Artifacts>,
    metrics: Metrics,
}

impl Downloads {
    /// Creates the service over a catalog and the store of artifacts.
    #[must_use]
    pub const fn new(catalog: Arc<Catalog>, artifacts: Arc<Artifacts>, metrics: Metrics) -> Self {
        Self { catalog, artifacts, metrics }
    }

    /// Finds a file, perhaps without its size. Fails if the release or the file does not exist.
    pub async fn find(&self, query: &DownloadQuery) -> Result<RequestedFile> {
        let DownloadQuery { id, version, asset, scope } = query;
        let (entry, release) = self.catalog.reader.find_download(id, version, *scope).await?;
        let artifact = file_of(id, &release, asset.as_deref())?.clone();
        let (id, asset) = (entry.id().clone(), asset.clone());
        Ok(RequestedFile { id, release, artifact, asset, blob_at: None })
    }

    /// Asks the backend, with one request, for the size of a file that it only links to.
    pub async fn sized(&self, file: RequestedFile) -> Result<RequestedFile> {
        if file.artifact.known_size().is_some() {
            return Ok(file);
        }
        let RequestedFile { id, release, artifact, .. } = &file;
        let opened = self.catalog.syncer.open(id, release, artifact, None).await;
        let size = opened.inspect_err(|error| file.report(&self.catalog, error))?.length;
        self.catalog.reader.refresh(id, release.backend).await?;
        let mut again = self.found_again(file).await?;
        if again.artifact.known_size().is_none() {
            Arc::make_mut(&mut again.artifact).size = size;
        }
        Ok(again)
    }

    /// Checks if the archive of a pinned version was replaced at the backend, by its bytes if only
    /// they can tell and no copy is stored. Fails with the error of the backend.
    pub async fn verified(&self, file: RequestedFile) -> Result<RequestedFile> {
        let unverified = self.catalog.pins.unverified(&file.release).filter(|_| file.is_archive());
        let Some(present) = unverified else { return Ok(file) };
        if self.holds(&file) {
            return Ok(file);
        }
        let present = RequestedFile { artifact: Arc::new(present), ..file };
        let opened = self.artifacts.open(self.request(&present, None)).await;
        let mut bytes =
            opened.inspect_err(|error| present.report(&self.catalog, error))?.download.bytes;
        // The bytes are discarded: the download computes the digest, which the witness passes to
        // the catalog.
        while let Some(piece) = bytes.next().await {
            piece.inspect_err(|error| present.report(&self.catalog, error))?;
        }
        // The witness reports asynchronously; the file found before that would not show the change.
        self.catalog.store.published().await;
        self.found_again(present).await
    }

    async fn found_again(&self, file: RequestedFile) -> Result<RequestedFile> {
        let (tag, backend) = (&file.release.tag, file.release.backend);
        let (_, release) = self.catalog.reader.find_release(&file.id, tag, backend).await?;
        let artifact = file_of(&file.id, &release, file.asset.as_deref())?.clone();
        Ok(RequestedFile { release, artifact, ..file })
    }

    /// Finds a file after a refresh: the backend does not know the old identifier. Fails with
    /// `BackendFaulty` if the release still lists the missing file.
    pub async fn find_again(&self, file: RequestedFile) -> Result<RequestedFile> {
        let (key, backend) = (file.artifact.key.clone(), file.release.backend);
        if file.blob_at.is_some() {
            let message = format!("The repository of {} has no blob {key}", file.id);
            return Err(Error::not_found(message));
        }
        self.catalog.reader.refresh(&file.id, backend).await?;
        let again = self.found_again(file).await?;
        // An unchanged identifier would fail again; a second retry brings nothing.
        if again.artifact.key != key {
            return Ok(again);
        }
        let (id, version) = (&again.id, again.release.version.as_str());
        let name = &again.artifact.file_name;
        let message = format!("The {backend} backend lists {name} of {id} {version} and lacks it");
        let error = Error::faulty(message);
        again.report(&self.catalog, &error);
        Err(error)
    }

    /// Opens a file, or a nonempty part, and counts its bytes. Fails if it cannot be read, or may not
    /// be given out.
    pub async fn open(&self, file: &RequestedFile, part: Option<Range<u64>>) -> Result<Opened> {
        if file.is_archive() {
            // The witness comes too late for the status of a large archive.
            self.catalog.pins.check_decidable(&file.id, &file.release)?;
        }
        let opened = self.artifacts.open(self.request(file, part)).await;
        let mut opened = opened.inspect_err(|error| file.report(&self.catalog, error))?;
        self.metrics.extensions_served(1);
        let count = self.metrics.artifacts().begun(label(opened.origin));
        let (file, catalog) = (file.clone(), Arc::clone(&self.catalog));
        let bytes = opened.download.bytes.inspect(move |piece| match piece {
            Ok(piece) => count.inc_by(piece.len() as u64),
            Err(error) => {
                let (backend, id) = (file.release.backend, &file.id);
                warn!(target: LOG_TARGET, %backend, repository = %id, "download aborted: {}", error.report());
                file.report(&catalog, error);
            }
        });
        opened.download.bytes = bytes.boxed();
        Ok(opened)
    }

    /// Returns true if the store lists the file. Does not access the store.
    #[must_use]
    pub fn holds(&self, file: &RequestedFile) -> bool {
        file.artifact.digest.as_ref().is_some_and(|digest| self.artifacts.holds(digest))
    }

    /// Opens a stored file for this service itself; `None` if it is not stored. Sends no request to a
    /// backend. Fails if another archive is pinned.
    pub async fn stored(&self, file: &RequestedFile) -> Result<Option<Arc<dyn BlobReader>>> {
        self.artifacts.stored(&self.request(file, None)).await
    }

    /// Reads a file of known size into memory, for this service itself. It is verified like a
    /// download, and not counted as one. Fails if it cannot be read.
    pub async fn whole(&self, file: &RequestedFile) -> Result<Bytes> {
        let read = async {
            let mut bytes = self.artifacts.open(self.request(file, None)).await?.download.bytes;
            // The stream fails if it has more bytes than announced.
            let size = file.artifact.known_size().and_then(|size| usize::try_from(size).ok());
            let mut whole = Vec::with_capacity(size.unwrap_or_default());
            while let Some(piece) = bytes.next().await {
                whole.extend_from_slice(&piece?);
            }
            Ok(Bytes::from(whole))
        };
        read.await.inspect_err(|error| file.report(&self.catalog, error))
    }

    /// Reads a file through the store to compute its digest. Returns the file as its backend has it now,
    /// and the digest, which the catalog knows by then. Fails if it cannot be read.
    pub async fn hashed(&self, file: RequestedFile) -> Result<(RequestedFile, Digest)> {
        let (file, digest) = match self.digest_of(&file).await {
            // A replaced file gets a new identifier at its backend, so the cached one is unknown there.
            Err(error) if error.is_not_found() => {
                let again = self.find_again(file).await?;
                let digest = self.digest_of(&again).await?;
                (again, digest)
            }
            digest => (file, digest?),
        };
        // The witness reports asynchronously.
        self.catalog.store.published().await;
        Ok((file, digest))
    }

    async fn digest_of(&self, file: &RequestedFile) -> Result<Digest> {
        let wanted = self.request(file, None);
        let read = async {
            let mut bytes = self.artifacts.open(wanted.clone()).await?.download.bytes;
            let mut hasher = DigestHasher::new(Algorithm::Sha256);
            while let Some(piece) = bytes.next().await {
                hasher.update(&piece?);
            }
            // The caller asks for the archive by this digest next, which must not fetch it again.
            self.artifacts.fetched(&wanted).await;
            Ok(hasher.finish())
        };
        read.await.inspect_err(|error| file.report(&self.catalog, error))
    }

    fn request(&self, file: &RequestedFile, range: Option<Range<u64>>) -> ArtifactRequest {
        ArtifactRequest {
            backend: file.release.backend,
            artifact: file.artifact.clone(),
            range,
            upstream: file.upstream(&self.catalog),
            witness: file.witness(&self.catalog),
        }
    }
}

impl RequestedFile {
    const fn is_archive(&self) -> bool {
        self.asset.is_none()
    }

    fn witness(&self, catalog: &Arc<Catalog>) -> Witness {
        let (this, catalog) = (self.clone(), Arc::clone(catalog));
        Arc::new(move |digest| {
            let (this, catalog) = (this.clone(), Arc::clone(&catalog));
            async move {
                let Self { id, release, artifact, .. } = &this;
                catalog.health.download_succeeded(id, release, artifact);
                catalog.pins.decide(id, release, artifact, this.is_archive(), &digest).await
            }
            .boxed()
        })
    }

    fn upstream(&self, catalog: &Arc<Catalog>) -> Upstream {
        let (this, catalog) = (self.clone(), Arc::clone(catalog));
        Arc::new(move |range| {
            let (this, catalog) = (this.clone(), Arc::clone(&catalog));
            async move {
                // Checked here rather than earlier, so that a stored copy of the replaced archive
                // is still served.
                this.refused()?;
                if let (Some(content), Some(digest)) = (&this.blob_at, &this.artifact.digest) {
                    return content.blob(&this.id, digest, range).await;
                }
                catalog.syncer.open(&this.id, &this.release, &this.artifact, range).await
            }
            .boxed()
        })
    }

    fn refused(&self) -> Result<()> {
        let Some(change) = self.release.change.as_deref() else { return Ok(()) };
        let Change { first, now, in_place, .. } = change;
        if !self.is_archive() || !in_place || self.artifact.digest.as_ref() != Some(first) {
            return Ok(());
        }
        let (id, version) = (&self.id, self.release.version.as_str());
        let now = now.as_ref().map_or_else(|| "another file".to_owned(), ToString::to_string);
        Err(archive_replaced(id, version, first, &now))
    }

    fn report(&self, catalog: &Catalog, error: &Error) {
        // An unavailable backend is reported to `/health` already.
        if error.kind() == ErrorKind::BackendFaulty {
            let reason = format!("{}: {}", self.release.tag, error.report());
            let fault = Fault {
                repository: self.id.to_string(),
                subject: FaultSubject::Download(
                    self.release.tag.clone(),
                    self.artifact.key.clone(),
                ),
                reason,
            };
            catalog.health.report(self.release.backend, fault);
        }
    }
}

const fn label(origin: DownloadOrigin) -> &'static str {
    match origin {
        DownloadOrigin::Store => "store",
        DownloadOrigin::Backend => "backend",
        DownloadOrigin::Shared => "shared",
        DownloadOrigin::Bucket => "bucket",
    }
}
