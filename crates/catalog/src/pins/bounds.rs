//! The catalog as pins see it: which versions and files are still listed.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;

use crate::index::view::View;
use crate::unsaved::{RecordKey, Unsaved};

pub(super) struct PinBounds<'a> {
    pub(super) backend: BackendId,
    pub(super) view: &'a View,
    pub(super) unsaved: &'a Unsaved,
}

impl PinBounds<'_> {
    /// Returns every extension of the backend; `None` if it was not listed yet.
    pub(super) fn extensions(&self) -> Option<Vec<Arc<Extension>>> {
        let entries = self.view.entries(self.backend.into()).iter();
        let known = self.view.knows(self.backend);
        known.then(|| entries.map(|one| Arc::clone(&one.extension)).collect())
    }

    pub(super) fn note(&self, key: RecordKey) {
        self.unsaved.note(key);
    }

    pub(super) fn note_all(&self) {
        self.unsaved.note_all();
    }
}
