//! A service over a Gitea and a registry, each behind a way that fails on demand. Requests go to it
//! in process and no task runs behind it, so that whatever waits or is asked is a request's doing.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_backends::http::metrics::{UpstreamCall, UpstreamMetrics};
use registry_backends::http::settings::UpstreamSettings;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::credentials::Credentials;
use registry_backends::oci::settings::OciSettings;
use registry_catalog::state::Fingerprints;
use registry_catalog::state::persister::Persister;
use registry_catalog::{Catalog, Merge};
use registry_core::backend::Backend;
use registry_core::backend::contact::BreakerState;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::scope::Scope;
use registry_server::answers::rules::ResponseCacheRules;
use registry_server::answers::{Answers, CACHES};
use registry_server::api::routes::{Api, ApiParts, api, templates};
use registry_server::api::state::{CertificateState, Draining};
use registry_server::artifacts::Artifacts;
use registry_server::edge::middleware::HttpRules;
use registry_server::metrics::Metrics;
use registry_server::oci::settings::PullSettings;
use registry_server::pages::settings::PageSettings;
use registry_testing::canary::{secret_for, shown_in};
use registry_testing::chaos::{Chaos, Way};
use registry_testing::fake_gitea::FakeGitea;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;

use crate::support::served::rules;

pub(super) const TTL: Duration = Duration::from_mins(5);
/// One of Gitea's and one of the registry's.
pub(super) const KNOWN: [&str; 2] = ["provider/hello", "taskserv/redis"];

/// The upstreams, and the ways to them.
pub(super) struct Rig {
    pub(super) gitea: Chaos,
    pub(super) oci: Chaos,
    pub(super) calls: Arc<Calls>,
    state: tempfile::TempDir,
    _fake: FakeGitea,
    _registry: ScriptedRegistry,
}

/// Counts what is sent to any upstream.
#[derive(Default)]
pub(super) struct Calls(AtomicUsize);

impl UpstreamMetrics for Calls {
    fn record(&self, _: &UpstreamCall) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Calls {
    pub(super) fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Where the backends are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    Resolve,
    /// No name resolves.
    Unknown,
}

impl Rig {
    pub(super) async fn new(tls: bool) -> Self {
        let mut state = State::empty();
        state.create_released("hello_prov", "1.0.0", b"hello bytes");
        let fake = FakeGitea::start(state).await;
        let mut store = Store::default();
        store.push("provisioning/redis-taskserv", "1.0.0", b"redis bytes");
        store.push("provisioning/redis-taskserv", "1.1.0", b"newer redis bytes");
        let played = PlayedRegistry::new(Dialect::Distribution, store);
        let registry = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
        let place = |url: &str| url.split("://").nth(1).unwrap().trim_end_matches('/').to_owned();
        Self {
            gitea: Chaos::to(&place(fake.url().as_str()), tls).await,
            oci: Chaos::to(&place(&registry.url()), tls).await,
            calls: Arc::default(),
            state: tempfile::tempdir().unwrap(),
            _fake: fake,
            _registry: registry,
        }
    }

    /// Both ways do this from now on.
    pub(super) async fn set(&self, way: Way) {
        self.gitea.set(way).await;
        self.oci.set(way).await;
        self.arrived();
    }

    /// What arrived at either since the last look.
    pub(super) fn arrived(&self) -> usize {
        self.gitea.take_arrived() + self.oci.take_arrived()
    }

    fn backends(&self, names: Names) -> Vec<Arc<dyn Backend>> {
        let url = |chaos: &Chaos| match names {
            Names::Resolve => chaos.url(),
            Names::Unknown => "http://upstream.invalid".to_owned(),
        };
        let organization = ORGANIZATION.parse().unwrap();
        let gitea = GiteaSettings {
            token: Some(secret_for(&url(&self.gitea), "<read>").parse().unwrap()),
            upstream: trusting(self.gitea.ca_file()),
            ..GiteaSettings::new(url(&self.gitea).parse().unwrap(), organization)
        };
        let namespace = "provisioning".parse().unwrap();
        let oci = OciSettings {
            credentials: Credentials::Token(secret_for(&url(&self.oci), "registry").into()),
            upstream: trusting(self.oci.ca_file()),
            ..OciSettings::new(url(&self.oci).parse().unwrap(), namespace)
        };
        let calls: Arc<dyn UpstreamMetrics> = Arc::clone(&self.calls) as _;
        vec![
            Arc::new(GiteaBackend::new(gitea, Arc::clone(&calls)).unwrap()),
            Arc::new(OciBackend::new(oci, calls).unwrap()),
        ]
    }

    /// A service that knows nothing yet.
    pub(super) fn service(&self) -> Service {
        Service::over(self.backends(Names::Resolve))
    }

    /// A service that knows what the last one knew, some seconds later.
    pub(super) async fn restarted(&self, names: Names, seconds: i64) -> Service {
        let service = Service::over(self.backends(names));
        let later = noon() + jiff::SignedDuration::from_secs(seconds);
        let sources = persister(&service.catalog, self.state.path()).read(later).await.unwrap();
        assert_eq!(sources, [BackendId::GITEA, BackendId::OCI]);
        service
    }

    /// Writes down what a service knows, for the next one.
    pub(super) async fn keep(&self, service: &Service) {
        persister(&service.catalog, self.state.path()).save(noon()).await.unwrap();
        shown_in(self.state.path());
    }
}

fn noon() -> Timestamp {
    "2025-06-01T12:00:00Z".parse().unwrap()
}

fn persister(catalog: &Arc<Catalog>, dir: &Path) -> Arc<Persister> {
    let prints: Fingerprints =
        BackendKind::ALL.map(BackendId::from).map(|source| (source, source.to_string())).into();
    Persister::new(Arc::clone(catalog), PathBuf::from(dir), prints)
}

/// The service, without a socket and without a task of its own.
pub(super) struct Service {
    pub(super) catalog: Arc<Catalog>,
    router: Api,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Service {
    fn over(backends: Vec<Arc<dyn Backend>>) -> Self {
        let catalog = Catalog::new(backends, rules(Merge::Owner, TTL));
        let routes = templates();
        let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
        let metrics = Metrics::new(&CACHES, &routes).unwrap();
        let capacity = NonZeroUsize::new(1000).unwrap();
        let cache_rules = ResponseCacheRules {
            capacity,
            ttl: TTL,
            stale_if_error: Duration::from_hours(24),
            negative_ttl: Duration::from_secs(10),
            lists: true,
            metadata: true,
        };
        let parts = ApiParts {
            answers: Answers::new(Arc::clone(&catalog), cache_rules, None, &metrics),
            artifacts: Artifacts::passing(metrics.cache("artifact"), metrics.artifacts().clone()),
            receivers: Vec::new(),
            metrics,
            draining: Draining::default(),
            certificate: CertificateState::default(),
            shared: None,
            pages: PageSettings::default(),
            oci: PullSettings::default(),
        };
        let router = api(parts, &HttpRules::default()).unwrap();
        Self { catalog, router }
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        let request =
            Request::get(format!("/api/v1{path}")).header("host", "x").body(Body::empty()).unwrap();
        let response = self.router.answer(request).await;
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Got { status: head.status, headers: head.headers, body }
    }

    /// Every answer about what is known.
    pub(super) async fn known(&self) -> Vec<(String, Got)> {
        let mut answers = Vec::new();
        for path in known_paths().into_iter().chain(detail_paths()) {
            let got = self.get(&path).await;
            answers.push((path, got));
        }
        answers
    }

    pub(super) fn breaker(&self, source: BackendId) -> BreakerState {
        let statuses = self.catalog.health.statuses();
        let status = statuses.into_iter().find(|(of, _)| *of == source).unwrap().1;
        status.breaker.unwrap()
    }

    /// Asks until neither backend is asked any more, at this moment.
    pub(super) async fn until_open(&self) {
        let refused = |source| !self.breaker(source).lets_through();
        for _ in 0..40 {
            if refused(BackendId::GITEA) && refused(BackendId::OCI) {
                return;
            }
            self.catalog.syncer.sync(Scope::All).await.unwrap_err();
        }
        panic!("{:?} {:?}", self.breaker(BackendId::GITEA), self.breaker(BackendId::OCI));
    }
}

/// Every question about what is in the catalog.
pub(super) fn known_paths() -> Vec<String> {
    let mut paths = vec!["/extensions".to_owned(), "/extensions/search?q=e".to_owned()];
    for name in KNOWN {
        paths.extend(["", "/versions"].map(|rest| format!("/extensions/{name}{rest}")));
    }
    paths
}

/// Questions about a release, of which its backend tells more than the catalog keeps.
pub(super) fn detail_paths() -> Vec<String> {
    let rests = ["/resolve?constraint=*", "/1.0.0/metadata"];
    KNOWN.iter().flat_map(|name| rests.map(|rest| format!("/extensions/{name}{rest}"))).collect()
}

fn trusting(ca_file: Option<std::path::PathBuf>) -> UpstreamSettings {
    UpstreamSettings { ca_file, ..UpstreamSettings::default() }
}
