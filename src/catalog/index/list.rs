//! The list of one scope, ready to be searched.

use std::sync::Arc;

use crate::catalog::index::patch::{EntryChanges, is_same, patched};
use crate::catalog::index::{Entries, Entry, List, View};
use crate::models::extension::Extension;
use crate::models::naming::ExtensionType;
use crate::models::scope::Scope;

impl AsRef<Arc<Extension>> for Entry {
    fn as_ref(&self) -> &Arc<Extension> {
        &self.extension
    }
}

impl View {
    /// The entries of one scope, and of one type, that match a query; best first.
    #[must_use]
    pub fn search(
        &self,
        query: &str,
        extension_type: Option<ExtensionType>,
        scope: Scope,
    ) -> Vec<&Arc<Entry>> {
        let list = self.list_of(scope);
        list.map_or_else(Vec::new, |list| list.search.search(query, extension_type))
    }
}

impl List {
    /// Shares entries and search index with an equal list: that of all backends, or the last.
    pub(super) fn next(
        scope: Scope,
        changes: &EntryChanges,
        previous: Option<&Self>,
        all: Option<&Self>,
    ) -> Self {
        let none = Self::default();
        let previous = previous.unwrap_or(&none);
        let entries = patched(&previous.entries, changes, |entry| !entry.is_orphan());
        let orphans = patched(&previous.orphans, changes, Entry::is_orphan);
        if let Some(all) = all.filter(|all| is_same(&all.entries, &entries)) {
            let (entries, search) = (Arc::clone(&all.entries), Arc::clone(&all.search));
            return Self { scope, entries, orphans, search };
        }
        let search = if previous.search.is_of(&entries) {
            Arc::clone(&previous.search)
        } else {
            Arc::new(previous.search.next(Entries::clone(&entries)))
        };
        Self { scope, entries, orphans, search }
    }
}
