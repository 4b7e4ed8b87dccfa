//! Views: immutable pictures of the catalog that readers share.

use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::{ExtensionId, ExtensionType};
use registry_core::models::scope::Scope;

use crate::index::entry::Entry;
use crate::index::rows::{Row, Rows};
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

/// A listed extension with its row.
pub type Listed<'v> = (&'v Arc<Entry>, Row<'v>);

#[derive(Clone, Debug, Default)]
pub(super) struct List {
    pub(super) scope: Scope,
    pub(super) entries: Entries,
    pub(super) rows: Arc<Rows>,
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

    /// Every listed extension of a scope with its row, by name and then type.
    pub fn rows(&self, scope: Scope) -> impl Iterator<Item = Listed<'_>> {
        let list = self.list_of(scope).into_iter();
        list.flat_map(|list| list.entries.iter().zip(list.rows.iter()))
    }

    /// The extensions of a scope, of one type only where one is given.
    pub fn list(
        &self,
        extension_type: Option<ExtensionType>,
        scope: Scope,
    ) -> impl Iterator<Item = &Arc<Entry>> {
        let rows = self.rows(scope);
        let of_type = rows.filter(move |(_, row)| {
            extension_type.is_none_or(|wanted| wanted == row.extension_type)
        });
        of_type.map(|(entry, _)| entry)
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

    /// The entries that [`View::search`] returns, with their rows.
    pub fn search_rows<'v>(
        &'v self,
        query: &str,
        extension_type: Option<ExtensionType>,
        scope: Scope,
    ) -> impl Iterator<Item = Listed<'v>> + use<'v> {
        let list = self.list_of(scope);
        let places = list.map(|list| list.search.find(query, extension_type)).unwrap_or_default();
        places
            .into_iter()
            .filter_map(move |at| list.and_then(|list| list.entries.get(at).zip(list.rows.get(at))))
    }

    /// The entries of one scope with similar names; best first. Other texts do not count.
    #[must_use]
    pub fn named_like(&self, name: &str, scope: Scope) -> Vec<&Arc<Entry>> {
        self.list_of(scope).map_or_else(Vec::new, |list| list.search.named_like(name))
    }

    /// Returns the hash that rows of this scope have of a keyword, given without regard to case.
    #[must_use]
    pub fn keyword_hash(&self, folded: &str, scope: Scope) -> u64 {
        self.list_of(scope).map_or(0, |list| list.rows.hash_of(folded))
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
