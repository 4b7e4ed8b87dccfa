//! Blobs of a repository, by digest: archives by the download path of the API.

use std::sync::Arc;

use axum::http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use registry_catalog::index::entry::Entry;
use registry_catalog::sync::content::BackendContent;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::oci_manifest::EMPTY_CONFIG;

use crate::answers::downloads::{Downloads, RequestedFile};
use crate::api::artifact_headers::set;
use crate::api::handlers::downloads::{Address, respond};
use crate::edge::cache_policy::CachePolicy;
use crate::edge::conditional::client_has;
use crate::edge::problem::Problem;
use crate::edge::ranges::{WantedRange, wanted};
use crate::oci::code::OciCode;
use crate::oci::manifests::Manifests;
use crate::oci::published::Published;

/// Maximum size of a file beside the archive that a publisher's manifest names, in bytes.
const BESIDE_MAX: u64 = 1 << 20;

/// Blobs of repositories.
pub struct Blobs<'a> {
    /// Downloads.
    pub downloads: &'a Downloads,
    /// Manifests, which say what a repository has.
    pub manifests: &'a Manifests,
}

impl Blobs<'_> {
    /// Responds with a blob of an extension's repository.
    ///
    /// # Errors
    ///
    /// 404 if the repository does not have it, even if another one does; the errors of downloads.
    pub async fn respond(
        &self,
        entry: &Entry,
        digest: &Digest,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Problem> {
        if digest.matches(EMPTY_CONFIG) {
            return Ok(empty_config(digest, headers)?);
        }
        let sent = async {
            let found = self.find(entry, digest, method).await?;
            respond(self.downloads, method, found, Address::Digest(digest), headers).await
        };
        sent.await.map_err(|error| OciCode::BlobUnknown.of_missing(error))
    }

    async fn find(&self, entry: &Entry, digest: &Digest, method: &Method) -> Result<RequestedFile> {
        if let Some(file) = self.known(entry, digest) {
            return Ok(file);
        }
        let mut failed = None;
        for content in self.manifests.storing(entry) {
            match self.stored(entry, digest, content).await {
                Err(error) if error.is_not_found() => {}
                Err(error) => failed = Some(error),
                found => return found,
            }
        }
        if method == Method::HEAD {
            self.manifests.are_known(entry)?;
        } else {
            self.manifests.learn(entry, |manifest| manifest.part(digest).is_some()).await?;
        }
        // The manifests that were read meanwhile name more files.
        let found = self.known(entry, digest);
        found.ok_or_else(|| {
            let message = format!("The repository of {} has no blob {digest}", entry.id());
            failed.unwrap_or_else(|| Error::not_found(message))
        })
    }

    /// Returns a file whose digest is known, without a request.
    fn known(&self, entry: &Entry, digest: &Digest) -> Option<RequestedFile> {
        let archive = Downloads::of_entry_by_digest(entry, digest);
        archive.or_else(|| {
            let mut releases = entry.extension.all_releases();
            releases.find_map(|release| self.published(entry, release, digest))
        })
    }

    /// Returns the file that a publisher's manifest names by this digest.
    fn published(
        &self,
        entry: &Entry,
        release: &Arc<Release>,
        digest: &Digest,
    ) -> Option<RequestedFile> {
        let id = entry.id();
        let Published::Present(manifest) = self.manifests.published.known(id, release) else {
            return None;
        };
        let part = manifest.part(digest)?;
        if part.is_archive() {
            return RequestedFile::archive_with(id, release, digest);
        }
        let title = part.title.as_deref().filter(|_| part.size <= BESIDE_MAX)?;
        RequestedFile::asset_with(id, release, title, (digest, part.size))
    }

    /// Returns a blob that a backend stores. Its size costs a request unless a known manifest names it.
    async fn stored(
        &self,
        entry: &Entry,
        digest: &Digest,
        content: BackendContent,
    ) -> Result<RequestedFile> {
        let (id, stored) = (entry.id(), &self.manifests.stored);
        let hidden = self.manifests.hidden(entry, &content);
        stored.check_shown(&content, entry, &hidden, digest).await?;
        let key = (content.backend(), id.clone(), digest.clone());
        let size = if let Some(size) = stored.size_of(&key) {
            size
        } else {
            stored.may_ask(&content, &key)?;
            let opened = content.blob(id, digest, None).await;
            stored.note(key, &opened);
            opened?.length
        };
        let release = entry.extension.all_releases().find(|one| one.backend == content.backend());
        let release = release.ok_or_else(|| Error::not_found(format!("{id} has no release")))?;
        Ok(RequestedFile::blob(id, release, (digest, size), content))
    }
}

/// Responds with the configuration of every made manifest, which is known beforehand.
fn empty_config(digest: &Digest, headers: &HeaderMap) -> Result<Response> {
    let (etag, size) = (format!("\"{digest}\""), EMPTY_CONFIG.len());
    let mut response = match wanted(headers, size as u64, &etag) {
        _ if client_has(headers, &etag) => StatusCode::NOT_MODIFIED.into_response(),
        WantedRange::Whole => EMPTY_CONFIG.into_response(),
        WantedRange::Part(part) => {
            let [start, end] = [part.start, part.end].map(|at| usize::try_from(at).unwrap_or(size));
            let range = format!("bytes {start}-{}/{size}", end - 1);
            let bytes = EMPTY_CONFIG.get(start..end).unwrap_or_default();
            (StatusCode::PARTIAL_CONTENT, [(CONTENT_RANGE, range)], bytes).into_response()
        }
        WantedRange::Outside => {
            let kind = ErrorKind::RangeNotSatisfiable { size: size as u64 };
            return Err(Error::new(kind, "The range lies outside the blob"));
        }
    };
    set(&mut response, CONTENT_TYPE, "application/octet-stream");
    set(&mut response, ACCEPT_RANGES, "bytes");
    set(&mut response, ETAG, &etag);
    response.extensions_mut().insert(CachePolicy::Immutable);
    Ok(response)
}
