//! The whole API behind a real socket of this machine, and a client that hides nothing.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use jiff::Timestamp;
use registry_backends::local::backend::LocalBackend;
use registry_catalog::state::Fingerprints;
use registry_catalog::state::persister::Persister;
use registry_catalog::{Catalog, Merge, Rules};
use registry_core::backend::Backend;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::bucket::Bucket;
use registry_core::models::backend_id::BackendId;
use registry_core::models::public_url::PublicUrl;
use registry_server::answers::rules::ResponseCacheRules;
use registry_server::answers::{Answers, CACHES};
use registry_server::api::routes::{Api, ApiParts, api, route_labels};
use registry_server::api::state::{CertificateState, Draining};
use registry_server::artifacts::{Artifacts, SharedStore};
use registry_server::edge::admission::Admission;
use registry_server::edge::middleware::HttpRules;
use registry_server::edge::own_address::AddressRules;
use registry_server::edge::surface::Surface;
use registry_server::metrics::Metrics;
use registry_server::oci::settings::PullSettings;
use registry_server::pages::settings::PageSettings;
use registry_server::server::activity::ClientTimeouts;
use registry_server::server::clients::Clients;
use registry_server::server::threads::Threads;
use registry_server::server::tls::ServerTls;
use registry_server::server::{Limits, Listener, Routers, Stop, serve};
use registry_testing::canary;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower_http::cors::AllowOrigin;

/// What a browser accepts.
pub const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// The rules of a catalog, with what hardly differs from test to test.
pub fn rules(merge: Merge, ttl: Duration) -> Rules {
    let (full_sweep, negative_ttl) = (Duration::from_hours(1), Duration::from_secs(10));
    let (stale_while_revalidate, stale_if_error) = (ttl, Duration::from_hours(24));
    Rules {
        merge,
        allow_takeover: false,
        ttl,
        stale_while_revalidate,
        stale_if_error,
        full_sweep,
        negative_ttl,
        accept_changes: false,
        max_bytes: usize::MAX,
    }
}

/// What differs from test to test.
pub struct Setup {
    pub merge: Merge,
    pub ttl: Duration,
    pub capacity: usize,
    pub lists: bool,
    pub metadata: bool,
    pub http: HttpRules,
    pub limits: Limits,
    pub clients: Clients,
    pub receivers: Vec<(BackendId, Arc<dyn WebhookReceiver>)>,
    /// The directory of what was known, the backends' fingerprints and what the wall clock shows.
    pub state: Option<(PathBuf, Fingerprints, Timestamp)>,
    /// The directory of archives, and the most bytes in it.
    pub store: Option<(PathBuf, u64)>,
    /// The bucket behind that directory.
    pub bucket: Option<Arc<dyn Bucket>>,
    pub accept_changes: bool,
    /// What one backend's extensions may take up.
    pub max_bytes: usize,
    pub public_url: Option<PublicUrl>,
    /// Settings of the pages.
    pub pages: PageSettings,
    /// Settings of the OCI pull API.
    pub oci: PullSettings,
    /// The certificate, for HTTPS.
    pub tls: Option<Arc<ServerTls>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            merge: Merge::Owner,
            ttl: Duration::from_mins(5),
            capacity: 1000,
            lists: true,
            metadata: true,
            http: HttpRules {
                compression: true,
                cors: Some(AllowOrigin::any()),
                ..HttpRules::default()
            },
            limits: Limits {
                max_connections: 100,
                grace: Duration::from_secs(30),
                patience: ClientTimeouts::default(),
            },
            clients: Clients::new(usize::MAX, Arc::new(|_| None)),
            receivers: Vec::new(),
            state: None,
            store: None,
            bucket: None,
            accept_changes: false,
            max_bytes: usize::MAX,
            public_url: None,
            pages: PageSettings::default(),
            oci: PullSettings::default(),
            tls: None,
        }
    }
}

/// A running service.
pub struct Served {
    pub base: String,
    pub catalog: Arc<Catalog>,
    pub artifacts: Arc<Artifacts>,
    pub draining: Draining,
    pub metrics: Metrics,
    /// The same service without a socket.
    pub router: Api,
    pub stop: watch::Sender<Stop>,
    pub server: JoinHandle<()>,
    admission: Arc<Admission>,
    client: reqwest::Client,
    _sync: JoinSet<()>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Got {
    /// An answer in memory; none shows a secret.
    pub fn of(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        for (name, value) in &headers {
            canary::shown(&format!("the header {name} of an answer"), value.as_bytes());
        }
        canary::shown("an answer", &body);
        Self { status, headers, body }
    }

    /// Reads one off the wire.
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self::of(status, headers, response.bytes().await.unwrap().to_vec())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// A header's text; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// One field of every row of a list.
    pub fn column(&self, field: &str) -> Vec<String> {
        let rows = self.json();
        let rows = rows.as_array().unwrap_or_else(|| panic!("no list: {rows}")).iter();
        rows.map(|row| row[field].as_str().unwrap_or("null").to_owned()).collect()
    }
}

impl Served {
    pub async fn over(backends: Vec<Arc<dyn Backend>>) -> Self {
        Self::with(backends, Setup::default()).await
    }

    pub async fn local(dir: &Path) -> Self {
        Self::over(vec![Arc::new(LocalBackend::new(BackendId::LOCAL, dir))]).await
    }

    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    pub async fn with(backends: Vec<Arc<dyn Backend>>, setup: Setup) -> Self {
        canary::watch_log();
        let Setup { merge, ttl, capacity, lists, metadata, http, limits, .. } = setup;
        let Setup {
            clients,
            receivers,
            state,
            store,
            bucket,
            accept_changes,
            max_bytes,
            public_url,
            pages,
            oci,
            tls,
            ..
        } = setup;
        let rules_here = Rules { accept_changes, max_bytes, ..rules(merge, ttl) };
        let catalog = Catalog::new(backends, rules_here);
        if let Some((dir, fingerprints, now)) = state {
            let persister = Persister::new(Arc::clone(&catalog), dir, fingerprints);
            persister.read(now).await.unwrap();
        }
        let routes = route_labels();
        let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
        let metrics = Metrics::new(&CACHES, &routes).unwrap();
        let capacity = NonZeroUsize::new(capacity).unwrap();
        let Rules { stale_if_error, negative_ttl, .. } = rules(merge, ttl);
        let cache_rules =
            ResponseCacheRules { capacity, ttl, stale_if_error, negative_ttl, lists, metadata };
        let address = AddressRules {
            public_url: public_url.clone(),
            has_tls: tls.is_some(),
            base_path: http.address.base_path.clone(),
        };
        let answers = Answers::new(Arc::clone(&catalog), cache_rules, public_url, &metrics);
        let answers = answers.below(&address.base_path);
        let http = HttpRules { address, ..http };
        let draining = Draining::default();
        let (hits, counters) = (metrics.cache("artifact"), metrics.artifacts().clone());
        let shared = bucket.map(|bucket| {
            let (locks, metrics) = (None, metrics.bucket.clone());
            SharedStore { bucket, locks, metrics }
        });
        let artifacts = match store {
            Some((dir, max_bytes)) => match shared {
                Some(shared) => {
                    Artifacts::stored_before(shared, dir, max_bytes, (hits, counters)).await
                }
                None => Artifacts::stored_in(dir, max_bytes, hits, counters).await,
            },
            None => Artifacts::passing(hits, counters),
        };
        let parts = ApiParts {
            answers,
            artifacts: Arc::clone(&artifacts),
            receivers,
            metrics: metrics.clone(),
            draining: draining.clone(),
            certificate: CertificateState::default(),
            shared: None,
            pages,
            oci,
        };
        let admission = Arc::clone(&http.admission);
        let router = api(parts, &http).unwrap();
        let routers = Routers { served: router.clone(), overflow: router.on(Surface::Overflow) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{}", listener.local_addr().unwrap());
        let listener = match tls {
            Some(tls) => Listener::encrypted(listener, routers, tls, router.on(Surface::PlainHttp)),
            None => Listener::plain(listener, routers),
        };
        let (stop, stopped) = watch::channel(Stop::Not);
        Self {
            base,
            draining,
            metrics,
            stop,
            server: tokio::spawn(async move {
                serve(vec![listener], limits, clients, &Threads::here(), stopped).await;
            }),
            router,
            admission,
            client: registry_testing::http::client_builder().build().unwrap(),
            _sync: catalog.syncer.start(),
            catalog,
            artifacts,
        }
    }

    /// Asks the service without a socket, so that the clock may be virtual.
    pub async fn call(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        Self::through(self.router.clone(), path, headers).await
    }

    /// The same for a task that outlives a borrow of the service.
    pub async fn through(router: Api, path: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = Request::get(format!("/api/v1{path}")).header("host", "x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router.answer(request).await;
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Got::of(head.status, head.headers, body)
    }

    /// Loads a page as a browser does, without a socket.
    pub async fn visit(&self, target: &str) -> Got {
        self.visit_with(target, &[("host", "x"), ("accept", BROWSER)]).await
    }

    /// Sends a whole target, which need not be one of the API, with these headers alone.
    pub async fn visit_with(&self, target: &str, headers: &[(&str, &str)]) -> Got {
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let (head, body) = self.router.answer(request).await.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Got::of(head.status, head.headers, body)
    }

    /// Who is let in.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.base.split_once("://").unwrap().1.parse().unwrap()
    }

    pub async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        self.send(Method::GET, path, headers).await
    }

    /// Sends a request below `/api/v1`.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Got {
        self.send_body(method, path, headers, Vec::new()).await
    }

    /// Sends a request with a body below `/api/v1`.
    pub async fn send_body(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Got {
        let mut request = self.client.request(method, format!("{}/api/v1{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Got::read(request.body(body).send().await.unwrap()).await
    }
}
