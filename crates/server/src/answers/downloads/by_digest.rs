//! Archives by their digest, whatever version has them.

use std::sync::Arc;
use std::time::Duration;

use registry_catalog::index::entry::Entry;
use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;

use crate::answers::downloads::{Downloads, RequestedFile};

/// Time after which a version that its backend did not return may be read.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Downloads {
    /// Finds the archive of any version with this digest, at the owner of the name or else at another
    /// backend of the scope. Versions that were not read yet are read first.
    ///
    /// # Errors
    ///
    /// `NotFound` if no version has it, `BackendUnavailable` while a version cannot be read; the errors
    /// of `Reader::find`.
    pub async fn find_by_digest(
        &self,
        id: &ExtensionId,
        digest: &Digest,
        scope: Scope,
    ) -> Result<RequestedFile> {
        let (reader, backends) = (&self.catalog.reader, &self.catalog.backends);
        let known = reader.find(id, scope).await?;
        if let Some(file) = with_digest(&known, digest) {
            return Ok(file);
        }
        let view = self.catalog.store.view();
        let mut copies = backends.within(scope).filter_map(|backend| view.get(id, backend.into()));
        if let Some(file) = copies.find_map(|copy| with_digest(copy, digest)) {
            return Ok(file);
        }
        let whole = reader.find_whole(id, scope).await?;
        with_digest(&whole, digest).ok_or_else(|| {
            if whole.extension.unread().next().is_some() {
                let message = format!("Not every version of {id} could be read");
                return Error::unavailable(message, RETRY_AFTER);
            }
            let message = format!("No version of {id} has an archive with the digest {digest}");
            Error::not_found(message)
        })
    }
}

impl Downloads {
    /// Returns the archive of any version of an entry with this digest. Does not read versions.
    #[must_use]
    pub fn of_entry_by_digest(entry: &Entry, digest: &Digest) -> Option<RequestedFile> {
        with_digest(entry, digest)
    }
}

fn with_digest(entry: &Entry, digest: &Digest) -> Option<RequestedFile> {
    entry.extension.all_releases().find_map(|release| {
        let artifact = release.artifact.chosen()?;
        (artifact.digest.as_ref() == Some(digest)).then(|| RequestedFile {
            id: entry.id().clone(),
            release: Arc::clone(release),
            artifact: Arc::clone(artifact),
            asset: None,
            blob_at: None,
        })
    })
}
