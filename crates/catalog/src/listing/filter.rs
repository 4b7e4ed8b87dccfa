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
    pub fn select<'a>(&'a self, view: &'a View) -> impl Iterator<Item = &'a Arc<Entry>> {
        view.list(self.extension_type, self.scope).filter(|entry| self.has_keywords(entry))
    }

    /// Returns the selected extensions of a view in an order. Takes time by the length of the list.
    #[must_use]
    pub fn ordered<'a>(&'a self, view: &'a View, order: ListOrder) -> Vec<&'a Arc<Entry>> {
        let mut entries: Vec<&Arc<Entry>> = self.select(view).collect();
        if order == ListOrder::Published {
            let published = |entry: &Entry| entry.extension.latest()?.published_at;
            // A stable sort: those of one time, or without a time, stay in the order of names.
            entries.sort_by_cached_key(|entry| std::cmp::Reverse(published(entry)));
        }
        entries
    }

    pub(super) fn has_keywords(&self, entry: &Entry) -> bool {
        self.keywords.iter().all(|wanted| keywords_of(entry).iter().any(|one| wanted.is(one)))
    }
}

impl ListOrder {
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
