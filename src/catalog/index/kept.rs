//! What of the index is kept over a restart, and how it comes back.

use std::sync::Arc;

use crate::catalog::index::{Index, shelf_of};
use crate::catalog::moment::Moment;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

impl Index {
    /// Everything a backend has, by id, with the moment it was last read; `None`: it was never
    /// listed.
    #[must_use]
    pub fn shelved(&self, source: Source) -> Option<Vec<(Arc<Extension>, Moment)>> {
        let shelf = self.shelves.iter().find(|shelf| shelf.source == source && shelf.known)?;
        let parts = shelf.extensions.values();
        Some(parts.map(|part| (Arc::clone(&part.extension), *part.read.lock())).collect())
    }

    /// Who owns which name, as far as it was ever certain; ordered.
    #[must_use]
    pub fn owners(&self) -> Vec<(ExtensionId, Source)> {
        let mut owners: Vec<_> = self.owners.iter().map(|(id, of)| (id.clone(), *of)).collect();
        owners.sort();
        owners
    }

    /// Who owned which name before the restart. What is known by now counts more.
    pub fn restore_owners(&mut self, owners: Vec<(ExtensionId, Source)>) {
        for (id, owner) in owners {
            self.owners.entry(id).or_insert(owner);
        }
        self.changed = true;
    }

    /// What a backend had before the restart: from now on the backend counts as listed. An
    /// extension that was read since then stays as it was read.
    pub fn restore(&mut self, source: Source, extensions: Vec<(Arc<Extension>, Moment)>) {
        let Some(shelf) = shelf_of(&mut self.shelves, source) else { return };
        for (extension, read) in extensions {
            if !shelf.extensions.contains_key(extension.id()) {
                shelf.put(extension, read);
            }
        }
        self.listed(source);
        self.changed = true;
    }
}
