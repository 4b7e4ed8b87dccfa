//! Extensions that were refused for lack of room, as the catalog sees them.

use std::collections::BTreeSet;

use crate::catalog::index::{Index, shelf_of};
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;

/// Memory use of one backend's extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityUse {
    /// Approximate size of the extensions in bytes.
    pub bytes: usize,
    /// Number of extensions that were refused for lack of room.
    pub refused: usize,
}

impl Index {
    /// Returns the memory use and the number of refused extensions of a backend.
    #[must_use]
    pub fn held(&self, backend: BackendId) -> CapacityUse {
        self.shelf(backend).map_or_else(CapacityUse::default, |shelf| CapacityUse {
            bytes: shelf.room.taken(),
            refused: shelf.room.refused(),
        })
    }

    /// Marks the start of a full sweep of this backend.
    pub fn sweep_begins(&mut self, backend: BackendId) {
        if let Some(shelf) = shelf_of(&mut self.shelves, backend) {
            shelf.room.sweep_begins();
        }
    }

    /// Marks the end of a sweep; `complete` if the listing named everything.
    pub fn sweep_ended(&mut self, backend: BackendId, complete: bool) {
        let Some(shelf) = shelf_of(&mut self.shelves, backend) else { return };
        let admitted = shelf.room.sweep_ended(complete);
        self.touch_elsewhere(backend, admitted);
    }

    /// Returns the remembered names that were refused for lack of room; ordered.
    #[must_use]
    pub fn refused(&self, backend: BackendId) -> Vec<ExtensionId> {
        self.shelf(backend).map_or_else(Vec::new, |shelf| shelf.room.names())
    }

    /// Marks these names as changed where another backend has them: their owner may differ now.
    pub(super) fn touch_elsewhere(&mut self, source: BackendId, mut ids: BTreeSet<ExtensionId>) {
        let others = self.shelves.iter().filter(|shelf| shelf.backend != source);
        let others: Vec<_> = others.map(|shelf| &shelf.extensions).collect();
        ids.retain(|id| others.iter().any(|extensions| extensions.contains_key(id)));
        if !ids.is_empty() {
            self.touch_these(ids);
        }
    }
}
