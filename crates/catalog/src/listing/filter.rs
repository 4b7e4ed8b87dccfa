//! Selection and order of the extensions of a list.

use std::sync::Arc;

use registry_core::models::naming::ExtensionType;
use registry_core::models::scope::Scope;

use crate::index::entry::Entry;
use crate::index::rows::Row;
use crate::index::view::{Listed, View};
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
    /// Returns the selected extensions of a view with their rows, by name.
    pub fn select<'v>(&self, view: &'v View) -> impl Iterator<Item = Listed<'v>> + use<'v> {
        let (extension_type, wanted) = (self.extension_type, self.wanted(view));
        view.rows(self.scope).filter(move |(_, row)| {
            extension_type.is_none_or(|wanted| wanted == row.extension_type)
                && has_keywords(row, &wanted)
        })
    }

    /// Returns the selected extensions of a view in an order. Takes time by the length of the list.
    #[must_use]
    pub fn ordered<'v>(&self, view: &'v View, order: ListOrder) -> Vec<&'v Arc<Entry>> {
        order.apply(self.select(view).collect())
    }

    /// Returns the selected extensions of a view that match a search, with their rows; best first.
    pub fn found<'v>(
        &self,
        view: &'v View,
        words: &str,
    ) -> impl Iterator<Item = Listed<'v>> + use<'v> {
        let wanted = self.wanted(view);
        let found = view.search_rows(words, self.extension_type, self.scope);
        found.filter(move |(_, row)| has_keywords(row, &wanted))
    }

    fn wanted(&self, view: &View) -> Vec<u64> {
        let hashes = self.keywords.iter().map(|one| view.keyword_hash(one.folded(), self.scope));
        hashes.collect()
    }
}

impl ListOrder {
    /// Sorts extensions that are in the order of names, or of matches, which is kept.
    #[must_use]
    pub fn apply(self, mut listed: Vec<Listed<'_>>) -> Vec<&Arc<Entry>> {
        if self == Self::Published {
            // A stable sort: those of one time, or without a time, keep their order.
            listed.sort_by_key(|(_, row)| std::cmp::Reverse(row.latest_at));
        }
        listed.into_iter().map(|(entry, _)| entry).collect()
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

fn has_keywords(row: &Row<'_>, wanted: &[u64]) -> bool {
    wanted.iter().all(|wanted| row.keywords.iter().any(|keyword| keyword.folded == *wanted))
}
