//! Parameters of lists and searches.

use axum::http::Uri;
use registry_catalog::Catalog;
use registry_catalog::listing::filter::{ListFilter, ListOrder};
use registry_core::models::scope::Scope;
use registry_web::links::list_query::{ListQuery, PAGE_ROWS, Sort};
use serde::Deserialize;

use crate::answers::paging::Page;
use crate::api::extract::QueryString;
use crate::api::list_params::{KeywordParam, SortParam};
use crate::api::params::{QueryParam, TypeParam, whole_number};
use crate::edge::problem::Problem;
use crate::pages::models::page_type;

/// A list or a search, as the catalog reads it and as links repeat it.
#[derive(Clone, Debug)]
pub struct ListParams {
    /// Restriction of the list.
    pub filter: ListFilter,
    /// Order of the list.
    pub order: ListOrder,
    /// Rows of the page.
    pub page: Page,
    /// The same for links.
    pub query: ListQuery,
}

#[derive(Deserialize)]
struct PageParam {
    page: Option<String>,
}

impl ListParams {
    /// Reads the parameters of a list; with `words` those of a search. Fails with 400 if one is
    /// invalid.
    pub fn read(uri: &Uri, catalog: &Catalog, words: bool) -> Result<Self, Problem> {
        let query = QueryString::of(uri)?;
        let words = words.then(|| query.params::<QueryParam>()?.words()).transpose()?;
        let extension_type = query.params::<TypeParam>()?.extension_type()?;
        let scope = query.scope(catalog)?;
        let keywords = KeywordParam::new(query.all("keyword")).keywords()?;
        let order = query.params::<SortParam>()?.order()?;
        let page_index = query.params::<PageParam>()?.index()?;
        let selected = |name| match scope.parameter() {
            Some((parameter, value)) if parameter == name => Some(value.to_owned()),
            _ => None,
        };
        Ok(Self {
            page: Page { limit: PAGE_ROWS, offset: page_index.saturating_mul(PAGE_ROWS) },
            query: ListQuery {
                words,
                extension_type: extension_type.map(page_type),
                source: selected("source"),
                backend: selected("backend").or_else(|| unknown_backend(&query, scope)),
                keywords: keywords.iter().map(|keyword| keyword.as_str().to_owned()).collect(),
                sort: match order {
                    ListOrder::Name => Sort::Name,
                    ListOrder::Published => Sort::Published,
                },
                page_index,
            },
            filter: ListFilter { extension_type, scope, keywords },
            order,
        })
    }

    /// Returns a key that is equal for equal lists.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{:?}", self.query)
    }
}

impl PageParam {
    /// Returns the number of the page, counted from 0. The parameter counts from 1.
    fn index(&self) -> Result<usize, Problem> {
        let Some(text) = self.page.as_deref() else { return Ok(0) };
        let index = whole_number(text).and_then(|page| page.checked_sub(1));
        index.ok_or_else(|| Problem::bad_request("page must be a whole number, 1 or more"))
    }
}

/// Returns the name of a backend that is not configured, so that links keep it.
fn unknown_backend(query: &QueryString, scope: Scope) -> Option<String> {
    (scope == Scope::Nothing).then(|| query.all("backend").next().map(str::to_owned)).flatten()
}
