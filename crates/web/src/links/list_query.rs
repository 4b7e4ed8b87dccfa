//! The question that a list or a search answers.

use crate::extension_type::TypeView;
use crate::links::query::LinkTarget;

/// Number of rows of one page.
pub const PAGE_ROWS: usize = 50;

/// Order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name; a search by relevance.
    #[default]
    Name,
    /// Latest published first.
    Published,
}

/// The question that a list or a search answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Words of a search; `None` for a list.
    pub words: Option<String>,
    /// Restricts the rows to a type.
    pub extension_type: Option<TypeView>,
    /// Restricts the rows to a kind of backend.
    pub source: Option<String>,
    /// Restricts the rows to a backend.
    pub backend: Option<String>,
    /// Keywords that every row has.
    pub keywords: Vec<String>,
    /// Order of the rows.
    pub sort: Sort,
    /// Number of the page less one.
    pub page_index: usize,
}

impl ListQuery {
    /// Returns the query for another type; it starts at the first page.
    #[must_use]
    pub fn with_type(&self, extension_type: Option<TypeView>) -> Self {
        Self { extension_type, page_index: 0, ..self.clone() }
    }

    /// Returns the query for another backend; it starts at the first page.
    #[must_use]
    pub fn with_backend(&self, backend: Option<&str>) -> Self {
        let backend = backend.map(str::to_owned);
        Self { backend, source: None, page_index: 0, ..self.clone() }
    }

    /// Returns the query with a keyword added, or removed if it has it.
    #[must_use]
    pub fn with_keyword_toggled(&self, keyword: &str) -> Self {
        let mut query = Self { page_index: 0, ..self.clone() };
        if self.has_keyword(keyword) {
            query.keywords.retain(|one| !one.eq_ignore_ascii_case(keyword));
        } else {
            query.keywords.push(keyword.to_owned());
        }
        query
    }

    /// Returns true if every row has this keyword.
    #[must_use]
    pub fn has_keyword(&self, keyword: &str) -> bool {
        self.keywords.iter().any(|one| one.eq_ignore_ascii_case(keyword))
    }

    /// Returns the query in another order; it starts at the first page.
    #[must_use]
    pub fn sorted(&self, sort: Sort) -> Self {
        Self { sort, page_index: 0, ..self.clone() }
    }

    /// Returns the query for another page.
    #[must_use]
    pub fn at_page(&self, page_index: usize) -> Self {
        Self { page_index, ..self.clone() }
    }

    /// Returns true if rows are left out.
    #[must_use]
    pub const fn is_filtered(&self) -> bool {
        self.extension_type.is_some()
            || self.source.is_some()
            || self.backend.is_some()
            || !self.keywords.is_empty()
    }

    /// Returns path and query of the page.
    pub(super) fn target(&self) -> String {
        let path = if self.words.is_some() { "/search" } else { "/extensions" };
        let target =
            self.filters(LinkTarget::new(path.to_owned()).with_some("q", self.words.as_deref()));
        let target = match self.page_index {
            0 => target,
            index => target.with("page", &(index + 1).to_string()),
        };
        target.into_string()
    }

    /// Returns path and query of the same rows in the API.
    pub(super) fn api_target(&self) -> String {
        let path = if self.words.is_some() { "/extensions/search" } else { "/extensions" };
        let target =
            self.filters(LinkTarget::new(path.to_owned()).with_some("q", self.words.as_deref()));
        let target = target.with("limit", &PAGE_ROWS.to_string());
        let target = match self.page_index {
            0 => target,
            index => target.with("offset", &(index * PAGE_ROWS).to_string()),
        };
        target.into_string()
    }

    fn filters(&self, target: LinkTarget) -> LinkTarget {
        let mut target = target
            .with_some("type", self.extension_type.map(TypeView::as_str))
            .with_some("source", self.source.as_deref())
            .with_some("backend", self.backend.as_deref());
        for keyword in &self.keywords {
            target = target.with("keyword", keyword);
        }
        match self.sort {
            Sort::Name => target,
            Sort::Published => target.with("sort", "published"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded_and_defaults_left_out() {
        assert_eq!(ListQuery::default().target(), "/extensions");
        let query = ListQuery {
            words: Some("a b&c+d".to_owned()),
            extension_type: Some(TypeView::Taskserv),
            keywords: vec!["x=y".to_owned()],
            sort: Sort::Published,
            page_index: 2,
            ..ListQuery::default()
        };
        let common = "q=a%20b%26c%2Bd&type=taskserv&keyword=x%3Dy&sort=published";
        assert_eq!(query.target(), format!("/search?{common}&page=3"));
        assert_eq!(query.api_target(), format!("/extensions/search?{common}&limit=50&offset=100"));
    }

    #[test]
    fn another_filter_starts_at_the_first_page() {
        let query = ListQuery { page_index: 4, ..ListQuery::default() };
        assert_eq!(query.with_type(None).page_index, 0);
        assert_eq!(query.with_backend(Some("oci")).target(), "/extensions?backend=oci");
        let with = query.with_keyword_toggled("Cloud");
        assert_eq!(with.target(), "/extensions?keyword=Cloud");
        assert_eq!(with.with_keyword_toggled("cloud").target(), "/extensions");
    }
}
