//! All routes, and the OpenAPI contract generated from them.

use std::sync::Arc;

use bytes::Bytes;
use utoipa::OpenApi as _;
use utoipa::openapi::{OpenApi, Server};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answers::response_caches::ResponseCaches;
pub use crate::api::fast_path::Api;
use crate::api::handlers::{downloads, extensions, health, readmes, releases, system, webhooks};
use crate::api::layers::layered;
use crate::api::openapi::complete;
use crate::api::state::{ApiState, CertificateState, Draining};
use crate::api::webhook_limit::WebhookLimit;
use crate::artifacts::Artifacts;
use crate::backend::webhook::WebhookReceiver;
use crate::catalog::Catalog;
use crate::edge::middleware::{HttpRules, Middleware};
use crate::edge::offload::Renderer;
use crate::edge::templates::Templates;
use crate::metrics::Metrics;
use crate::models::backend_id::BackendId;
use crate::urls::BASE;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Extension Registry",
        description = "Find, search, compare and download extensions from every configured backend.",
        license(name = "MIT", identifier = "MIT"),
    ),
    tags(
        (name = "extensions", description = "Extensions, their versions and archives"),
        (name = "webhooks", description = "Webhooks of backends"),
        (name = "health", description = "Health of the service and its backends"),
        (name = "system", description = "Metrics, cache statistics and this contract"),
    ),
)]
struct Contract;

fn routes() -> OpenApiRouter<Arc<ApiState>> {
    let api = OpenApiRouter::new()
        .routes(routes!(extensions::list_extensions))
        .routes(routes!(extensions::search_extensions))
        .routes(routes!(extensions::get_extension))
        .routes(routes!(extensions::list_versions))
        .routes(routes!(downloads::download))
        .routes(routes!(releases::get_version))
        .routes(routes!(releases::resolve))
        .routes(routes!(readmes::get_readme))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(system::metrics))
        .routes(routes!(system::cache_stats))
        .routes(routes!(system::openapi))
        .routes(routes!(webhooks::receive));
    OpenApiRouter::with_openapi(Contract::openapi()).nest(BASE, api)
}

/// Generates the OpenAPI contract from the routes.
#[must_use]
pub fn contract() -> OpenApi {
    let mut contract = routes().into_openapi();
    complete(&mut contract);
    contract
}

/// Returns the contract as served and committed: indented JSON with a final line break.
pub fn contract_json() -> serde_json::Result<String> {
    json_of(&contract())
}

fn json_of(contract: &OpenApi) -> serde_json::Result<String> {
    serde_json::to_string_pretty(contract).map(|json| json + "\n")
}

/// Returns the templates of all routes, as used in metric labels.
#[must_use]
pub fn templates() -> Vec<String> {
    contract().paths.paths.into_keys().collect()
}

/// Components of the API.
pub struct ApiParts {
    /// Catalog of extensions.
    pub catalog: Arc<Catalog>,
    /// Response caches.
    pub caches: ResponseCaches,
    /// Artifact cache.
    pub artifacts: Arc<Artifacts>,
    /// Receivers of webhooks.
    pub receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)>,
    /// Metrics.
    pub metrics: Metrics,
    /// Shutdown flag.
    pub draining: Draining,
    /// Certificate of the listener.
    pub certificate: CertificateState,
}

/// Builds the whole API. Fails only if the contract is not serializable, which a test excludes.
pub fn api(parts: ApiParts, rules: &HttpRules) -> serde_json::Result<Api> {
    let ApiParts { catalog, caches, artifacts, receivers, metrics, .. } = parts;
    // Series that exist from the start show a rate even for the first failure.
    catalog.backends().for_each(|backend| metrics.backends.prepare(backend.as_str()));
    for (backend, _) in &receivers {
        metrics.prepare_webhooks(backend.as_str(), &webhooks::outcomes());
    }
    let notices = WebhookLimit::of(receivers.iter().map(|(backend, _)| *backend));
    let mut served = contract();
    served.servers = caches.public_url().map(|url| vec![Server::new(url.to_string())]);
    let state = ApiState {
        catalog,
        caches,
        renderer: Renderer::default(),
        artifacts,
        receivers: receivers.into(),
        notices,
        metrics: metrics.clone(),
        started: tokio::time::Instant::now(),
        draining: parts.draining,
        certificate: parts.certificate,
        openapi: Bytes::from(json_of(&served)?),
    };
    let state = Arc::new(state);
    let (router, _) = routes().split_for_parts();
    let templates = Arc::new(Templates::new(templates()));
    let router = router.with_state(Arc::clone(&state));
    let routes = layered(router, rules.compression, Arc::clone(&templates));
    let long = Middleware::new(routes, templates, metrics, rules);
    Ok(Api::new(long, state))
}
