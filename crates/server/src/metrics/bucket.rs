//! Metrics of the bucket that the instances of the service share.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use crate::metrics::{BUCKETS, counters};

/// Value of the `engine` label for the bucket.
const ENGINE: &str = "s3";
/// Values of the `outcome` label of uploads.
const UPLOADS: [&str; 4] = ["ok", "there", "failed", "given_up"];

/// Metrics of the bucket. Its series exist once they are prepared.
#[derive(Clone, Debug)]
pub struct BucketMetrics {
    up: IntGaugeVec,
    requests: IntCounterVec,
    durations: HistogramVec,
    uploads: IntCounterVec,
    mismatches: IntCounter,
}

impl BucketMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let this = Self {
            up: IntGaugeVec::new(
                Opts::new(
                    "extension_registry_shared_up",
                    "1 if the last calls to a shared engine succeeded",
                ),
                &["engine"],
            )?,
            requests: counters(
                "extension_registry_shared_requests_total",
                "Calls to a shared engine by outcome",
                &["engine", "operation", "outcome"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "extension_registry_shared_request_duration_seconds",
                    "Duration of a call to a shared engine; for downloads until the response head",
                )
                .buckets(BUCKETS.to_vec()),
                &["engine", "operation"],
            )?,
            uploads: counters(
                "extension_registry_uploads_total",
                "Uploads of archives into the bucket by outcome",
                &["outcome"],
            )?,
            mismatches: IntCounter::new(
                "extension_registry_bucket_mismatches_total",
                "Objects of the bucket whose bytes did not match their digest",
            )?,
        };
        registry.register(Box::new(this.up.clone()))?;
        registry.register(Box::new(this.requests.clone()))?;
        registry.register(Box::new(this.durations.clone()))?;
        registry.register(Box::new(this.uploads.clone()))?;
        registry.register(Box::new(this.mismatches.clone()))?;
        Ok(this)
    }

    /// Creates the series of a configured bucket.
    pub fn prepare(&self, operations: &[&str], outcomes: &[&str]) {
        // Created at 0: `rate()` misses the first event of a series that appears with it.
        for operation in operations {
            for outcome in outcomes {
                self.requests.with_label_values(&[ENGINE, operation, outcome]);
            }
            self.durations.with_label_values(&[ENGINE, operation]);
        }
        for outcome in UPLOADS {
            self.uploads.with_label_values(&[outcome]);
        }
        self.up(true);
    }

    /// Sets whether the bucket works.
    pub fn up(&self, works: bool) {
        self.up.with_label_values(&[ENGINE]).set(works.into());
    }

    /// Counts one call. `operation` and `outcome` are of a fixed set.
    pub fn call(&self, operation: &str, outcome: &str, seconds: f64) {
        self.requests.with_label_values(&[ENGINE, operation, outcome]).inc();
        self.durations.with_label_values(&[ENGINE, operation]).observe(seconds);
    }

    /// Counts the end of an upload, by an outcome of a fixed set.
    pub fn upload(&self, outcome: &str) {
        self.uploads.with_label_values(&[outcome]).inc();
    }

    /// Counts an object with other bytes than its digest.
    pub fn mismatch(&self) {
        self.mismatches.inc();
    }
}
