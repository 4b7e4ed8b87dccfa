//! Metrics of the backends: requests, circuit breakers, and their part of the catalog.

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use crate::metrics::{BUCKETS, counters, gauges};

/// The metrics of all backends. The series of a backend exist once it is prepared.
#[derive(Clone)]
pub struct BackendMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    retries: IntCounterVec,
    breaker: IntGaugeVec,
    extensions: IntGaugeVec,
    bytes: IntGaugeVec,
    refused: IntGaugeVec,
    age: GaugeVec,
    healthy: IntGaugeVec,
    stale: IntCounterVec,
}

/// Label values for requests to one backend.
#[derive(Clone, Copy, Debug)]
pub struct CallWords<'a> {
    /// Outcomes of requests.
    pub outcomes: &'a [&'a str],
    /// Kinds of requests.
    pub operations: &'a [&'a str],
    /// States of the circuit breaker, the initial one first.
    pub states: &'a [&'a str],
}

impl BackendMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            requests: counters(
                "extension_registry_upstream_requests_total",
                "Calls to a backend by outcome",
                &["backend", "outcome"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "extension_registry_upstream_request_duration_seconds",
                    "Duration of a call to a backend; for downloads until the response head",
                )
                .buckets(BUCKETS.to_vec()),
                &["backend", "operation"],
            )?,
            retries: counters(
                "extension_registry_upstream_retries_total",
                "Retries of calls to a backend",
                &["backend"],
            )?,
            breaker: gauges(
                "extension_registry_upstream_breaker_state",
                "1 for the current state of a backend's circuit breaker",
                &["backend", "state"],
            )?,
            extensions: gauges(
                "extension_registry_catalogue_extensions",
                "Extensions of a backend in the catalog",
                &["backend"],
            )?,
            bytes: gauges(
                "extension_registry_catalogue_bytes",
                "Approximate memory of a backend's extensions",
                &["backend"],
            )?,
            refused: gauges(
                "extension_registry_catalogue_refused_extensions",
                "Extensions of a backend refused because of catalog.max_bytes",
                &["backend"],
            )?,
            age: GaugeVec::new(
                Opts::new(
                    "extension_registry_catalogue_age_seconds",
                    "Time since a backend was last read, or since the start",
                ),
                &["backend"],
            )?,
            healthy: gauges(
                "extension_registry_backend_healthy",
                "1 if the last call to a backend succeeded",
                &["backend"],
            )?,
            stale: counters(
                "extension_registry_stale_answers_total",
                "Responses in which a backend's part was stale or missing",
                &["backend"],
            )?,
        };
        metrics.register(registry)?;
        Ok(metrics)
    }

    fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        for counter in [&self.requests, &self.retries, &self.stale] {
            registry.register(Box::new(counter.clone()))?;
        }
        for gauge in [&self.breaker, &self.extensions, &self.bytes, &self.refused, &self.healthy] {
            registry.register(Box::new(gauge.clone()))?;
        }
        registry.register(Box::new(self.durations.clone()))?;
        registry.register(Box::new(self.age.clone()))
    }

    /// Creates the series of requests to a backend, with its circuit breaker in the initial state.
    pub fn prepare_calls(&self, backend: &str, words: &CallWords<'_>) {
        for outcome in words.outcomes {
            self.requests.with_label_values(&[backend, outcome]);
        }
        for operation in words.operations {
            self.durations.with_label_values(&[backend, operation]);
        }
        // Created at 0: `rate()` misses the first event of a series that appears with it.
        self.retries.with_label_values(&[backend]);
        self.breaker(backend, words.states.first().copied().unwrap_or_default(), words.states);
    }

    /// Creates the series of a backend's part of the catalog.
    pub fn prepare(&self, backend: &str) {
        self.known(backend, 0, 0.0, false);
        self.held(backend, 0, 0);
        self.stale.with_label_values(&[backend]);
    }

    /// Counts one request. `operation` and `outcome` are of a fixed set.
    pub fn call(&self, backend: &str, operation: &str, outcome: &str, seconds: f64) {
        self.requests.with_label_values(&[backend, outcome]).inc();
        self.durations.with_label_values(&[backend, operation]).observe(seconds);
    }

    /// Counts a retry.
    pub fn retry(&self, backend: &str) {
        self.retries.with_label_values(&[backend]).inc();
    }

    /// Sets the state of the circuit breaker, one of `states`.
    pub fn breaker(&self, backend: &str, state: &str, states: &[&str]) {
        // One series per state, so that a query needs no table of numbers.
        for one in states {
            self.breaker.with_label_values(&[backend, one]).set(i64::from(*one == state));
        }
    }

    /// Sets the number of a backend's extensions, the age of their data in seconds, and its health.
    pub fn known(&self, backend: &str, extensions: usize, age: f64, healthy: bool) {
        let extensions = i64::try_from(extensions).unwrap_or(i64::MAX);
        self.extensions.with_label_values(&[backend]).set(extensions);
        self.age.with_label_values(&[backend]).set(age);
        self.healthy.with_label_values(&[backend]).set(healthy.into());
    }

    /// Sets the memory that a backend's extensions take, in bytes, and the number without room.
    pub fn held(&self, backend: &str, bytes: usize, refused: usize) {
        let (bytes, refused) = (i64::try_from(bytes), i64::try_from(refused));
        self.bytes.with_label_values(&[backend]).set(bytes.unwrap_or(i64::MAX));
        self.refused.with_label_values(&[backend]).set(refused.unwrap_or(i64::MAX));
    }

    /// Counts a response in which this backend's part is stale or missing.
    pub fn stale_answer(&self, backend: &str) {
        self.stale.with_label_values(&[backend]).inc();
    }
}
