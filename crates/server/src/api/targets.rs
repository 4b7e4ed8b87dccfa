//! Targets of requests with cached answers: parsed once, then known.

use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use matchit::Router;
use parking_lot::Mutex;
use registry_catalog::Catalog;
use registry_catalog::listing::filter::ListFilter;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};

use crate::answers::paging::{LIST_LIMIT, Page, SEARCH_LIMIT};
use crate::answers::query::{Query, ReadmeQuery};
use crate::api::extract::{PathParams, QueryString};
use crate::api::list_params::{KeywordParam, SortParam};
use crate::api::params::{PageParams, QueryParam, RangeParams, TypeParam, VersionQueryParam};
use crate::edge::accept::AcceptedForm;
use crate::edge::problem::Problem;
use crate::metrics::{Metrics, RouteCounters};
use crate::urls::BASE;

// Maximum length of a known target, in bytes; longer ones are rare and are parsed each time.
const TARGET_MAX: usize = 256;
const TARGETS: LruBounds = LruBounds::new(10_000, BYTES_MAX);
/// Maximum total size of the known targets, in bytes.
pub const BYTES_MAX: usize = 8 << 20;

/// A route with cached answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CachedRoute {
    List,
    Search,
    Latest,
    Versions,
    Release,
    Resolve,
    Readme,
}

/// A parsed target.
pub struct Target {
    query: Query,
    key: String,
    counters: Arc<RouteCounters>,
}

/// Parser of targets. Known ones never expire: they describe the request, not its response.
pub struct Targets {
    routes: Router<(CachedRoute, Arc<RouteCounters>)>,
    known: Mutex<BoundedLru<Box<str>, Arc<Target>>>,
}

impl CachedRoute {
    const ALL: [Self; 7] = [
        Self::List,
        Self::Search,
        Self::Latest,
        Self::Versions,
        Self::Release,
        Self::Resolve,
        Self::Readme,
    ];

    const fn path(self) -> &'static str {
        match self {
            Self::List => "/extensions",
            Self::Search => "/extensions/search",
            Self::Latest => "/extensions/{type}/{name}",
            Self::Versions => "/extensions/{type}/{name}/versions",
            Self::Release => "/extensions/{type}/{name}/{version}/metadata",
            Self::Resolve => "/extensions/{type}/{name}/resolve",
            Self::Readme => "/extensions/{type}/{name}/readme",
        }
    }

    /// Checks the parameters in the order in which they stand in the contract.
    fn parse(
        self,
        path: &PathParams,
        query: &QueryString,
        catalog: &Catalog,
    ) -> Result<Query, Problem> {
        Ok(match self {
            Self::List => {
                let (filter, page) = list_of::<LIST_LIMIT>(query, catalog)?;
                let order = query.params::<SortParam>()?.order()?;
                let keywords = KeywordParam::new(query.all("keyword")).keywords()?;
                Query::List(ListFilter { keywords, ..filter }, order, page)
            }
            Self::Search => {
                let words = query.params::<QueryParam>()?.words()?;
                let (filter, page) = list_of::<SEARCH_LIMIT>(query, catalog)?;
                Query::Search(words, filter, page)
            }
            Self::Latest => Query::Latest(path.id()?, query.scope(catalog)?),
            Self::Versions => Query::Versions(path.id()?, query.scope(catalog)?),
            Self::Release => {
                let (id, version) = (path.id()?, path.version(query)?);
                Query::Release(id, version, query.scope(catalog)?)
            }
            Self::Resolve => {
                let (id, range) = (path.id()?, query.params::<RangeParams>()?.range()?);
                Query::Resolve(id, range, query.scope(catalog)?)
            }
            Self::Readme => {
                let (id, version) = (path.id()?, query.params::<VersionQueryParam>()?.tag()?);
                let scope = query.scope(catalog)?;
                Query::Readme(ReadmeQuery { id, version, scope }, AcceptedForm::Markdown)
            }
        })
    }
}

fn list_of<const LIMIT: usize>(
    query: &QueryString,
    catalog: &Catalog,
) -> Result<(ListFilter, Page), Problem> {
    let extension_type = query.params::<TypeParam>()?.extension_type()?;
    let scope = query.scope(catalog)?;
    let page = query.params::<PageParams<LIMIT>>()?.page()?;
    Ok((ListFilter { extension_type, scope, ..ListFilter::default() }, page))
}

impl Targets {
    /// Creates a parser that knows no target yet.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let mut routes = Router::new();
        for route in CachedRoute::ALL {
            let counters = Arc::new(metrics.route(&format!("{BASE}{}", route.path())));
            // The paths differ, which a test checks.
            let _ = routes.insert(route.path(), (route, counters));
        }
        Self { routes, known: Mutex::new(BoundedLru::new(TARGETS)) }
    }

    /// Returns the target of a request for a cached answer, known or just parsed; `None` for other
    /// routes and invalid parameters.
    #[must_use]
    pub fn resolve(&self, uri: &Uri, catalog: &Catalog) -> Option<Arc<Target>> {
        let text = uri.path_and_query()?.as_str();
        if let Some(known) = self.known.lock().get(text) {
            return Some(Arc::clone(known));
        }
        uri.path().strip_prefix(BASE)?;
        self.parse(uri, catalog).ok().map(Arc::new)
    }

    /// Parses a target, with or without the base path. Fails with 400 if a parameter is invalid.
    pub fn parse(&self, uri: &Uri, catalog: &Catalog) -> Result<Target, Problem> {
        let path = uri.path().strip_prefix(BASE).unwrap_or(uri.path());
        let found = self.routes.at(path).map_err(|_| Problem::bare(StatusCode::NOT_FOUND))?;
        let (route, counters) = found.value;
        let (path, query) = (PathParams::new(&found.params)?, QueryString::of(uri)?);
        let query = route.parse(&path, &query, catalog)?;
        Ok(Target { key: query.key(), query, counters: Arc::clone(counters) })
    }

    /// Remembers a target.
    pub fn learn(&self, uri: &Uri, target: Arc<Target>) {
        let Some(text) = uri.path_and_query().map(axum::http::uri::PathAndQuery::as_str) else {
            return;
        };
        if text.len() <= TARGET_MAX {
            let weight = 2 * text.len() + target.key.len() + size_of::<Target>();
            self.known.lock().put(text.into(), weight as u64, target);
        }
    }
}

impl Target {
    /// Returns the query.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// Returns the query.
    #[must_use]
    pub fn into_query(self) -> Query {
        self.query
    }

    /// Returns the key of the cached answer.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the counters of the route.
    #[must_use]
    pub fn counters(&self) -> &RouteCounters {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::templates;

    #[test]
    fn every_cached_route_is_a_route_of_the_contract() {
        let templates = templates();
        let targets = Targets::new(&Metrics::new(&[], &[]).unwrap());
        for route in CachedRoute::ALL {
            assert!(templates.contains(&format!("{BASE}{}", route.path())), "{route:?}");
            assert_eq!(targets.routes.at(route.path()).unwrap().value.0, route);
        }
    }
}
