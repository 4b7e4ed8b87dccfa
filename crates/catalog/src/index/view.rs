//! Views: immutable pictures of the catalog that readers share.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::scope::Scope;

use crate::index::entry::Entry;
use crate::search::SearchIndex;

/// Entries ordered by id.
pub(super) type Entries = Arc<[Arc<Entry>]>;

/// An immutable picture of everything known. Entries that did not change are the same `Arc`s
/// from one view to the next, by which cached responses see whether they are still valid.
#[derive(Debug, Default)]
pub struct View {
    /// Number of the view. Equal numbers mean equal contents.
    pub revision: u64,
    pub(super) known: Vec<BackendId>,
    pub(super) lists: Vec<List>,
}

#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) scope: Scope,
    pub(super) entries: Entries,
    /// Names that a later backend has and whose owner removed them: found by name, never listed.
    pub(super) orphans: Entries,
    pub(super) search: Arc<SearchIndex<Entry>>,
}

impl View {
    /// Every listed extension of a scope, by name and then type.
    #[must_use]
    pub fn entries(&self, scope: Scope) -> &[Arc<Entry>] {
        self.list_of(scope).map_or(&[], |list| &list.entries)
    }

    /// The extensions of a scope, of one type only where one is given.
    pub fn list(
        &self,
        extension_type: Option<ExtensionType>,
        scope: Scope,
    ) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries(scope).iter().filter(move |entry| {
            extension_type.is_none_or(|wanted| wanted == entry.id().extension_type)
        })
    }

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

    /// One extension, from its owner within the scope. Orphans are found too.
    #[must_use]
    pub fn get(&self, id: &ExtensionId, scope: Scope) -> Option<&Arc<Entry>> {
        // A named backend serves what it has, so orphans are in its list.
        let list = self.list_of(scope)?;
        find(&list.entries, id).or_else(|| find(&list.orphans, id))
    }

    /// Returns true if the backend was listed.
    #[must_use]
    pub fn knows(&self, backend: BackendId) -> bool {
        self.known.contains(&backend)
    }

    pub(super) fn list_of(&self, scope: Scope) -> Option<&List> {
        self.lists.iter().find(|list| list.scope == scope).or_else(|| {
            // The only backend of a kind is all of the kind.
            let Scope::Kind(kind) = scope else { return None };
            let mut lists = self.lists.iter();
            lists.find(|list| matches!(list.scope, Scope::Backend(one) if one.kind() == kind))
        })
    }
}

fn find<'a>(entries: &'a [Arc<Entry>], id: &ExtensionId) -> Option<&'a Arc<Entry>> {
    let at = entries.binary_search_by(|entry| entry.id().cmp(id)).ok()?;
    entries.get(at)
}
