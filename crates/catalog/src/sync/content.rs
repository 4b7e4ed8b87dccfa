//! Manifests and blobs of one backend.

use std::ops::Range;
use std::sync::Arc;

use registry_core::backend::download::Download;
use registry_core::backend::oci_content::{OciContent, Reference, StoredManifest};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;

use crate::errors::too_many_lookups;
use crate::sync::backend_handle::BackendHandle;

/// Manifests and blobs of one backend. Every call counts as contact with it.
#[derive(Clone)]
pub struct BackendContent(Arc<BackendHandle>);

impl BackendContent {
    pub(super) const fn new(handle: Arc<BackendHandle>) -> Self {
        Self(handle)
    }

    /// Returns the name of the backend.
    #[must_use]
    pub fn backend(&self) -> BackendId {
        self.0.id()
    }

    /// Returns true if the backend stores manifests; else they are made from releases.
    #[must_use]
    pub fn has_manifests(&self) -> bool {
        self.0.backend.oci_content().is_some()
    }

    /// Takes a lookup from the budget, for a question about something that a caller may have made up.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` if the budget is used up.
    pub fn take_lookup(&self) -> Result<()> {
        if self.0.budget.take() { Ok(()) } else { Err(too_many_lookups(self.0.id())) }
    }

    /// Reads a manifest that the backend stores.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is missing; the backend's errors.
    pub async fn manifest(
        &self,
        id: &ExtensionId,
        reference: &Reference,
    ) -> Result<StoredManifest> {
        self.learned(self.stored()?.manifest(id, reference).await)
    }

    /// Opens a blob that the backend stores, or a byte range. The bytes are not verified.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is missing; the backend's errors.
    pub async fn blob(
        &self,
        id: &ExtensionId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        self.learned(self.stored()?.blob(id, digest, range).await)
    }

    /// Reads the index of manifests that refer to a digest.
    ///
    /// # Errors
    ///
    /// The backend's errors.
    pub async fn referrers(&self, id: &ExtensionId, subject: &Digest) -> Result<StoredManifest> {
        self.learned(self.stored()?.referrers(id, subject).await)
    }

    /// Reads the manifest that the publisher stored as a file of a release; `None` without a valid one.
    ///
    /// # Errors
    ///
    /// The backend's errors: there may be one.
    pub async fn published_manifest(
        &self,
        id: &ExtensionId,
        release: &Release,
    ) -> Result<Option<StoredManifest>> {
        self.learned(self.0.backend.published_manifest(id, release).await)
    }

    fn stored(&self) -> Result<&dyn OciContent> {
        let missing = || Error::new(ErrorKind::Internal, "The backend stores no manifests");
        self.0.backend.oci_content().ok_or_else(missing)
    }

    fn learned<T>(&self, outcome: Result<T>) -> Result<T> {
        self.0.health.learn(&outcome);
        outcome
    }
}
