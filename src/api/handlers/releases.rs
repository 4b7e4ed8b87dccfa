//! Endpoints for one release: its metadata, and resolution of a version range.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::answers::catalog_response::CatalogResponse;
use crate::answers::response_caches::release::ReleaseQuery;
use crate::api::extract::{IdPath, QueryString, ReleasePath};
use crate::api::openapi::ReadResponses;
use crate::api::params::{IdParams, RangeParams, ScopeParams, TagParam, VersionPathParam};
use crate::api::state::ApiState;
use crate::edge::problem::Problem;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;
use crate::public::metadata_view::MetadataView;
use crate::public::views::VersionView;

/// Get version
///
/// One version with all details: notes, files and digests.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/{version}/metadata",
    tag = "extensions",
    params(IdParams, VersionPathParam, TagParam, ScopeParams),
    responses(
        (status = 200, body = MetadataView, headers(("ETag" = String, description = "Weak"))),
        ReadResponses,
    ),
)]
pub async fn get_version(
    State(api): State<Arc<ApiState>>,
    ReleasePath { id, version, .. }: ReleasePath,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = query.params::<ScopeParams>()?.scope(&api.catalog)?;
    answer(&api, id, ReleaseQuery::Metadata(version), scope, &headers).await
}

/// Resolve a range
///
/// The highest version in a range, with its digest. Tags that are not versions never match; build
/// metadata is ignored.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/resolve",
    tag = "extensions",
    params(IdParams, RangeParams, ScopeParams),
    responses(
        (status = 200, body = VersionView, headers(("ETag" = String, description = "Weak"))),
        ReadResponses,
        (status = 404, description = "No version matches; the message names the nearest"),
    ),
)]
pub async fn resolve(
    State(api): State<Arc<ApiState>>,
    IdPath(id): IdPath,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = query.params::<RangeParams>()?.range()?;
    let scope = query.params::<ScopeParams>()?.scope(&api.catalog)?;
    answer(&api, id, ReleaseQuery::Resolve(wanted), scope, &headers).await
}

async fn answer(
    api: &ApiState,
    id: ExtensionId,
    question: ReleaseQuery,
    scope: Scope,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (rendered, provenance) = api.caches.release(&api.catalog, id, question, scope).await?;
    api.metrics.extensions_served(1);
    Ok(CatalogResponse::new(rendered, &provenance).respond(headers))
}
