//! Endpoint for READMEs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use crate::api::openapi::ReadResponses;
use crate::api::params::{IdParams, ScopeParams, VersionQueryParam};
use crate::api::parsed_query::ParsedQuery;
use crate::api::state::ApiState;
use crate::edge::problem::Problem;
use crate::edge::representation::Representation;

/// Get README
///
/// The README of a version: Markdown as published, or a sanitized page for clients that prefer
/// HTML.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/readme",
    tag = "extensions",
    params(IdParams, VersionQueryParam, ScopeParams),
    responses(
        (status = 200, description = "The README", content((String = "text/markdown"), (String = "text/html")), headers(
            ("ETag" = String, description = "Weak"),
            ("Vary" = String, description = "`Accept`"),
        )),
        ReadResponses,
        (status = 404, description = "No such version, or it has no README"),
        (status = 406, description = "Neither form is acceptable"),
    ),
)]
pub async fn get_readme(
    State(api): State<Arc<ApiState>>,
    ParsedQuery(query): ParsedQuery,
    headers: HeaderMap,
) -> Result<Representation, Problem> {
    let query = query.negotiated(&headers).ok_or_else(not_acceptable)?;
    api.answer(&query).await
}

fn not_acceptable() -> Problem {
    let message = "A README is available as text/markdown or text/html; Accept allows neither";
    Problem::new(StatusCode::NOT_ACCEPTABLE, message)
}
