//! The lists of a view, made ready to be searched.

use std::sync::Arc;

use crate::catalog::index::{Entry, View};
use crate::catalog::search::SearchIndex;
use crate::models::backend_kind::BackendKind;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionType;

/// What an entry is found by.
impl AsRef<Arc<Extension>> for Entry {
    fn as_ref(&self) -> &Arc<Extension> {
        &self.extension
    }
}

impl View {
    /// The entries of one list, and of one type, that match a query; best first.
    #[must_use]
    pub fn search(
        &self,
        query: &str,
        extension_type: Option<ExtensionType>,
        source: Option<BackendKind>,
    ) -> Vec<&Arc<Entry>> {
        let index = self.search_of(source);
        index.map_or_else(Vec::new, |index| index.search(query, extension_type))
    }

    /// This view with its lists ready to be searched. Takes from the previous one what did not
    /// change. Lists that are the same share one index.
    pub(super) fn searched(mut self, previous: &Self) -> Self {
        let lists = self.by_source.iter().map(|(source, entries)| (Some(*source), entries));
        for (source, entries) in [(None, &self.merged)].into_iter().chain(lists) {
            let index = match (self.searches.first(), previous.search_of(source)) {
                (Some((_, merged)), _) if merged.is_of(entries) => Arc::clone(merged),
                (_, Some(index)) if index.is_of(entries) => Arc::clone(index),
                (_, Some(index)) => Arc::new(index.next(Arc::clone(entries))),
                (_, None) => Arc::new(SearchIndex::default().next(Arc::clone(entries))),
            };
            self.searches.push((source, index));
        }
        self
    }

    fn search_of(&self, source: Option<BackendKind>) -> Option<&Arc<SearchIndex<Entry>>> {
        self.searches.iter().find(|(of, _)| *of == source).map(|(_, index)| index)
    }
}
