//! Endpoints for lists, search, one extension, and its versions.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::answers::{CatalogResponse, Provenance};
use crate::api::extract::{IdPath, ListParams, ScopeParam, SearchParams};
use crate::api::list_cache::render_rows;
use crate::api::params::{
    FilterParams, IdParams, ListPageParams, QueryParam, ScopeParams, SearchPageParams,
};
use crate::api::problem::{ErrorBody, Problem};
use crate::api::response_caches::extension::{ExtensionQuery, Facet};
use crate::api::state::ApiState;
use crate::api::views::{ExtensionView, VersionView};

/// List extensions
///
/// All extensions of all backends without duplicates, by name (ignoring case) and then by type.
#[utoipa::path(
    get,
    path = "/extensions",
    tag = "extensions",
    params(FilterParams, ListPageParams),
    responses(
        (status = 200, body = Vec<ExtensionView>, headers(
            ("X-Total-Count" = u64, description = "Rows over all pages"),
            ("Link" = String, description = "first, prev, next, last (RFC 8288), relative"),
            ("ETag" = String, description = "Weak"),
        )),
        (status = 304, description = "The client has it already"),
        (status = 400, body = ErrorBody),
        (status = 503, body = ErrorBody, description = "Nothing is known yet of the backends asked"),
    ),
)]
pub async fn list_extensions(
    State(api): State<Arc<ApiState>>,
    params: ListParams,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ListParams { extension_type, scope, page } = params;
    let (list, provenance) = api.caches.list(&api.catalog, extension_type, scope).await?;
    let total = list.total();
    let links = page.links("/api/v1/extensions", &params.kept(), total);
    let served = page.count(total);
    api.metrics.extensions_served(served);
    let rendered = match list.kept(page) {
        Some(rendered) => rendered,
        // Sorting out and serializing a thousand rows takes milliseconds, in which other
        // connections would wait.
        None => api.renderer.run(served, move || list.render(page)).await?,
    };
    Ok(CatalogResponse::new(rendered, &provenance).paged(total, links.as_deref()).respond(&headers))
}

/// Search extensions
///
/// Best matches first: exact name, prefix of the name, keyword, word of the description, name with
/// typing errors (one from 4 letters, two from 8). Several words must all match.
#[utoipa::path(
    get,
    path = "/extensions/search",
    tag = "extensions",
    params(QueryParam, FilterParams, SearchPageParams),
    responses(
        (status = 200, body = Vec<ExtensionView>, headers(
            ("X-Total-Count" = u64, description = "Rows over all pages"),
            ("Link" = String, description = "first, prev, next, last (RFC 8288), relative"),
            ("ETag" = String, description = "Weak"),
        )),
        (status = 304, description = "The client has it already"),
        (status = 400, body = ErrorBody),
        (status = 503, body = ErrorBody, description = "Nothing is known yet of the backends asked"),
    ),
)]
pub async fn search_extensions(
    State(api): State<Arc<ApiState>>,
    SearchParams { query, list }: SearchParams,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = api.catalog.ready(list.scope).await?;
    let ListParams { extension_type, scope, page } = list;
    let (words, shared) = (query.clone(), Arc::clone(&api));
    let search = move || {
        // Searches are not cached: their number is unbounded and each is cheap.
        let found = view.search(&words, extension_type, scope);
        let rendered = render_rows(page.of(&found), scope, shared.caches.public_url())?;
        Ok((rendered, found.len()))
    };
    let (rendered, total) = api.renderer.run(page.limit, search).await?;
    api.metrics.extensions_served(page.count(total));
    let kept: Vec<_> = [("q", query.as_str())].into_iter().chain(list.kept()).collect();
    let links = page.links("/api/v1/extensions/search", &kept, total);
    let provenance = Provenance::of_catalog(&api.catalog, scope);
    Ok(CatalogResponse::new(rendered, &provenance).paged(total, links.as_deref()).respond(&headers))
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
        (status = 200, body = ExtensionView, headers(("ETag" = String, description = "Weak"))),
        (status = 304, description = "The client has it already"),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 502, body = ErrorBody, description = "A backend refused us or sent nonsense"),
        (status = 503, body = ErrorBody, description = "It is not known who owns the name"),
        (status = 504, body = ErrorBody, description = "A backend did not answer in time"),
    ),
)]
pub async fn get_extension(
    State(api): State<Arc<ApiState>>,
    IdPath(id): IdPath,
    ScopeParam(scope): ScopeParam,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    understood(&api, ExtensionQuery { id, scope, facet: Facet::Metadata }, &headers).await
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
        (status = 200, body = Vec<VersionView>, headers(("ETag" = String, description = "Weak"))),
        (status = 304, description = "The client has it already"),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 502, body = ErrorBody, description = "A backend refused us or sent nonsense"),
        (status = 503, body = ErrorBody, description = "It is not known who owns the name"),
        (status = 504, body = ErrorBody, description = "A backend did not answer in time"),
    ),
)]
pub async fn list_versions(
    State(api): State<Arc<ApiState>>,
    IdPath(id): IdPath,
    ScopeParam(scope): ScopeParam,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    understood(&api, ExtensionQuery { id, scope, facet: Facet::Versions }, &headers).await
}

/// Responds, and attaches the parsed request to the response, so that the fast path learns the
/// target.
async fn understood(
    api: &ApiState,
    question: ExtensionQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let mut response = answer_about(api, &question, headers).await?;
    response.extensions_mut().insert(question);
    Ok(response)
}

/// Responds with one extension, or its versions.
///
/// # Errors
/// The errors of the catalog.
pub async fn answer_about(
    api: &ApiState,
    question: &ExtensionQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (rendered, provenance) = api.caches.extension(&api.catalog, question).await?;
    api.metrics.extensions_served(1);
    Ok(CatalogResponse::new(rendered, &provenance).respond(headers))
}
