//! Endpoints about the service: metrics, cache statistics, OpenAPI contract.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::catalog_response::CatalogResponse;
use crate::answers::provenance::Provenance;
use crate::api::state::ApiState;
use crate::catalog::Freshness;
use crate::catalog::persistent_instant::PersistentInstant;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::error::{Error, ErrorKind};
use crate::metrics::caches::CacheCounters;

/// Contents and counters of the caches.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheStats {
    /// Number of cached lists.
    list_entries: usize,
    /// Number of cached extensions.
    metadata_entries: usize,
    /// Number of cached version lists.
    version_entries: usize,
    /// Sum of the three.
    total_entries: usize,
    /// Number of cached responses about one release: `/metadata` and `/resolve`.
    release_entries: usize,
    /// Number of cached READMEs.
    readme_entries: usize,
    /// Counters of each cache since the start.
    list: CacheCounts,
    metadata: CacheCounts,
    versions: CacheCounts,
    releases: CacheCounts,
    readmes: CacheCounts,
}

/// Counters of one cache.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheCounts {
    /// Requests served from the cache.
    hits: u64,
    /// Requests not served from the cache.
    misses: u64,
    /// Entries evicted to make room.
    evictions: u64,
}

impl From<&CacheCounters> for CacheCounts {
    fn from(counters: &CacheCounters) -> Self {
        Self { hits: counters.hits(), misses: counters.misses(), evictions: counters.evictions() }
    }
}

/// Cache statistics
///
/// Counts only entries that are still valid.
#[utoipa::path(get, path = "/cache/stats", tag = "system", responses((status = 200, body = CacheStats)))]
pub async fn cache_stats(State(api): State<Arc<ApiState>>) -> Json<CacheStats> {
    let view = api.catalog.view();
    let caches = &api.caches;
    let list_entries = caches.lists.len(&view);
    let metadata_entries = caches.metadata.len(&view);
    let version_entries = caches.versions.len(&view);
    Json(CacheStats {
        list_entries,
        metadata_entries,
        version_entries,
        total_entries: list_entries + metadata_entries + version_entries,
        release_entries: caches.releases.len(&view),
        readme_entries: caches.readmes.len(&view),
        list: caches.lists.counters().into(),
        metadata: caches.metadata.counters().into(),
        versions: caches.versions.counters().into(),
        releases: caches.releases.counters().into(),
        readmes: caches.readmes.counters().into(),
    })
}

/// Metrics
///
/// Prometheus text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "system",
    responses((status = 200, content_type = "text/plain; version=0.0.4", body = String)),
)]
pub async fn metrics(State(api): State<Arc<ApiState>>) -> Result<Response, Problem> {
    measure(&api);
    api.metrics.artifacts().changed(api.catalog.pins().changed());
    let text = api.metrics.render().map_err(|error| {
        Error::new(ErrorKind::Internal, "Metrics cannot be rendered").because(error)
    })?;
    Ok(([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

fn measure(api: &ApiState) {
    let view = api.catalog.view();
    for (backend, status) in api.catalog.statuses() {
        let known = view.entries(backend.into()).len();
        // A backend that was never read counts as stale since the start.
        let age =
            status.current_as_of.map_or_else(|| api.started.elapsed(), PersistentInstant::elapsed);
        api.metrics.backends.known(backend.as_str(), known, age.as_secs_f64(), status.healthy);
        api.metrics.backends.held(backend.as_str(), status.held.bytes, status.held.refused);
    }
}

/// This contract
///
/// OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "system", responses((status = 200, body = Object)))]
pub async fn openapi(State(api): State<Arc<ApiState>>, headers: HeaderMap) -> Response {
    let freshness = Freshness { age: std::time::Duration::ZERO, degraded: Vec::new() };
    let provenance = Provenance { freshness, memo: Some(std::time::Duration::ZERO) };
    CatalogResponse::new(Rendered::bytes(api.openapi.clone()), &provenance).respond(&headers)
}
