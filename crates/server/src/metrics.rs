//! Metrics: names, labels and help texts. Prometheus text format 0.0.4.

pub mod artifacts;
pub mod backends;
pub mod bucket;
pub mod caches;
pub mod certificate;
pub mod counted_pins;
mod engines;
pub mod process;
pub mod replication;
pub mod shared;

use std::sync::OnceLock;

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::metrics::artifacts::ArtifactCounters;
use crate::metrics::backends::BackendMetrics;
use crate::metrics::bucket::BucketMetrics;
use crate::metrics::caches::{CacheCounters, CacheFamilies};
use crate::metrics::certificate::CertificateMetrics;
use crate::metrics::engines::EngineSeries;
use crate::metrics::process::ProcessMetrics;
use crate::metrics::shared::SharedMetrics;

/// Route label of requests that no route matched.
pub const UNMATCHED: &str = "unmatched";

const METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "POST"];
/// Values of the `reason` label: per-client rate and concurrency limits, missing token, overload.
const REFUSALS: [&str; 4] = ["rate_limit", "concurrent", "token", "overload"];
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// The metrics of one process.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    caches: CacheFamilies,
    extensions: IntCounter,
    webhooks: IntCounterVec,
    /// Metrics of the backends.
    pub backends: BackendMetrics,
    /// Metrics of the shared bucket.
    pub bucket: BucketMetrics,
    /// Metrics of the process itself.
    pub process: ProcessMetrics,
    /// Metrics of the certificate of the listener.
    pub certificate: CertificateMetrics,
    /// Metrics of the engine that replicas share.
    pub shared: SharedMetrics,
    refused: IntCounterVec,
    artifacts: ArtifactCounters,
}

/// The series of one route's `GET` responses, looked up once.
#[derive(Clone, Debug)]
pub struct RouteCounters {
    route: String,
    requests: IntCounterVec,
    good: IntCounter,
    // Created with the first response: series of other statuses do not exist from the start.
    not_modified: OnceLock<IntCounter>,
    durations: Histogram,
}

impl RouteCounters {
    /// Returns the template of the route.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Counts one response, as [`Metrics::request`] does.
    pub fn observe(&self, status: u16, seconds: f64) {
        match status {
            200 => self.good.inc(),
            304 => self.not_modified.get_or_init(|| self.counter(status)).inc(),
            _ => self.counter(status).inc(),
        }
        self.durations.observe(seconds);
    }

    fn counter(&self, status: u16) -> IntCounter {
        self.requests.with_label_values(&["GET", &self.route, digits(status).as_str()])
    }
}

impl Metrics {
    /// Creates the metrics, with every series for these caches and routes at 0.
    ///
    /// # Errors
    ///
    /// Prometheus rejects a name or a label. A test excludes that.
    pub fn new(caches: &[&str], routes: &[&str]) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let [redis, s3] = EngineSeries::of(["redis", "s3"], &registry)?;
        let metrics = Self {
            requests: counters(
                "http_requests_total",
                "Total HTTP requests",
                &["method", "route", "status"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "http_request_duration_seconds",
                    "Time from the request head to the response head",
                )
                .buckets(BUCKETS.to_vec()),
                &["method", "route"],
            )?,
            caches: CacheFamilies::new()?,
            extensions: IntCounter::new(
                "extensions_total",
                "Total extensions served in answers and downloads",
            )?,
            webhooks: counters(
                "extension_registry_webhook_deliveries_total",
                "Webhook deliveries by backend and outcome",
                &["backend", "outcome"],
            )?,
            refused: counters(
                "extension_registry_refused_requests_total",
                "Requests refused before routing, by reason",
                &["reason"],
            )?,
            backends: BackendMetrics::new(&registry)?,
            bucket: BucketMetrics::new(&registry, s3)?,
            process: ProcessMetrics::new(&registry)?,
            certificate: CertificateMetrics::new(&registry)?,
            shared: SharedMetrics::new(&registry, redis)?,
            artifacts: ArtifactCounters::register(&registry)?,
            registry,
        };
        let collectors: [Box<dyn Collector>; 5] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.durations.clone()),
            Box::new(metrics.extensions.clone()),
            Box::new(metrics.webhooks.clone()),
            Box::new(metrics.refused.clone()),
        ];
        for collector in collectors.into_iter().chain(metrics.caches.collectors()) {
            metrics.registry.register(collector)?;
        }
        // Created at 0: `rate()` misses the first event of a series that appears with it.
        for reason in REFUSALS {
            metrics.refused.with_label_values(&[reason]);
        }
        // The handle is not needed: making it creates the series.
        for cache in caches {
            drop(metrics.cache(cache));
        }
        // Other statuses get their series with the first response; all combinations are hundreds.
        for route in routes {
            metrics.requests.with_label_values(&["GET", route, "200"]);
            metrics.durations.with_label_values(&["GET", route]);
        }
        Ok(metrics)
    }

    /// Returns the counters of a cache that the specification names.
    #[must_use]
    pub fn cache(&self, name: &str) -> CacheCounters {
        self.caches.specified(name)
    }

    /// Returns the counters of a cache that the specification does not name.
    #[must_use]
    pub fn our_cache(&self, name: &str) -> CacheCounters {
        self.caches.ours(name)
    }

    /// Returns the counters of downloads and of the artifact store.
    #[must_use]
    pub const fn artifacts(&self) -> &ArtifactCounters {
        &self.artifacts
    }

    /// Counts one response. `route` is a template, never a path, so that callers cannot create
    /// series. `seconds` is the time until the response head.
    pub fn request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        // A caller can send any method, and each would create a series.
        let method = if METHODS.contains(&method) { method } else { "OTHER" };
        self.requests.with_label_values(&[method, route, digits(status).as_str()]).inc();
        self.durations.with_label_values(&[method, route]).observe(seconds);
    }

    /// Returns the counters of the `GET` responses of one route, for hot paths to keep.
    #[must_use]
    pub fn route(&self, route: &str) -> RouteCounters {
        RouteCounters {
            route: route.to_owned(),
            requests: self.requests.clone(),
            good: self.requests.with_label_values(&["GET", route, "200"]),
            not_modified: OnceLock::new(),
            durations: self.durations.with_label_values(&["GET", route]),
        }
    }

    /// Counts extensions in a response.
    pub fn extensions_served(&self, count: usize) {
        self.extensions.inc_by(count as u64);
    }

    /// Creates the series of a backend's webhooks.
    pub fn prepare_webhooks(&self, backend: &str, outcomes: &[&str]) {
        for outcome in outcomes {
            self.webhooks.with_label_values(&[backend, outcome]);
        }
    }

    /// Counts one webhook.
    pub fn webhook(&self, backend: &str, outcome: &str) {
        self.webhooks.with_label_values(&[backend, outcome]).inc();
    }

    /// Counts one rejected request. `reason` is one of a fixed set.
    pub fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Renders all metrics in the Prometheus text format.
    ///
    /// # Errors
    ///
    /// A family has no samples, which [`Metrics::new`] excludes.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Formats a status without an allocation.
struct Digits([u8; 3]);

impl Digits {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("000")
    }
}

fn digits(status: u16) -> Digits {
    Digits(
        [status / 100, status / 10 % 10, status % 10]
            .map(|digit| b'0' + u8::try_from(digit).unwrap_or_default()),
    )
}

fn counters(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_exists_from_the_start() {
        let metrics = Metrics::new(&["list", "metadata"], &["/x"]).unwrap();
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for line in [
            r#"http_requests_total{method="GET",route="/x",status="200"} 0"#,
            r#"http_request_duration_seconds_count{method="GET",route="/x"} 0"#,
            r#"cache_hits_total{cache="list"} 0"#,
            r#"cache_misses_total{cache="metadata"} 0"#,
            "extensions_total 0",
            "# HELP http_requests_total Total HTTP requests",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn callers_cannot_make_series_by_odd_methods() {
        let metrics = Metrics::new(&[], &[]).unwrap();
        metrics.request("BREW", UNMATCHED, 405, 0.1);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        assert!(text.contains(r#"{method="OTHER",route="unmatched",status="405"} 1"#), "{text}");
    }
}
