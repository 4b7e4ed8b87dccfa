//! Requests for pages that were answered before, so that the next one needs no router.

use std::sync::Arc;

use axum::http::Method;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;

use crate::edge::accept::{names_html, values};
use crate::edge::own_address::is_forwarded;
use crate::edge::templates::Templates;
use crate::metrics::{Metrics, RouteCounters};

/// Maximum total size of what is known, in bytes.
pub const BYTES_MAX: usize = 4 << 20;
const BOUNDS: LruBounds = LruBounds::new(5_000, BYTES_MAX);
/// Longer requests are rare, and routed each time.
const REQUEST_MAX: usize = 512;
/// Counters of a route, and whatever decides that a page is unchanged.
const OTHER_BYTES: usize = 1024;

/// Returns true as long as a page shows the same, although that is no part of the view.
pub type IsSame = Arc<dyn Fn() -> bool + Send + Sync>;

/// A page that answers a request while view and backends are as they were.
pub struct KnownPage {
    /// Key of the page in the response cache.
    pub key: String,
    /// Revision of the view.
    pub revision: u64,
    /// States of the backends.
    pub states: String,
    /// Backends of the page.
    pub scope: Scope,
    /// Extension of the page; `None` for lists.
    pub id: Option<ExtensionId>,
    /// Media type.
    pub media_type: &'static str,
    /// True if the form of the page depends on `Accept`.
    pub is_negotiated: bool,
    /// Decides about what is no part of the view.
    pub is_same: Option<IsSame>,
}

/// Known pages by their requests.
pub struct KnownPages {
    held: Mutex<BoundedLru<String, Arc<Known>>>,
    labels: Templates,
    metrics: Metrics,
}

/// A known page, and the counters for the route.
pub struct Known {
    /// The page.
    pub page: KnownPage,
    /// The counters.
    pub counters: Arc<RouteCounters>,
}

/// Returns what a page depends on of a request: target, host and form. `None` if there is more, such as
/// headers of a proxy.
#[must_use]
pub fn identity(head: &Parts) -> Option<String> {
    let headers = &head.headers;
    let is_plain = head.method == Method::GET
        && head.uri.authority().is_none()
        && !headers.contains_key(ORIGIN)
        && !is_forwarded(headers);
    let (host, target) = (headers.get(HOST)?.to_str().ok()?, head.uri.path_and_query()?.as_str());
    let is_short = host.len() + target.len() <= REQUEST_MAX;
    let form = if values(headers).any(names_html) { 'h' } else { '-' };
    (is_plain && is_short).then(|| format!("{form}{host} {target}"))
}

impl KnownPages {
    /// Creates an empty collection. Responses are counted by the labels of their paths.
    #[must_use]
    pub fn new(labels: Templates, metrics: Metrics) -> Self {
        Self { held: Mutex::new(BoundedLru::new(BOUNDS)), labels, metrics }
    }

    /// Remembers the page of a request with this identity for a path.
    pub fn learn(&self, identity: String, path: &str, page: KnownPage) {
        let weight = 2 * identity.len() + page.key.len() + page.states.len() + OTHER_BYTES;
        let counters = Arc::new(self.metrics.route(self.labels.of(path)));
        self.held.lock().put(identity, weight as u64, Arc::new(Known { page, counters }));
    }

    /// Returns the page of a request with this identity.
    #[must_use]
    pub fn get(&self, identity: &str) -> Option<Arc<Known>> {
        self.held.lock().get(identity).map(|known| Arc::clone(known))
    }
}
