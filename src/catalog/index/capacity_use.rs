//! Extensions that exceed the memory limit, as the catalog sees them.

use crate::catalog::index::backend_state::BackendState;
use crate::catalog::index::{Index, shelf_of};
use crate::models::backend_id::BackendId;

/// Memory use of one backend's extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityUse {
    /// Approximate size of the extensions in bytes.
    pub bytes: usize,
    /// Number of extensions that did not fit in the last sweep and since.
    pub refused: usize,
}

impl Index {
    /// Returns the memory use and the number of refused extensions of a backend.
    #[must_use]
    pub fn held(&self, backend: BackendId) -> CapacityUse {
        self.shelf(backend).map_or_else(CapacityUse::default, |shelf| CapacityUse {
            bytes: shelf.capacity.used(),
            refused: shelf.capacity.refused(),
        })
    }

    /// Marks the start of a full sweep of this backend.
    pub fn sweep_begins(&mut self, backend: BackendId) {
        self.change_capacity(backend, |shelf| shelf.capacity.sweep_begins());
    }

    /// Marks the end of a sweep in which `refused` extensions did not fit; `complete` if the
    /// listing named everything.
    pub fn sweep_ended(&mut self, backend: BackendId, complete: bool, refused: usize) {
        self.change_capacity(backend, |shelf| shelf.capacity.sweep_ended(complete, refused));
    }

    /// Adds extensions that did not fit to the count of a backend.
    pub fn refuse(&mut self, backend: BackendId, refused: usize) {
        self.change_capacity(backend, |shelf| shelf.capacity.refuse(refused));
    }

    /// Changes a backend; `None` if there is no such backend. One over its capacity may have any
    /// name, so every owner may differ before and after.
    pub(super) fn change_capacity<T>(
        &mut self,
        backend: BackendId,
        change: impl FnOnce(&mut BackendState) -> T,
    ) -> Option<T> {
        let shelf = shelf_of(&mut self.shelves, backend)?;
        let before = shelf.is_completely_listed();
        let outcome = change(shelf);
        if shelf.is_completely_listed() != before {
            self.touch_all();
        }
        Some(outcome)
    }
}
