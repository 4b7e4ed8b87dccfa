//! What of the backends there is no room for, as the catalog sees it.

use std::collections::BTreeSet;

use crate::catalog::index::{Index, shelf_of};
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;

/// What is held of one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// About how many bytes its extensions take up.
    pub bytes: usize,
    /// Extensions that there is no room for.
    pub refused: usize,
}

impl Index {
    /// What is held of a backend, and what is not.
    #[must_use]
    pub fn held(&self, backend: BackendId) -> Held {
        self.shelf(backend).map_or_else(Held::default, |shelf| Held {
            bytes: shelf.room.taken(),
            refused: shelf.room.refused(),
        })
    }

    /// Everything of a backend is about to be read.
    pub fn sweep_begins(&mut self, backend: BackendId) {
        if let Some(shelf) = shelf_of(&mut self.shelves, backend) {
            shelf.room.sweep_begins();
        }
    }

    /// Everything of it that its listing named was read; whether that was all it has.
    pub fn sweep_ended(&mut self, backend: BackendId, complete: bool) {
        let Some(shelf) = shelf_of(&mut self.shelves, backend) else { return };
        let admitted = shelf.room.sweep_ended(complete);
        self.touch_elsewhere(backend, admitted);
    }

    /// What of a backend there was no room for, as far as it is remembered; ordered.
    #[must_use]
    pub fn refused(&self, backend: BackendId) -> Vec<ExtensionId> {
        self.shelf(backend).map_or_else(Vec::new, |shelf| shelf.room.names())
    }

    /// Who answers for these may be another one now, where another backend has them.
    pub(super) fn touch_elsewhere(&mut self, source: BackendId, mut ids: BTreeSet<ExtensionId>) {
        let others = self.shelves.iter().filter(|shelf| shelf.backend != source);
        let others: Vec<_> = others.map(|shelf| &shelf.extensions).collect();
        ids.retain(|id| others.iter().any(|extensions| extensions.contains_key(id)));
        if !ids.is_empty() {
            self.touch_these(ids);
        }
    }
}
