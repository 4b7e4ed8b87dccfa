//! Rules of the catalog, the caches and HTTP, from the configuration.

use std::io;
use std::sync::Arc;

use axum::http::HeaderValue;
use registry_catalog::{Merge, Rules};
use registry_core::via::Via;
use registry_server::answers::rules::ResponseCacheRules;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::own_address::AddressRules;
use registry_server::oci::settings::PullSettings;
use registry_server::pages::settings::{BackendPlace, PageSettings};
use tower_http::cors::AllowOrigin;
use url::Url;

use crate::app::admission;
use crate::app::rotation::Rotated;
use crate::build_info;
use crate::config::{BackendSettings, Config, FacadeConfig, ServerConfig};

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
    let address = AddressRules {
        public_url: config.server.public_url.clone(),
        base_path: config.server.base_path.clone(),
        has_tls: config.tls.is_some(),
    };
    Ok((HttpRules { compression, cors, admission: Arc::new(admission), address }, tokens))
}

pub(super) fn page_settings(config: &Config, demo: bool) -> PageSettings {
    let places = config.backends.iter().map(|backend| BackendPlace {
        backend: backend.id,
        location: if demo { "the sample catalog".to_owned() } else { location(&backend.settings) },
    });
    PageSettings {
        enabled: config.web.enabled,
        remote_images: config.web.remote_images,
        version: build_info::VERSION.to_owned(),
        commit: build_info::short_commit().map(str::to_owned),
        demo,
        needs_token: config.auth.is_some(),
        places: places.collect(),
    }
}

/// Names the service in its requests to backends, so that no registry reads from itself.
pub(super) fn name_requests(config: &mut Config) -> Via {
    let upstreams = config.backends.iter().map(|backend| backend.fingerprint.as_str());
    let via = Via::of(&upstreams.collect::<Vec<_>>().join("\n"));
    config.backends.iter_mut().for_each(|backend| backend.name_requests(&via));
    via
}

pub(super) fn oci_settings(config: &Config, via: Via) -> PullSettings {
    let FacadeConfig { enabled, .. } = config.facade;
    let timeouts = config.backends.iter().filter_map(|backend| match &backend.settings {
        BackendSettings::Gitea(gitea) => Some(gitea.upstream.timeout),
        _ => None,
    });
    PullSettings {
        enabled,
        namespace: config.facade.namespace(&config.backends),
        via,
        patience: timeouts.max().unwrap_or_else(|| PullSettings::default().patience),
    }
}

/// Host with organization or namespace, or a directory.
fn location(settings: &BackendSettings) -> String {
    let host = |url: &Url| url.to_string().trim_end_matches('/').to_owned();
    match settings {
        BackendSettings::Gitea(gitea) => {
            format!("{}/{}", host(&gitea.url), gitea.organization.as_str())
        }
        BackendSettings::Oci(oci) => oci.registry.page(&oci.namespace.to_string()),
        BackendSettings::Local(local) => local.path.display().to_string(),
    }
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
