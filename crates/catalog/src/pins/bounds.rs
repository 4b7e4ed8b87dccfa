//! The catalog as pins see it: which versions and files are still listed.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;

use crate::store::CatalogStore;
use crate::unsaved::RecordKey;

pub(super) struct PinBounds<'a> {
    pub(super) backend: BackendId,
    pub(super) store: &'a CatalogStore,
}

impl PinBounds<'_> {
    /// Returns every extension of the backend; `None` if it was not listed yet.
    pub(super) fn extensions(&self) -> Option<Vec<Arc<Extension>>> {
        let view = self.store.view();
        let entries = view.entries(self.backend.into()).iter();
        view.knows(self.backend).then(|| entries.map(|one| Arc::clone(&one.extension)).collect())
    }

    pub(super) fn note(&self, key: RecordKey) {
        self.store.unsaved().note(key);
    }

    pub(super) fn note_all(&self) {
        self.store.unsaved().note_all();
    }
}
