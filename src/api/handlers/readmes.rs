//! Endpoint for READMEs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use crate::answers::catalog_response::CatalogResponse;
use crate::answers::readmes::ReadmeQuery;
use crate::api::extract::{IdPath, QueryString};
use crate::api::openapi::ReadResponses;
use crate::api::params::{IdParams, ScopeParams, VersionQueryParam};
use crate::api::state::ApiState;
use crate::edge::accept::Form;
use crate::edge::problem::Problem;

const POLICY: &str = "default-src 'none'; img-src https:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; sandbox";

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
    IdPath(id): IdPath,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = query.params::<VersionQueryParam>()?.tag()?;
    let scope = query.params::<ScopeParams>()?.scope(&api.catalog)?;
    let form = Form::preferred(&headers).ok_or_else(not_acceptable)?;
    let wanted = ReadmeQuery { id, version, scope };
    let found = api.caches.readmes.readme(&api.catalog, wanted, form).await?;
    Ok(guarded(CatalogResponse::new(found.0, &found.1).respond(&headers), form))
}

fn not_acceptable() -> Problem {
    let message = "A README is available as text/markdown or text/html; Accept allows neither";
    Problem::new(StatusCode::NOT_ACCEPTABLE, message)
}

fn guarded(mut response: Response, form: Form) -> Response {
    let headers = response.headers_mut();
    // Appended, because the response already varies by encoding.
    headers.append(VARY, HeaderValue::from_static("accept"));
    if form == Form::Html {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    response
}
