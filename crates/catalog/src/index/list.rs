//! The next list of one scope, with its rows and its search index.

use std::sync::Arc;

use registry_core::models::scope::Scope;

use crate::index::entry::Entry;
use crate::index::patch::{EntryChanges, is_same, patched};
use crate::index::view::{Entries, List};

impl List {
    /// Shares entries, rows and search index with an equal list: that of all backends, or the last.
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
            let Self { entries, rows, search, .. } = all.clone();
            return Self { scope, entries, rows, orphans, search };
        }
        let (rows, search) = if previous.search.is_of(&entries) {
            (Arc::clone(&previous.rows), Arc::clone(&previous.search))
        } else {
            let rows = previous.rows.next(&previous.entries, &entries);
            (Arc::new(rows), Arc::new(previous.search.next(Entries::clone(&entries))))
        };
        Self { scope, entries, rows, orphans, search }
    }
}
