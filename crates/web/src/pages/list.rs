//! List of extensions, and results of a search.

mod filter;

use askama::Template;
use jiff::Timestamp;

use crate::error::Result;
use crate::extension_ref::ExtensionRef;
use crate::extension_type::TypeView;
use crate::filters;
use crate::format::amount::grouped;
use crate::layout::{FeedLink, PageLayout, SitePlace, rendered};
use crate::links::list_query::{ListQuery, PAGE_ROWS};
use crate::notice::Notice;
use crate::site::Site;
use crate::version_name::VersionName;

/// List of extensions, or results of a search.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// Question that the list answers.
    pub query: ListQuery,
    /// Notices about backends.
    pub notices: Vec<Notice>,
    /// Number of rows on all pages.
    pub total: usize,
    /// Rows of this page, at most [`PAGE_ROWS`].
    pub rows: Vec<ListRow>,
    /// Word that the rows match in place of the searched word.
    pub near_miss: Option<String>,
    /// Number of rows by type, without the restriction to a type.
    pub types: Vec<(TypeView, usize)>,
    /// Number of rows by backend, without the restriction to a backend.
    pub backends: Vec<(String, usize)>,
    /// Number of rows by keyword, most frequent first.
    pub keywords: Vec<(String, usize)>,
}

/// One extension in a list.
#[derive(Clone, Debug)]
pub struct ListRow {
    /// The extension.
    pub id: ExtensionRef,
    /// Latest version.
    pub version: VersionName,
    /// Description by the publisher.
    pub description: Option<String>,
    /// Name of the backend that answers for it.
    pub backend: String,
    /// Names of further backends that have it.
    pub also_in: Vec<String>,
    /// Time of publication of the latest version.
    pub published_at: Option<Timestamp>,
    /// True if it has no stable version.
    pub is_pre_release_only: bool,
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    page: &'a ListPage,
}

impl ListPage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let extension_type = self.query.extension_type;
        let feed_title = extension_type.map_or_else(
            || "New versions".to_owned(),
            |one| format!("New versions of {}", one.plural().to_lowercase()),
        );
        let title = match &self.query.words {
            Some(words) => format!("{words} – search"),
            None => self.heading().to_owned(),
        };
        let layout = PageLayout {
            title,
            place: SitePlace::Browse,
            words: self.words().to_owned(),
            json: Some(site.links.api().list(&self.query)),
            feed: Some(FeedLink { title: feed_title, href: site.links.feed(extension_type) }),
            is_unindexed: self.query.words.is_some(),
            ..PageLayout::default()
        };
        rendered("list.html", &ListTemplate { site, layout, page: self })
    }

    fn heading(&self) -> &'static str {
        match (&self.query.words, self.query.extension_type) {
            (Some(_), _) => "Search",
            (None, Some(extension_type)) => extension_type.plural(),
            (None, None) => "Extensions",
        }
    }

    fn words(&self) -> &str {
        self.query.words.as_deref().unwrap_or_default()
    }

    fn searched_words(&self) -> Option<&str> {
        self.near_miss.as_deref().or(self.query.words.as_deref())
    }

    const fn first_row(&self) -> usize {
        self.query.page_index.saturating_mul(PAGE_ROWS).saturating_add(1)
    }

    fn range_words(&self) -> String {
        let first = self.first_row();
        let last = first + self.rows.len().saturating_sub(1);
        format!("{}–{} of {}", grouped(first), grouped(last), grouped(self.total))
    }

    fn previous(&self) -> Option<ListQuery> {
        self.query.page_index.checked_sub(1).map(|index| self.query.at_page(index))
    }

    fn next(&self) -> Option<ListQuery> {
        let next = self.query.page_index.saturating_add(1);
        (next.saturating_mul(PAGE_ROWS) < self.total).then(|| self.query.at_page(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_last_row() {
        let list = |page_index, total| ListPage {
            query: ListQuery { page_index, ..ListQuery::default() },
            notices: Vec::new(),
            total,
            rows: Vec::new(),
            near_miss: None,
            types: Vec::new(),
            backends: Vec::new(),
            keywords: Vec::new(),
        };
        let next = |page, total| list(page, total).next().map(|query| query.page_index);
        assert_eq!([next(0, 50), next(0, 51), next(1, 100)], [None, Some(1), None]);
        assert_eq!(list(0, 60).previous(), None);
        assert_eq!(list(2, 150).previous().map(|query| query.page_index), Some(1));
        assert_eq!(list(2, 150).first_row(), 101);
    }
}
