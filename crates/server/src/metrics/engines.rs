//! Metrics of the calls to the engines that replicas share: Redis or Valkey, and an S3 store.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::metrics::{BUCKETS, counters};

/// The series of one engine. They exist once they are prepared.
#[derive(Clone, Debug)]
pub(super) struct EngineSeries {
    engine: &'static str,
    up: IntGaugeVec,
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl EngineSeries {
    /// Registers the families, and returns the series of these engines.
    pub(super) fn of<const N: usize>(
        engines: [&'static str; N],
        registry: &Registry,
    ) -> prometheus::Result<[Self; N]> {
        let up = IntGaugeVec::new(
            Opts::new("extension_registry_shared_up", "1 if a shared engine can be used"),
            &["engine"],
        )?;
        let requests = counters(
            "extension_registry_shared_requests_total",
            "Calls to a shared engine by outcome",
            &["engine", "operation", "outcome"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "extension_registry_shared_request_duration_seconds",
                "Duration of a call to a shared engine; for downloads until the response head",
            )
            .buckets(BUCKETS.to_vec()),
            &["engine", "operation"],
        )?;
        registry.register(Box::new(up.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(engines.map(|engine| {
            let (up, requests, durations) = (up.clone(), requests.clone(), durations.clone());
            Self { engine, up, requests, durations }
        }))
    }

    /// Creates the series of calls at 0.
    pub(super) fn prepare(&self, operations: &[&str], outcomes: &[&str]) {
        // Created at 0: `rate()` misses the first event of a series that appears with it.
        for operation in operations {
            for outcome in outcomes {
                self.requests.with_label_values(&[self.engine, operation, outcome]);
            }
            self.durations.with_label_values(&[self.engine, operation]);
        }
    }

    /// Sets whether the engine can be used.
    pub(super) fn up(&self, works: bool) {
        self.up.with_label_values(&[self.engine]).set(works.into());
    }

    /// Counts one call. `operation` and `outcome` are of a fixed set.
    pub(super) fn call(&self, operation: &str, outcome: &str, seconds: f64) {
        self.requests.with_label_values(&[self.engine, operation, outcome]).inc();
        self.durations.with_label_values(&[self.engine, operation]).observe(seconds);
    }
}
