//! What is counted of the backends: calls to them, their breakers, what is known of them.

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use crate::metrics::{BUCKETS, counters};

/// The metrics of all backends; every series of a backend exists once it is prepared.
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

/// The words for calls to one backend.
#[derive(Clone, Copy, Debug)]
pub struct CallWords<'a> {
    /// How calls end.
    pub outcomes: &'a [&'a str],
    /// What is asked.
    pub operations: &'a [&'a str],
    /// States of its breaker, the first of all first.
    pub states: &'a [&'a str],
}

impl BackendMetrics {
    /// # Errors
    /// A name or label that Prometheus refuses, which a test excludes.
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            IntGaugeVec::new(Opts::new(name, help), labels)
        };
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

    /// Makes the series of calls to a backend exist, its breaker closed.
    pub fn prepare_calls(&self, backend: &str, words: &CallWords<'_>) {
        for outcome in words.outcomes {
            self.requests.with_label_values(&[backend, outcome]);
        }
        for operation in words.operations {
            self.durations.with_label_values(&[backend, operation]);
        }
        self.retries.with_label_values(&[backend]);
        self.breaker(backend, words.states.first().copied().unwrap_or_default(), words.states);
    }

    /// Makes the series of what is known of a backend exist.
    pub fn prepare(&self, backend: &str) {
        self.known(backend, 0, 0.0, false);
        self.held(backend, 0, 0);
        self.stale.with_label_values(&[backend]);
    }

    /// Counts one call. `operation` and `outcome` are one of a few words.
    pub fn call(&self, backend: &str, operation: &str, outcome: &str, seconds: f64) {
        self.requests.with_label_values(&[backend, outcome]).inc();
        self.durations.with_label_values(&[backend, operation]).observe(seconds);
    }

    /// Counts a call that is made again.
    pub fn retry(&self, backend: &str) {
        self.retries.with_label_values(&[backend]).inc();
    }

    /// The breaker is in this one of these states.
    pub fn breaker(&self, backend: &str, state: &str, states: &[&str]) {
        for one in states {
            self.breaker.with_label_values(&[backend, one]).set(i64::from(*one == state));
        }
    }

    /// What is known of a backend, how long ago it was read, and whether it answers.
    pub fn known(&self, backend: &str, extensions: usize, age: f64, healthy: bool) {
        let extensions = i64::try_from(extensions).unwrap_or(i64::MAX);
        self.extensions.with_label_values(&[backend]).set(extensions);
        self.age.with_label_values(&[backend]).set(age);
        self.healthy.with_label_values(&[backend]).set(healthy.into());
    }

    /// What the extensions of a backend take of memory, and how many there is no room for.
    pub fn held(&self, backend: &str, bytes: usize, refused: usize) {
        let gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.bytes.with_label_values(&[backend]).set(gauge(bytes));
        self.refused.with_label_values(&[backend]).set(gauge(refused));
    }

    /// Counts an answer that a backend's part of is stale or missing.
    pub fn stale_answer(&self, backend: &str) {
        self.stale.with_label_values(&[backend]).inc();
    }
}
