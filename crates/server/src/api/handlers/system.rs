//! Endpoints about the service: metrics, cache statistics, OpenAPI contract.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use registry_catalog::persistent_instant::PersistentInstant;
use registry_core::error::{Error, ErrorKind};

use crate::answers::Answers;
use crate::answers::query::list_of;
use crate::api::state::ApiState;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use crate::metrics::caches::CacheCounters;
use registry_public::caches::{CacheCounts, CacheStats};

/// Cache statistics
///
/// Counts only entries that are still valid.
#[utoipa::path(get, path = "/cache/stats", tag = "system", responses((status = 200, body = CacheStats)))]
pub async fn cache_stats(State(api): State<Arc<ApiState>>) -> Result<Representation, Problem> {
    let answers = &api.answers;
    let view = answers.catalog().store.view();
    let Answers { lists, searches, metadata, versions, releases, readmes, pages, .. } = answers;
    // Pages of a list are parts of one entry.
    let list_entries = lists.count(&view, |key| list_of(key).to_owned());
    let metadata_entries = metadata.count(&view, str::to_owned);
    let version_entries = versions.count(&view, str::to_owned);
    let stats = CacheStats {
        list_entries,
        metadata_entries,
        version_entries,
        total_entries: list_entries + metadata_entries + version_entries,
        release_entries: releases.count(&view, str::to_owned),
        readme_entries: readmes.count(&view),
        search_entries: searches.count(&view, str::to_owned),
        page_entries: pages.count(&view, str::to_owned),
        list: counts(lists.counters()),
        metadata: counts(metadata.counters()),
        versions: counts(versions.counters()),
        releases: counts(releases.counters()),
        readmes: counts(readmes.counters()),
        searches: counts(searches.counters()),
        pages: counts(pages.counters()),
    };
    Ok(Rendered::live(&stats)?.into())
}

fn counts(counters: &CacheCounters) -> CacheCounts {
    CacheCounts {
        hits: counters.hits(),
        misses: counters.misses(),
        evictions: counters.evictions(),
    }
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
    api.metrics.artifacts().changed(api.answers.catalog().pins.changed());
    let text = api.metrics.render().map_err(|error| {
        Error::new(ErrorKind::Internal, "Metrics cannot be rendered").because(error)
    })?;
    Ok(([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

fn measure(api: &ApiState) {
    let view = api.answers.catalog().store.view();
    for (backend, status) in api.answers.catalog().health.statuses() {
        let known = view.entries(backend.into()).len();
        // A backend that was never read counts as stale since the start.
        let age =
            status.current_as_of.map_or_else(|| api.started.elapsed(), PersistentInstant::elapsed);
        api.metrics.backends.known(backend.as_str(), known, age.as_secs_f64(), status.healthy);
        api.metrics.backends.held(backend.as_str(), status.capacity.bytes, status.capacity.refused);
    }
    let replicator = api.answers.catalog().replicator.as_ref();
    for (backend, report) in replicator.iter().flat_map(|replicator| replicator.reports()) {
        api.metrics.shared.replication.reported(backend.as_str(), &report);
    }
}

/// This contract
///
/// OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "system", responses((status = 200, body = Object)))]
pub async fn openapi(State(api): State<Arc<ApiState>>) -> Representation {
    api.openapi.clone().into()
}
