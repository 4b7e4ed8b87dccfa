//! Downloads of archives and assets: source of the bytes, metrics, and errors within the stream.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt as _, StreamExt as _};
use tracing::warn;

use crate::api::artifact_headers::set;
use crate::api::extract::ReleasePath;
use crate::api::state::ApiState;
use crate::artifacts::{self, DownloadOrigin, Opened, Upstream, Witness};
use crate::backend::Fault;
use crate::catalog::Catalog;
use crate::catalog::reads::file_of;
use crate::edge::headers::CACHE_STATUS;
use crate::edge::ranges::WantedRange;
use crate::error::{Error, ErrorKind};
use crate::models::artifact::Artifact;
use crate::models::extension::{Change, Release};
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// One requested file of a release.
#[derive(Clone)]
pub struct RequestedFile {
    /// Extension of the release.
    pub id: ExtensionId,
    /// Release of the file.
    pub release: Arc<Release>,
    /// File to send.
    pub artifact: Arc<Artifact>,
    /// True if the request was for the archive of the version.
    pub is_archive: bool,
}

impl RequestedFile {
    /// Finds the archive or an asset of a release. Fails if the release or the file does not exist.
    pub async fn find(api: &ApiState, path: &ReleasePath, scope: Scope) -> Result<Self, Error> {
        let ReleasePath { id, version, asset } = path;
        let (entry, release) = api.catalog.find_download(id, version, scope).await?;
        let artifact = file_of(id, &release, asset.as_deref())?.clone();
        Ok(Self { id: entry.id().clone(), release, artifact, is_archive: asset.is_none() })
    }

    /// Asks the backend, with one request, for the size of a file that it only links to.
    pub async fn sized(self, api: &ApiState, asset: Option<&str>) -> Result<Self, Error> {
        if self.artifact.known_size().is_some() {
            return Ok(self);
        }
        let Self { id, release, artifact, .. } = &self;
        let opened = api.catalog.open(id, release, artifact, None).await;
        let size = opened.inspect_err(|error| self.report(&api.catalog, error))?.length;
        api.catalog.refresh(id, release.backend.into()).await?;
        let mut again = self.found_again(api, asset).await?;
        if again.artifact.known_size().is_none() {
            Arc::make_mut(&mut again.artifact).size = size;
        }
        Ok(again)
    }

    /// Checks if the archive of a pinned version was replaced at the backend, by its bytes if only
    /// they can tell and no copy is stored. Fails with the error of the backend.
    pub async fn verified(self, api: &ApiState) -> Result<Self, Error> {
        let unverified = api.catalog.unverified(&self.release).filter(|_| self.is_archive);
        let Some(file) = unverified else { return Ok(self) };
        if self.artifact.digest.as_ref().is_some_and(|digest| api.artifacts.holds(digest)) {
            return Ok(self);
        }
        let present = Self { artifact: Arc::new(file), ..self };
        let opened = api.artifacts.open(present.wanted(api, None)).await;
        let mut bytes =
            opened.inspect_err(|error| present.report(&api.catalog, error))?.download.bytes;
        // The bytes are discarded: the download computes the digest, which the witness passes to
        // the catalog.
        while let Some(piece) = bytes.next().await {
            piece.inspect_err(|error| present.report(&api.catalog, error))?;
        }
        // The witness reports asynchronously; the file found before that would not show the change.
        api.catalog.shown().await;
        present.found_again(api, None).await
    }

    async fn found_again(self, api: &ApiState, asset: Option<&str>) -> Result<Self, Error> {
        let (tag, backend) = (&self.release.tag, self.release.backend);
        let (_, release) = api.catalog.find_release(&self.id, tag, backend.into()).await?;
        let artifact = file_of(&self.id, &release, asset)?.clone();
        Ok(Self { artifact, release, ..self })
    }

    /// Finds the file after a refresh: the backend does not know the old identifier. Fails with
    /// `BackendFaulty` if the release still lists the missing file.
    pub async fn read_again(self, api: &ApiState, asset: Option<&str>) -> Result<Self, Error> {
        let (key, backend) = (self.artifact.key.clone(), self.release.backend);
        api.catalog.refresh(&self.id, backend.into()).await?;
        let again = self.found_again(api, asset).await?;
        // An unchanged identifier would fail again; a second retry brings nothing.
        if again.artifact.key != key {
            return Ok(again);
        }
        let (id, version) = (&again.id, again.release.version.as_str());
        let file = &again.artifact.file_name;
        let message = format!("The {backend} backend lists {file} of {id} {version} and lacks it");
        let error = Error::faulty(message);
        again.report(&api.catalog, &error);
        Err(error)
    }

    /// Creates the response. Fails if the range lies outside the file, or the file cannot be read.
    pub async fn send(&self, api: &ApiState, wanted: WantedRange) -> Result<Response, Error> {
        let size = self.artifact.size;
        let (status, range) = match wanted {
            WantedRange::Whole => (StatusCode::OK, None),
            WantedRange::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
            WantedRange::Outside => {
                let kind = ErrorKind::RangeNotSatisfiable { size };
                return Err(Error::new(kind, "The range lies outside the artifact"));
            }
        };
        let opened = api.artifacts.open(self.wanted(api, range.clone())).await;
        let opened = opened.inspect_err(|error| self.report(&api.catalog, error))?;
        api.metrics.extensions_served(1);
        let mut response = (status, self.clone().body(api, opened)).into_response();
        if let Some(Range { start, end }) = range {
            set(&mut response, CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
        }
        Ok(response)
    }

    fn wanted(&self, api: &ApiState, range: Option<Range<u64>>) -> artifacts::ArtifactRequest {
        artifacts::ArtifactRequest {
            backend: self.release.backend,
            artifact: self.artifact.clone(),
            range,
            upstream: self.upstream(api),
            witness: self.witness(api),
        }
    }

    fn witness(&self, api: &ApiState) -> Witness {
        let (this, catalog) = (self.clone(), Arc::clone(&api.catalog));
        Arc::new(move |digest| {
            let Self { id, release, artifact, is_archive } = &this;
            catalog.witness(id, release, artifact, *is_archive, digest);
        })
    }

    fn upstream(&self, api: &ApiState) -> Upstream {
        let (this, catalog) = (self.clone(), Arc::clone(&api.catalog));
        Arc::new(move |range| {
            let (this, catalog) = (this.clone(), Arc::clone(&catalog));
            async move {
                // Checked here rather than earlier, so that a stored copy of the replaced archive
                // is still served.
                this.refused()?;
                catalog.open(&this.id, &this.release, &this.artifact, range).await
            }
            .boxed()
        })
    }

    fn refused(&self) -> Result<(), Error> {
        let Some(change) = self.release.change.as_deref() else { return Ok(()) };
        let Change { first, now, in_place, .. } = change;
        if !self.is_archive || !in_place || self.artifact.digest.as_ref() != Some(first) {
            return Ok(());
        }
        let (id, version) = (&self.id, self.release.version.as_str());
        let now = now.as_ref().map_or_else(|| "another file".to_owned(), ToString::to_string);
        let message = format!(
            "The archive of {id} {version} was replaced: {first} was downloaded first, the backend \
             has {now} now; publish a new version, or set downloads.on_change = \"accept\""
        );
        Err(Error::faulty(message))
    }

    /// Creates a counted response body. A failure within it aborts the connection.
    fn body(self, api: &ApiState, Opened { download, origin }: Opened) -> Response {
        let count = api.metrics.artifacts().begun(word(origin));
        let catalog = Arc::clone(&api.catalog);
        let bytes = download.bytes.inspect(move |piece| match piece {
            Ok(piece) => count.inc_by(piece.len() as u64),
            Err(error) => {
                let (backend, id) = (self.release.backend, &self.id);
                warn!(%backend, repository = %id, "download aborted: {}", error.report());
                self.report(&catalog, error);
            }
        });
        let length = [(CONTENT_LENGTH, HeaderValue::from(download.length))];
        let mut response = (length, Body::from_stream(bytes)).into_response();
        set(&mut response, CACHE_STATUS, &format!("extension-registry; {}", status(origin)));
        response
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
            catalog.report(self.release.backend, fault);
        }
    }
}

const fn word(origin: DownloadOrigin) -> &'static str {
    match origin {
        DownloadOrigin::Store => "store",
        DownloadOrigin::Backend => "backend",
        DownloadOrigin::Shared => "shared",
    }
}

const fn status(origin: DownloadOrigin) -> &'static str {
    match origin {
        DownloadOrigin::Store => "hit",
        DownloadOrigin::Backend => "fwd=miss",
        DownloadOrigin::Shared => "fwd=miss; collapsed",
    }
}
