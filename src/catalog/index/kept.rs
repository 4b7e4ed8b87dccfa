//! What of the index is kept over a restart, and how it comes back.

use std::sync::Arc;

use tokio::time::Instant;

use crate::catalog::index::{Index, shelf_of};
use crate::catalog::moment::Moment;
use crate::catalog::snapshot::Unsettled;
use crate::models::backend_id::BackendId;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

impl Index {
    /// Puts what is known of an extension in other words; when it was last read stays.
    pub fn amend(
        &mut self,
        backend: BackendId,
        id: &ExtensionId,
        amend: impl FnOnce(&Extension) -> Option<Extension>,
    ) {
        let Some(shelf) = shelf_of(&mut self.shelves, backend) else { return };
        let Some(part) = shelf.extensions.get(id) else { return };
        if let Some(amended) = amend(&part.extension) {
            let read = *part.read.lock();
            shelf.amend(amended, read);
            self.touch(id.clone());
        }
    }

    /// Everything a backend has, by id, with the moment it was last read; `None`: it was never
    /// listed.
    #[must_use]
    pub fn shelved(&self, backend: BackendId) -> Option<Vec<(Arc<Extension>, Moment)>> {
        let shelf = self.shelf(backend).filter(|shelf| shelf.known)?;
        let parts = shelf.extensions.values();
        Some(parts.map(|part| (Arc::clone(&part.extension), *part.read.lock())).collect())
    }

    /// What of a backend was said to be gone, and is not certain to be; ordered.
    #[must_use]
    pub fn doubted(&self, backend: BackendId) -> Vec<ExtensionId> {
        let absent = self.shelf(backend).into_iter().flat_map(|shelf| shelf.absent.keys());
        let mut absent: Vec<ExtensionId> = absent.cloned().collect();
        absent.sort();
        absent
    }

    /// Who owns which name, as far as it was ever certain; ordered.
    #[must_use]
    pub fn owners(&self) -> Vec<(ExtensionId, BackendId)> {
        self.owners.all()
    }

    /// Who owned which name before the restart. What is known by now counts more.
    pub fn restore_owners(&mut self, owners: Vec<(ExtensionId, BackendId)>) {
        // Each is looked at once, so that those that are lost count as such.
        self.touch_these(owners.iter().map(|(id, _)| id.clone()).collect());
        self.owners.restore(owners);
    }

    /// What a backend had before the restart: from now on the backend counts as listed. An
    /// extension that was read since then stays as it was read. Those that are doubted were said to
    /// be gone once; the clocks of two processes cannot be compared, so that time counts from now.
    pub fn restore(
        &mut self,
        backend: BackendId,
        extensions: Vec<(Arc<Extension>, Moment)>,
        unsettled: &Unsettled,
        now: Instant,
    ) {
        let Some(shelf) = shelf_of(&mut self.shelves, backend) else { return };
        shelf.restore(extensions);
        for id in &unsettled.doubted {
            shelf.missed(id, now);
        }
        let unread = unsettled.refused.iter().filter(|id| !shelf.extensions.contains_key(*id));
        unread.for_each(|id| shelf.room.refuses(id));
        shelf.known = true;
        self.touch_all();
    }
}
