//! Metrics of the bucket that the instances of the service share.

use prometheus::{IntCounter, IntCounterVec, Registry};

use crate::metrics::counters;
use crate::metrics::engines::EngineSeries;

/// Values of the `outcome` label of uploads.
const UPLOADS: [&str; 4] = ["ok", "there", "failed", "given_up"];

/// Metrics of the bucket. Its series exist once they are prepared.
#[derive(Clone, Debug)]
pub struct BucketMetrics {
    calls: EngineSeries,
    uploads: IntCounterVec,
    mismatches: IntCounter,
}

impl BucketMetrics {
    pub(super) fn new(registry: &Registry, calls: EngineSeries) -> prometheus::Result<Self> {
        let this = Self {
            calls,
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
        registry.register(Box::new(this.uploads.clone()))?;
        registry.register(Box::new(this.mismatches.clone()))?;
        Ok(this)
    }

    /// Creates the series of a configured bucket.
    pub fn prepare(&self, operations: &[&str], outcomes: &[&str]) {
        self.calls.prepare(operations, outcomes);
        for outcome in UPLOADS {
            self.uploads.with_label_values(&[outcome]);
        }
        self.up(true);
    }

    /// Sets whether the bucket works.
    pub fn up(&self, works: bool) {
        self.calls.up(works);
    }

    /// Counts one call. `operation` and `outcome` are of a fixed set.
    pub fn call(&self, operation: &str, outcome: &str, seconds: f64) {
        self.calls.call(operation, outcome, seconds);
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
