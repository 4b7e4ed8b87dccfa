//! Extractors of path, query and body. Invalid values are a 400 that names the parameter.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::answers::paging::Page;
use crate::api::params::{
    AssetParam, IdParams, PageParams, ScopeParams, TagParam, TypeParam, VersionPathParam,
    bad_request,
};
use crate::catalog::Catalog;
use crate::edge::problem::Problem;
use crate::models::naming::{ExtensionId, ExtensionType};
use crate::models::scope::Scope;
use crate::models::tag::Tag;

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
        path_params::<IdParams, _>(parts, state).await?.id().map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ReleasePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let IdPath(id) = IdPath::from_request_parts(parts, state).await?;
        let VersionPathParam { version } = path_params(parts, state).await?;
        let query = QueryString::from_request_parts(parts, state).await?;
        let TagParam { tag } = query.params()?;
        let AssetParam { asset } = query.params()?;
        let version = match tag {
            // A tag may contain slashes, which some proxies do not pass on in a path, even encoded.
            Some(tag) if version == "latest" => tag,
            _ => version,
        };
        let version = version.parse().map_err(bad_request)?;
        Ok(Self { id, version, asset })
    }
}

async fn path_params<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Problem> {
    let Path(params) = Path::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::bad_request("The decoded path is not UTF-8"))?;
    Ok(params)
}

/// A query string. Unknown parameters are ignored; of duplicates the first counts.
pub struct QueryString(Value);

impl<S: Send + Sync> FromRequestParts<S> for QueryString {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) =
            pairs.map_err(|_| Problem::bad_request("The query string cannot be read"))?;
        let values = pairs.into_iter().rev().map(|(name, value)| (name, Value::String(value)));
        Ok(Self(Value::Object(values.collect())))
    }
}

impl QueryString {
    /// Reads the parameters of this type. Fails with 400 if one is invalid.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        T::deserialize(&self.0).map_err(bad_request)
    }
}

/// Parameters of a list.
pub struct ListParams {
    /// Restricts the list to this type.
    pub extension_type: Option<ExtensionType>,
    /// Restricts the list to these backends.
    pub scope: Scope,
    /// Requested page.
    pub page: Page,
}

impl ListParams {
    /// Reads the parameters of a list with this default of `limit`; 400 if one is invalid.
    pub fn of<const LIMIT: usize>(query: &QueryString, catalog: &Catalog) -> Result<Self, Problem> {
        Ok(Self {
            extension_type: query.params::<TypeParam>()?.extension_type()?,
            scope: query.params::<ScopeParams>()?.scope(catalog)?,
            page: query.params::<PageParams<LIMIT>>()?.page()?,
        })
    }

    /// Returns the parameters that are equal on all pages, as pairs for a query string.
    #[must_use]
    pub fn kept(&self) -> Vec<(&'static str, &str)> {
        let extension_type = self.extension_type.map(|wanted| ("type", wanted.as_str()));
        extension_type.into_iter().chain(self.scope.parameter()).collect()
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
