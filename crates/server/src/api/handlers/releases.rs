//! Endpoints for one release: its metadata, and resolution of a version range.

use std::sync::Arc;

use axum::extract::State;

use crate::api::openapi::ReadResponses;
use crate::api::params::{IdParams, RangeParams, ScopeParams, TagParam, VersionPathParam};
use crate::api::parsed_query::ParsedQuery;
use crate::api::state::ApiState;
use crate::edge::problem::Problem;
use crate::edge::representation::Representation;
use registry_public::extension::VersionBody;
use registry_public::metadata::MetadataBody;

/// Get version
///
/// One version with all details: notes, files and digests.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/{version}/metadata",
    tag = "extensions",
    params(IdParams, VersionPathParam, TagParam, ScopeParams),
    responses(
        (status = 200, body = MetadataBody, headers(("ETag" = String, description = "Weak"))),
        ReadResponses,
    ),
)]
pub async fn get_version(
    State(api): State<Arc<ApiState>>,
    ParsedQuery(query): ParsedQuery,
) -> Result<Representation, Problem> {
    api.answer(&query).await
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
        (status = 200, body = VersionBody, headers(("ETag" = String, description = "Weak"))),
        ReadResponses,
        (status = 404, description = "No version matches; the message names the nearest"),
    ),
)]
pub async fn resolve(
    State(api): State<Arc<ApiState>>,
    ParsedQuery(query): ParsedQuery,
) -> Result<Representation, Problem> {
    api.answer(&query).await
}
