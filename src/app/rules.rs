//! Rules of the catalog, the caches and HTTP, from the configuration.

use std::io;
use std::sync::Arc;

use axum::http::HeaderValue;
use registry_catalog::{Merge, Rules};
use registry_server::answers::rules::ResponseCacheRules;
use registry_server::edge::middleware::HttpRules;
use tower_http::cors::AllowOrigin;

use crate::app::admission;
use crate::app::rotation::Rotated;
use crate::config::{Config, ServerConfig};

pub(super) fn catalog_rules(config: &Config) -> Rules {
    let merge = if config.catalog.union { Merge::Union } else { Merge::Owner };
    Rules {
        merge,
        allow_takeover: config.catalog.allow_takeover,
        ttl: config.cache.ttl,
        stale_while_revalidate: config.cache.stale_while_revalidate,
        stale_if_error: config.cache.stale_if_error,
        full_sweep: config.catalog.full_sweep,
        negative_ttl: config.cache.negative_ttl,
        accept_changes: config.downloads.accept_changes,
        max_bytes: config.catalog.max_bytes,
    }
}

pub(super) fn cache_rules(config: &Config) -> ResponseCacheRules {
    ResponseCacheRules {
        capacity: config.cache.capacity,
        ttl: config.cache.ttl,
        stale_if_error: config.cache.stale_if_error,
        negative_ttl: config.cache.negative_ttl,
        lists: config.cache.enable_list_cache,
        metadata: config.cache.enable_metadata_cache,
    }
}

pub(super) fn http_rules(config: &Config) -> io::Result<(HttpRules, Option<Rotated>)> {
    let (admission, tokens) = admission::of(config)?;
    let (compression, cors) = (config.server.enable_compression, origins(&config.server)?);
    Ok((HttpRules { compression, cors, admission: Arc::new(admission) }, tokens))
}

fn origins(server: &ServerConfig) -> io::Result<Option<AllowOrigin>> {
    if !server.enable_cors {
        return Ok(None);
    }
    if server.cors_allowed_origins.iter().any(|origin| origin == "*") {
        return Ok(Some(AllowOrigin::any()));
    }
    let origins = server.cors_allowed_origins.iter().map(|origin| HeaderValue::from_str(origin));
    let origins: Result<Vec<HeaderValue>, _> = origins.collect();
    origins.map(|origins| Some(AllowOrigin::list(origins))).map_err(io::Error::other)
}
