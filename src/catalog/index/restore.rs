//! The part of the index that survives a restart: export and restore.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::catalog::index::{Index, shelf_of};
use crate::catalog::persistent_instant::PersistentInstant;
use crate::catalog::state::Unsettled;
use crate::catalog::unsaved::{RecordKey, Unsaved};
use crate::models::backend_id::BackendId;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

impl Index {
    pub(in crate::catalog) fn notes_in(&mut self, unsaved: Arc<Unsaved>) {
        self.unsaved = unsaved;
    }

    pub(super) fn changed(&mut self, backend: BackendId, id: ExtensionId) {
        self.unsaved.note(RecordKey::Extension(backend, id.clone()));
        self.touch(id);
    }

    /// Replaces an extension by an amended one. Its time of last read stays.
    pub fn amend(
        &mut self,
        backend: BackendId,
        id: &ExtensionId,
        amend: impl FnOnce(&Extension) -> Option<Extension>,
    ) {
        let Some(shelf) = shelf_of(&mut self.shelves, backend) else { return };
        let Some(part) = shelf.extensions.get(id) else { return };
        if let Some(amended) = amend(&part.extension) {
            // Nothing was read from the backend, so the amended extension must not look fresher.
            let read = *part.read.lock();
            shelf.amend(amended, read);
            self.changed(backend, id.clone());
        }
    }

    /// Returns every extension with its time of last read; `None` if the backend was never listed.
    #[must_use]
    pub fn shelved(&self, backend: BackendId) -> Option<Vec<(Arc<Extension>, PersistentInstant)>> {
        // A snapshot would present the partial shelf before the first listing as complete.
        let shelf = self.shelf(backend).filter(|shelf| shelf.known)?;
        let parts = shelf.extensions.values();
        Some(parts.map(|part| (Arc::clone(&part.extension), *part.read.lock())).collect())
    }

    /// Returns the ids that were reported as gone once, without confirmation; ordered.
    #[must_use]
    pub fn doubted(&self, backend: BackendId) -> Vec<ExtensionId> {
        let absent = self.shelf(backend).into_iter().flat_map(|shelf| shelf.absent.keys());
        let mut absent: Vec<ExtensionId> = absent.cloned().collect();
        absent.sort();
        absent
    }

    /// Returns one extension of a backend, with its time of last read.
    #[must_use]
    pub fn part(
        &self,
        backend: BackendId,
        id: &ExtensionId,
    ) -> Option<(Arc<Extension>, PersistentInstant)> {
        let part = self.shelf(backend)?.extensions.get(id)?;
        Some((Arc::clone(&part.extension), *part.read.lock()))
    }

    /// Returns true if the backend was listed.
    #[must_use]
    pub fn is_listed(&self, backend: BackendId) -> bool {
        self.shelf(backend).is_some_and(|shelf| shelf.known)
    }

    /// Returns the last certain owner of a name.
    #[must_use]
    pub fn owner_of(&self, id: &ExtensionId) -> Option<BackendId> {
        self.owners.owner_of(id)
    }

    /// Returns every name with its last certain owner.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<ExtensionId, BackendId> {
        self.owners.all()
    }

    /// Restores the owners of names from before a restart. Owners found since then take precedence.
    pub fn restore_owners(&mut self, owners: BTreeMap<ExtensionId, BackendId>) {
        // Touched so that the next view marks names without an owner as lost.
        self.touch_these(owners.keys().cloned().collect());
        self.owners.restore(owners);
    }

    /// Restores the extensions of a backend from before a restart and marks it as listed. An
    /// extension that was read since then stays as it was read. Doubted extensions start a new
    /// waiting time now, because the monotonic clocks of two processes cannot be compared. Returns
    /// the names of extensions that do not fit.
    pub fn restore(
        &mut self,
        backend: BackendId,
        extensions: Vec<(Arc<Extension>, PersistentInstant)>,
        unsettled: &Unsettled,
        now: Instant,
    ) -> Vec<ExtensionId> {
        let Some(shelf) = shelf_of(&mut self.shelves, backend) else { return Vec::new() };
        let refused = shelf.restore(extensions);
        shelf.capacity.refuse(unsettled.refused.max(refused.len()));
        for id in &unsettled.doubted {
            shelf.missed(id, now);
        }
        shelf.known = true;
        self.touch_all();
        refused
    }
}
