//! The service over a catalog, without a socket.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use registry_catalog::{Catalog, Merge, Rules};
use registry_server::answers::rules::ResponseCacheRules;
use registry_server::answers::{Answers, CACHES};
use registry_server::api::routes::{Api, ApiParts, api, route_labels};
use registry_server::api::state::{CertificateState, Draining};
use registry_server::artifacts::Artifacts;
use registry_server::edge::middleware::HttpRules;
use registry_server::metrics::Metrics;
use registry_server::oci::settings::PullSettings;
use registry_server::pages::settings::PageSettings;

const TTL: Duration = Duration::from_mins(5);

/// Rules of the catalog.
pub fn rules() -> Rules {
    let (full_sweep, negative_ttl) = (Duration::from_hours(1), Duration::from_secs(10));
    Rules {
        merge: Merge::Owner,
        allow_takeover: false,
        ttl: TTL,
        stale_while_revalidate: TTL,
        stale_if_error: Duration::from_hours(24),
        full_sweep,
        negative_ttl,
        accept_changes: false,
        max_bytes: usize::MAX,
    }
}

/// The whole service but its socket. With `lists` it caches lists.
pub fn service(catalog: &Arc<Catalog>, lists: bool) -> Api {
    let routes = route_labels();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let metrics = Metrics::new(&CACHES, &routes).unwrap();
    let capacity = NonZeroUsize::new(1000).unwrap();
    let rules = ResponseCacheRules {
        capacity,
        ttl: TTL,
        stale_if_error: TTL,
        negative_ttl: TTL,
        lists,
        metadata: true,
    };
    let parts = ApiParts {
        answers: Answers::new(Arc::clone(catalog), rules, None, &metrics),
        artifacts: Artifacts::passing(metrics.cache("artifact"), metrics.artifacts().clone()),
        receivers: Vec::new(),
        metrics,
        draining: Draining::default(),
        certificate: CertificateState::default(),
        shared: None,
        pages: PageSettings::default(),
        oci: PullSettings::default(),
    };
    api(parts, &HttpRules { compression: true, ..HttpRules::default() }).unwrap()
}
