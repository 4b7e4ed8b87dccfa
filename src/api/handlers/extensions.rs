//! Endpoints for lists, search, one extension, and its versions.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::answers::catalog_response::CatalogResponse;
use crate::answers::list_cache::render_rows;
use crate::answers::paging::{LIST_LIMIT, SEARCH_LIMIT};
use crate::answers::provenance::Provenance;
use crate::answers::response_caches::extension::{ExtensionQuery, Facet};
use crate::api::extract::{IdPath, ListParams, QueryString};
use crate::api::openapi::{ListResponses, ReadResponses};
use crate::api::params::{IdParams, PageParams, QueryParam, ScopeParams, TypeParam};
use crate::api::state::ApiState;
use crate::edge::problem::Problem;
use crate::public::views::{ExtensionView, VersionView};

/// List extensions
///
/// All extensions of all backends without duplicates, by name (ignoring case) and then by type.
#[utoipa::path(
    get,
    path = "/extensions",
    tag = "extensions",
    params(TypeParam, ScopeParams, PageParams<LIST_LIMIT>),
    responses(
        (status = 200, body = Vec<ExtensionView>, headers(
            ("X-Total-Count" = u64, description = "Rows over all pages"),
            ("Link" = String, description = "first, prev, next, last (RFC 8288), relative"),
            ("ETag" = String, description = "Weak"),
        )),
        ListResponses,
    ),
)]
pub async fn list_extensions(
    State(api): State<Arc<ApiState>>,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = ListParams::of::<LIST_LIMIT>(&query, &api.catalog)?;
    let ListParams { extension_type, scope, page } = params;
    let (list, provenance) = api.caches.list(&api.catalog, extension_type, scope).await?;
    let total = list.total();
    let links = page.links("/api/v1/extensions", &params.kept(), total);
    let served = page.count(total);
    api.metrics.extensions_served(served);
    let rendered = match list.kept(page) {
        Some(rendered) => rendered,
        // Rendering a thousand rows takes milliseconds, in which other connections would wait.
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
    params(QueryParam, TypeParam, ScopeParams, PageParams<SEARCH_LIMIT>),
    responses(
        (status = 200, body = Vec<ExtensionView>, headers(
            ("X-Total-Count" = u64, description = "Rows over all pages"),
            ("Link" = String, description = "first, prev, next, last (RFC 8288), relative"),
            ("ETag" = String, description = "Weak"),
        )),
        ListResponses,
    ),
)]
pub async fn search_extensions(
    State(api): State<Arc<ApiState>>,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let words = query.params::<QueryParam>()?.words()?;
    let list = ListParams::of::<SEARCH_LIMIT>(&query, &api.catalog)?;
    let view = api.catalog.ready(list.scope).await?;
    let ListParams { extension_type, scope, page } = list;
    let (wanted, shared) = (words.clone(), Arc::clone(&api));
    let search = api.renderer.run(page.limit, move || {
        // Searches are not cached: their number is unbounded and each is cheap.
        let found = view.search(&wanted, extension_type, scope);
        let rendered = render_rows(page.of(&found), scope, shared.caches.public_url())?;
        Ok((rendered, found.len()))
    });
    let (rendered, total) = search.await?;
    api.metrics.extensions_served(page.count(total));
    let kept: Vec<_> = [("q", words.as_str())].into_iter().chain(list.kept()).collect();
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
        ReadResponses,
    ),
)]
pub async fn get_extension(
    State(api): State<Arc<ApiState>>,
    IdPath(id): IdPath,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = query.params::<ScopeParams>()?.scope(&api.catalog)?;
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
        ReadResponses,
    ),
)]
pub async fn list_versions(
    State(api): State<Arc<ApiState>>,
    IdPath(id): IdPath,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = query.params::<ScopeParams>()?.scope(&api.catalog)?;
    understood(&api, ExtensionQuery { id, scope, facet: Facet::Versions }, &headers).await
}

async fn understood(
    api: &ApiState,
    question: ExtensionQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    // Attaches the parsed request, from which the fast path learns the target.
    let mut response = answer_about(api, &question, headers).await?;
    response.extensions_mut().insert(question);
    Ok(response)
}

/// Responds with one extension, or its versions. Fails with the errors of the catalog.
pub async fn answer_about(
    api: &ApiState,
    question: &ExtensionQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (rendered, provenance) = api.caches.extension(&api.catalog, question).await?;
    api.metrics.extensions_served(1);
    Ok(CatalogResponse::new(rendered, &provenance).respond(headers))
}
