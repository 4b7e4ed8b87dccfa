//! All routes, and the OpenAPI contract generated from them.

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::models::backend_id::BackendId;
use registry_fleet::state::EngineState;
use utoipa::OpenApi as _;
use utoipa::openapi::{OpenApi, Server};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answers::Answers;
use crate::answers::downloads::Downloads;
use crate::answers::renderer::Renderer;
use crate::api::face::JsonApi;
use crate::api::handlers::{
    downloads, explanations, extensions, files, health, readmes, releases, system, webhooks,
};
use crate::api::openapi::complete;
use crate::api::path_hints::nothing_at;
use crate::api::state::{ApiState, CertificateState, Draining};
use crate::api::targets::Targets;
use crate::api::webhook_limit::WebhookLimit;
use crate::archives::Archives;
use crate::archives::places::ArchivePlaces;
use crate::artifacts::Artifacts;
use crate::edge::headers::Heads;
use crate::edge::middleware::{HttpRules, Middleware};
use crate::edge::rendered::Rendered;
use crate::edge::templates::Templates;
use crate::metrics::Metrics;
use crate::oci::handlers::pull;
use crate::oci::lists::Repositories;
use crate::oci::pull::OciPull;
use crate::oci::settings::PullSettings;
use crate::oci::target::OciRoute;
use crate::pages::bare_path;
use crate::pages::face::ApiAndPages;
use crate::pages::known_pages::KnownPages;
use crate::pages::page_request::PageRequest;
use crate::pages::page_state::Pages;
use crate::pages::routes as pages;
use crate::pages::settings::PageSettings;
use crate::urls::{BASE, OCI};

const BODY_MAX: usize = 1024 * 1024;

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
        .routes(routes!(files::get_files))
        .routes(routes!(releases::get_version))
        .routes(routes!(releases::resolve))
        .routes(routes!(readmes::get_readme))
        .routes(routes!(explanations::explain))
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
    /// Cached answers, and the catalog that they are made from.
    pub answers: Answers,
    /// Artifact store.
    pub artifacts: Arc<Artifacts>,
    /// Receivers of webhooks.
    pub receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)>,
    /// Metrics.
    pub metrics: Metrics,
    /// Shutdown flag.
    pub draining: Draining,
    /// Certificate of the listener.
    pub certificate: CertificateState,
    /// Engine that replicas share; `None` without one.
    pub shared: Option<EngineState>,
    /// Settings of the pages.
    pub pages: PageSettings,
    /// Settings of the OCI pull API.
    pub oci: PullSettings,
}

/// API and pages within the middleware.
pub type Api = Middleware<ApiAndPages>;

/// Returns the labels of all routes in metrics, those of pages included.
#[must_use]
pub fn route_labels() -> Vec<String> {
    let mut labels = templates();
    for (_, label) in pages::templates() {
        // The routes of a page for each type share one label.
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels.extend(OciRoute::ALL.map(|route| route.label().to_owned()));
    labels
}

/// Builds the API and the pages. Fails only if the contract is not serializable, which a test excludes.
pub fn api(parts: ApiParts, rules: &HttpRules) -> serde_json::Result<Api> {
    let (metrics, pages, oci) = (parts.metrics.clone(), parts.pages.clone(), parts.oci.clone());
    // Built once: a contract is a tree of a megabyte.
    let (router, mut served) = routes().split_for_parts();
    complete(&mut served);
    served.servers = parts.answers.public_url().map(|url| vec![Server::new(url.to_string())]);
    let places = ArchivePlaces::default();
    let state = state(parts, places.clone(), Rendered::bytes(json_of(&served)?.into()));
    let state = Arc::new(state);
    let router = router.with_state(Arc::clone(&state));
    let pages = pages.enabled.then(|| {
        let known = KnownPages::new(Templates::labeled(pages::templates()), metrics.clone());
        Pages { api: Arc::clone(&state), settings: Arc::new(pages), known: Arc::new(known) }
    });
    let (router, page_templates) = match &pages {
        Some(pages) => (router.merge(pages::router(pages.clone())), pages::templates()),
        None => (router, Vec::new()),
    };
    let templates: Vec<String> = served.paths.paths.into_keys().collect();
    let of_api = templates.iter().map(|template| (template.clone(), template.clone()));
    let oci = state.repositories.clone().map(|repositories| {
        let cache = state.answers.manifests(&metrics);
        Arc::new(OciPull::new(Arc::clone(&state), oci, repositories, cache, places))
    });
    let router = match &oci {
        Some(oci) => router.merge(oci_router(Arc::clone(oci))),
        None => router,
    };
    let mut labeled = Templates::labeled(of_api.chain(page_templates.clone()));
    if oci.is_some() {
        labeled = labeled.with(|path| OciRoute::of(path).map(OciRoute::label));
    }
    let fallbacks =
        Fallbacks { api: Templates::new(templates), pages: Templates::labeled(page_templates) };
    let router = fallbacks.of(router);
    let face = ApiAndPages { api: JsonApi(state), pages, oci };
    Ok(Middleware::new(router, face, Arc::new(labeled), metrics, rules))
}

/// Builds the state that the faces share.
fn state(parts: ApiParts, places: ArchivePlaces, openapi: Rendered) -> ApiState {
    let ApiParts {
        answers, artifacts, receivers, metrics, draining, certificate, shared, oci, ..
    } = parts;
    let catalog = Arc::clone(answers.catalog());
    // Series that exist from the start show a rate even for the first failure.
    catalog.backends.iter().for_each(|backend| metrics.backends.prepare(backend.as_str()));
    for (backend, _) in &receivers {
        metrics.prepare_webhooks(backend.as_str(), &webhooks::outcomes());
    }
    let notices = WebhookLimit::of(receivers.iter().map(|(backend, _)| *backend));
    let downloads = Downloads::new(catalog, Arc::clone(&artifacts), metrics.clone());
    let downloads = Arc::new(downloads);
    let archives = Archives::new(Arc::clone(&downloads), metrics.our_cache("indexes"), places);
    ApiState {
        answers,
        targets: Targets::new(&metrics),
        heads: Heads::default(),
        archives,
        repositories: oci.enabled.then(|| Arc::new(Repositories::new(oci.namespace))),
        renderer: Renderer::default(),
        downloads,
        artifacts,
        receivers: receivers.into(),
        notices,
        metrics,
        started: tokio::time::Instant::now(),
        draining,
        certificate,
        shared,
        openapi,
    }
}

/// Routes of the OCI pull API, whose paths the handler parses: the name of a repository has any number
/// of slashes.
fn oci_router(oci: Arc<OciPull>) -> Router {
    let paths = [OCI.to_owned(), format!("{OCI}/"), format!("{OCI}/{{*path}}")];
    let router = paths.iter().fold(Router::new(), |router, path| router.route(path, get(pull)));
    router.with_state(oci)
}

/// Responses to paths without a route.
struct Fallbacks {
    api: Templates,
    pages: Templates,
}

impl Fallbacks {
    /// Adds the limit on bodies and the fallbacks to a router.
    fn of(self, router: Router) -> Router {
        let fallbacks = Arc::new(self);
        router
            .fallback(move |method: Method, uri: Uri, request: PageRequest| {
                ready(fallbacks.respond(&method, &uri, &request))
            })
            .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
            .layer(DefaultBodyLimit::max(BODY_MAX))
    }

    /// Leads to the page whose address has no slash at its end, or suggests a path.
    fn respond(&self, method: &Method, uri: &Uri, request: &PageRequest) -> Response {
        let is_read = [Method::GET, Method::HEAD].contains(method);
        let redirect = is_read.then(|| bare_path::redirect(uri, &request.own, &self.pages));
        let response = redirect.flatten();
        response.unwrap_or_else(|| nothing_at(uri.path(), &self.api).into_response())
    }
}
