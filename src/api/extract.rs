//! Extractors: parse path and query of a request. Invalid values are a 400 that names the
//! parameter.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use tokio::time::timeout;

use crate::api::paging::{LIMIT_MAX, LIST_LIMIT, Page, SEARCH_LIMIT};
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::catalog::Catalog;
use crate::catalog::resolve::VersionRange;
use crate::models::backend_id::BackendName;
use crate::models::backend_kind::BackendKind;
use crate::models::naming::{ExtensionId, ExtensionType};
use crate::models::scope::Scope;
use crate::models::tag::Tag;

/// Maximum length of a search query, in characters.
const QUERY_MAX: usize = 200;
/// Maximum time for a client to send the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(3);

/// `{type}/{name}` in a path.
pub struct IdPath(pub ExtensionId);

/// `{type}/{name}/{version}` in a path; with `latest`, the parameter `?tag=` takes precedence.
pub struct ReleasePath {
    /// Extension.
    pub id: ExtensionId,
    /// A raw tag, a version, or `latest`.
    pub version: Tag,
    /// Key or name of one file to use instead of the archive.
    pub asset: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((extension_type, name)) = path.map_err(|_| unreadable_path())?;
        parse_id(&extension_type, &name).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ReleasePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let Path((extension_type, name, version)) = path.map_err(|_| unreadable_path())?;
        let id = parse_id(&extension_type, &name)?;
        let params = Params::read(parts, state).await?;
        let [tag, asset] = ["tag", "asset"].map(|name| params.get(name).map(ToOwned::to_owned));
        let version = match tag {
            // A tag may contain slashes, which some proxies do not pass on in a path, even encoded.
            Some(tag) if version == "latest" => tag,
            _ => version,
        };
        let version = version.parse().map_err(bad_request)?;
        Ok(Self { id, version, asset })
    }
}

fn parse_id(extension_type: &str, name: &str) -> Result<ExtensionId, Problem> {
    let extension_type = extension_type.parse().map_err(bad_request)?;
    let name = name.parse().map_err(bad_request)?;
    Ok(ExtensionId { name, extension_type })
}

fn bad_request(error: impl ToString) -> Problem {
    Problem::bad_request(error.to_string())
}

fn unreadable_path() -> Problem {
    Problem::bad_request("The decoded path is not UTF-8")
}

/// Parameters of a query string. Unknown ones are ignored; of duplicates the first counts.
struct Params(Vec<(String, String)>);

impl Params {
    async fn read<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(pairs)| Self(pairs))
            .map_err(|_| Problem::bad_request("The query string cannot be read"))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn extension_type(&self) -> Result<Option<ExtensionType>, Problem> {
        self.get("type").map(str::parse).transpose().map_err(bad_request)
    }

    /// The backends that `?source=` and `?backend=` ask for.
    fn scope(&self, catalog: &Catalog) -> Result<Scope, Problem> {
        let kind: Option<BackendKind> =
            self.get("source").map(str::parse).transpose().map_err(bad_request)?;
        let name: Option<BackendName> =
            self.get("backend").map(str::parse).transpose().map_err(bad_request)?;
        let Some(name) = name else { return Ok(kind.map_or(Scope::All, Scope::Kind)) };
        let Some(backend) = catalog.backends().find(|backend| backend.name() == name) else {
            return Ok(Scope::Nothing);
        };
        if let Some(kind) = kind.filter(|kind| *kind != backend.kind()) {
            let message = format!(
                "backend {name} is of the kind {}, not {kind}; give source or backend alone",
                backend.kind()
            );
            return Err(Problem::bad_request(message));
        }
        Ok(catalog.scope_of(backend))
    }

    fn page(&self, default_limit: usize) -> Result<Page, Problem> {
        let limit = self.get("limit").map_or(Some(default_limit), whole_number);
        let offset = self.get("offset").map_or(Some(0), whole_number);
        Ok(Page {
            limit: limit.filter(|limit| *limit <= LIMIT_MAX).ok_or_else(|| {
                Problem::bad_request(format!("limit must be a whole number from 0 to {LIMIT_MAX}"))
            })?,
            offset: offset
                .ok_or_else(|| Problem::bad_request("offset must be a whole number, 0 or more"))?,
        })
    }
}

/// Parses a whole number. A number that overflows counts as the largest one, as it exceeds any
/// list.
fn whole_number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

/// `?source=` and `?backend=`: the backends to ask, instead of the owner.
pub struct ScopeParam(pub Scope);

impl FromRequestParts<Arc<ApiState>> for ScopeParam {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        Params::read(parts, state).await?.scope(&state.catalog).map(Self)
    }
}

/// `?constraint=` and `?prerelease=`: the acceptable versions.
pub struct WantedParams(pub VersionRange);

impl<S: Send + Sync> FromRequestParts<S> for WantedParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = Params::read(parts, state).await?;
        let constraint = params.get("constraint").unwrap_or_default();
        let constraint = constraint.parse().map_err(bad_request)?;
        let prereleases = params.get("prerelease").unwrap_or("false");
        let prereleases = prereleases
            .parse()
            .map_err(|_| Problem::bad_request("prerelease must be true or false"))?;
        Ok(Self(VersionRange { constraint, prereleases }))
    }
}

/// `?version=`: a raw tag or a version; `latest` by default.
pub struct VersionParam(pub Tag);

impl<S: Send + Sync> FromRequestParts<S> for VersionParam {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = Params::read(parts, state).await?;
        params.get("version").unwrap_or("latest").parse().map(Self).map_err(bad_request)
    }
}

/// Parameters of a list.
pub struct ListParams {
    /// Restricts the list to this type.
    pub extension_type: Option<ExtensionType>,
    /// Only those of these backends.
    pub scope: Scope,
    /// Requested page.
    pub page: Page,
}

impl ListParams {
    fn of(params: &Params, catalog: &Catalog, default_limit: usize) -> Result<Self, Problem> {
        Ok(Self {
            extension_type: params.extension_type()?,
            scope: params.scope(catalog)?,
            page: params.page(default_limit)?,
        })
    }

    /// Returns the parameters that are equal on all pages, as pairs for a query string.
    #[must_use]
    pub fn kept(&self) -> Vec<(&'static str, &str)> {
        let extension_type = self.extension_type.map(|wanted| ("type", wanted.as_str()));
        extension_type.into_iter().chain(self.scope.parameter()).collect()
    }
}

impl FromRequestParts<Arc<ApiState>> for ListParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        Self::of(&Params::read(parts, state).await?, &state.catalog, LIST_LIMIT)
    }
}

/// Parameters of a search.
pub struct SearchParams {
    /// Search words, 1 to 200 characters, not blank.
    pub query: String,
    /// Filters and page.
    pub list: ListParams,
}

impl FromRequestParts<Arc<ApiState>> for SearchParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let params = Params::read(parts, state).await?;
        let query = params.get("q").unwrap_or_default();
        // Counted in characters: the limit must not depend on the script of the query.
        if query.trim().is_empty() || query.chars().count() > QUERY_MAX {
            let message = format!("q is required: 1 to {QUERY_MAX} characters, not blank");
            return Err(Problem::bad_request(message));
        }
        Ok(Self {
            query: query.to_owned(),
            list: ListParams::of(&params, &state.catalog, SEARCH_LIMIT)?,
        })
    }
}

/// A complete request body within the size limit, received in time.
pub struct WholeBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for WholeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // Slow senders would otherwise hold a permit for a body of a few bytes.
        let read = timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
        let read = read.map_err(|_| {
            let seconds = BODY_TIMEOUT.as_secs();
            let message = format!("The request body did not arrive within {seconds} seconds");
            Problem::new(StatusCode::REQUEST_TIMEOUT, message)
        })?;
        read.map(Self).map_err(|rejection| Problem::bare(rejection.status()))
    }
}
