//! Endpoints for lists, search, one extension, and its versions.

use std::sync::Arc;

use axum::extract::State;

use crate::answers::paging::{LIST_LIMIT, SEARCH_LIMIT};
use crate::api::list_params::{KeywordParam, SortParam};
use crate::api::openapi::{ListResponses, ReadResponses};
use crate::api::params::{IdParams, PageParams, QueryParam, ScopeParams, TypeParam};
use crate::api::parsed_query::ParsedQuery;
use crate::api::state::ApiState;
use crate::edge::problem::Problem;
use crate::edge::representation::Representation;
use registry_public::extension::{ExtensionBody, VersionBody};

/// List extensions
///
/// All extensions of all backends without duplicates, by name (ignoring case) and then by type, or
/// the last published first.
#[utoipa::path(
    get,
    path = "/extensions",
    tag = "extensions",
    params(TypeParam, ScopeParams, PageParams<LIST_LIMIT>, SortParam, KeywordParam),
    responses(
        (status = 200, body = Vec<ExtensionBody>, headers(
            ("X-Total-Count" = u64, description = "Rows over all pages"),
            ("Link" = String, description = "first, prev, next, last (RFC 8288), relative"),
            ("ETag" = String, description = "Weak"),
        )),
        ListResponses,
    ),
)]
pub async fn list_extensions(
    State(api): State<Arc<ApiState>>,
    ParsedQuery(query): ParsedQuery,
) -> Result<Representation, Problem> {
    api.answer(&query).await
}

/// Search extensions
///
/// Best matches first: exact name, prefix of the name, keyword, word of the description, name with
/// typing errors (one from 4 letters, two from 8). Several words must all match.
#[utoipa::path(
    get,
    path = "/extensions/search",
    tag = "extensions",
    params(QueryParam, TypeParam, ScopeParams, PageParams<SEARCH_LIMIT>),
    responses(
        (status = 200, body = Vec<ExtensionBody>, headers(
            ("X-Total-Count" = u64, description = "Rows over all pages"),
            ("Link" = String, description = "first, prev, next, last (RFC 8288), relative"),
            ("ETag" = String, description = "Weak"),
        )),
        ListResponses,
    ),
)]
pub async fn search_extensions(
    State(api): State<Arc<ApiState>>,
    ParsedQuery(query): ParsedQuery,
) -> Result<Representation, Problem> {
    api.answer(&query).await
}

/// Get extension
///
/// One extension, described by its latest version.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}",
    tag = "extensions",
    params(IdParams, ScopeParams),
    responses(
        (status = 200, body = ExtensionBody, headers(("ETag" = String, description = "Weak"))),
        ReadResponses,
    ),
)]
pub async fn get_extension(
    State(api): State<Arc<ApiState>>,
    ParsedQuery(query): ParsedQuery,
) -> Result<Representation, Problem> {
    api.answer(&query).await
}

/// List versions
///
/// All versions of an extension, newest first; tags that are not versions come last.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/versions",
    tag = "extensions",
    params(IdParams, ScopeParams),
    responses(
        (status = 200, body = Vec<VersionBody>, headers(("ETag" = String, description = "Weak"))),
        ReadResponses,
    ),
)]
pub async fn list_versions(
    State(api): State<Arc<ApiState>>,
    ParsedQuery(query): ParsedQuery,
) -> Result<Representation, Problem> {
    api.answer(&query).await
}
