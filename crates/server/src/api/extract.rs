//! Extractors of path, query and body. Invalid values are a 400 that names the parameter.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use bytes::Bytes;
use matchit::Params;
use percent_encoding::percent_decode_str;
use registry_catalog::Catalog;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::api::params::{IdParams, ScopeParams, TagParam, VersionPathParam, bad_request};
use crate::edge::problem::Problem;

const BODY_TIMEOUT: Duration = Duration::from_secs(3);

/// The decoded parameters of a path.
pub struct PathParams(Value);

impl PathParams {
    /// Decodes the parameters. Fails with 400 if one is not UTF-8.
    pub fn new(params: &Params<'_, '_>) -> Result<Self, Problem> {
        let mut values = Map::new();
        for (name, value) in params.iter() {
            let value = percent_decode_str(value).decode_utf8().map_err(|_| not_utf8())?;
            values.insert(name.to_owned(), Value::String(value.into_owned()));
        }
        Ok(Self(Value::Object(values)))
    }

    /// Reads the parameters of this type. Fails with 400 if one is invalid.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        T::deserialize(&self.0).map_err(bad_request)
    }

    /// Returns the extension.
    pub fn id(&self) -> Result<ExtensionId, Problem> {
        self.params::<IdParams>()?.id()
    }

    /// Returns the version; after `latest`, the parameter `?tag=` takes precedence.
    pub fn version(&self, query: &QueryString) -> Result<Tag, Problem> {
        let VersionPathParam { version } = self.params()?;
        let TagParam { tag } = query.params()?;
        let version = match tag {
            // A tag may contain slashes, which some proxies do not pass on in a path, even encoded.
            Some(tag) if version == "latest" => tag,
            _ => version,
        };
        version.parse().map_err(bad_request)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = Path::<BTreeMap<String, String>>::from_request_parts(parts, state).await;
        let Path(params) = params.map_err(|_| not_utf8())?;
        let values = params.into_iter().map(|(name, value)| (name, Value::String(value)));
        Ok(Self(Value::Object(values.collect())))
    }
}

fn not_utf8() -> Problem {
    Problem::bad_request("The decoded path is not UTF-8")
}

/// A query string. Unknown parameters are ignored; of duplicates the first counts, unless the
/// parameter may be repeated.
pub struct QueryString {
    first: Value,
    pairs: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for QueryString {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

impl QueryString {
    /// Reads the query of a target. Fails with 400 if it cannot be decoded.
    pub fn of(uri: &Uri) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(pairs) =
            pairs.map_err(|_| Problem::bad_request("The query string cannot be read"))?;
        let values =
            pairs.iter().rev().map(|(name, value)| (name.clone(), Value::String(value.clone())));
        Ok(Self { first: Value::Object(values.collect()), pairs })
    }

    /// Returns every value of a parameter that may be repeated, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// Reads the parameters of this type. Fails with 400 if one is invalid.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        T::deserialize(&self.first).map_err(bad_request)
    }

    /// Reads the backends that are asked. Fails with 400 if a parameter is invalid.
    pub fn scope(&self, catalog: &Catalog) -> Result<Scope, Problem> {
        self.params::<ScopeParams>()?.scope(catalog)
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
