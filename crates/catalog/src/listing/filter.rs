//! Selection and order of the extensions of a list.

use std::sync::Arc;

use registry_core::models::naming::ExtensionType;
use registry_core::models::scope::Scope;

use crate::index::entry::Entry;
use crate::index::view::View;
use crate::listing::keyword::Keyword;

/// Restriction of a list.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only extensions of this type.
    pub extension_type: Option<ExtensionType>,
    /// Only extensions of these backends.
    pub scope: Scope,
    /// Only extensions whose latest release has all of these keywords.
    pub keywords: Arc<[Keyword]>,
}

/// Order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// By name without regard to case, then by type.
    #[default]
    Name,
    /// By the time at which the latest release was published, newest first; then those without a
    /// time. Equal ones by name.
    Published,
}

impl ListFilter {
    /// Returns the selected extensions of a view, by name.
    pub fn select<'v>(&self, view: &'v View) -> impl Iterator<Item = &'v Arc<Entry>> {
        view.list(self.extension_type, self.scope).filter(|entry| self.has_keywords(entry))
    }

    /// Returns the selected extensions of a view in an order. Takes time by the length of the list.
    #[must_use]
    pub fn ordered<'v>(&self, view: &'v View, order: ListOrder) -> Vec<&'v Arc<Entry>> {
        let mut entries: Vec<&Arc<Entry>> = self.select(view).collect();
        order.apply(&mut entries);
        entries
    }

    /// Returns the selected extensions of a view that match a search, best first.
    #[must_use]
    pub fn found<'v>(&self, view: &'v View, words: &str) -> Vec<&'v Arc<Entry>> {
        let mut found = view.search(words, self.extension_type, self.scope);
        found.retain(|entry| self.has_keywords(entry));
        found
    }

    pub(super) fn has_keywords(&self, entry: &Entry) -> bool {
        self.keywords.iter().all(|wanted| keywords_of(entry).iter().any(|one| wanted.is(one)))
    }
}

impl ListOrder {
    /// Sorts extensions that are in the order of names, or of matches, which is kept.
    pub fn apply(self, entries: &mut [&Arc<Entry>]) {
        if self == Self::Published {
            let published = |entry: &Entry| entry.extension.latest()?.published_at;
            // A stable sort: those of one time, or without a time, keep their order.
            entries.sort_by_cached_key(|entry| std::cmp::Reverse(published(entry)));
        }
    }

    /// Returns the word of `?sort=`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Published => "published",
        }
    }
}

/// The keywords of the latest release.
pub(super) fn keywords_of(entry: &Entry) -> &[Box<str>] {
    entry.extension.latest().map_or(&[], |release| &release.about.keywords)
}
