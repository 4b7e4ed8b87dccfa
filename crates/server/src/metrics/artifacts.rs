//! Metrics of downloads and of the artifact store.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use crate::metrics::counters;

const BACKENDS: [&str; 3] = ["gitea", "oci", "local"];
/// Values of the `origin` label: the origin of a download's bytes.
const ORIGINS: [&str; 4] = ["store", "backend", "shared", "bucket"];

/// Counters of downloads and of the artifact store.
#[derive(Clone, Debug)]
pub struct ArtifactCounters {
    downloads: IntCounterVec,
    bytes: IntCounterVec,
    mismatches: IntCounterVec,
    failures: IntCounter,
    stored_bytes: IntGauge,
    stored: IntGauge,
    changed: IntGauge,
}

impl ArtifactCounters {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let this = Self {
            downloads: counters(
                "extension_registry_downloads_total",
                "Downloads started, by origin of the bytes",
                &["origin"],
            )?,
            bytes: counters(
                "extension_registry_download_bytes_total",
                "Archive bytes sent to clients, by origin",
                &["origin"],
            )?,
            mismatches: counters(
                "extension_registry_digest_mismatches_total",
                "Archives whose bytes did not match their digest",
                &["backend"],
            )?,
            failures: IntCounter::new(
                "extension_registry_artifact_store_failures_total",
                "Failures to store an archive on disk or to read it again",
            )?,
            stored_bytes: IntGauge::new(
                "extension_registry_artifact_store_bytes",
                "Bytes of the archives on disk",
            )?,
            stored: IntGauge::new(
                "extension_registry_artifact_store_artifacts",
                "Archives on disk",
            )?,
            changed: IntGauge::new(
                "extension_registry_changed_versions",
                "Versions whose archive differs from its pinned digest",
            )?,
        };
        registry.register(Box::new(this.downloads.clone()))?;
        registry.register(Box::new(this.bytes.clone()))?;
        registry.register(Box::new(this.mismatches.clone()))?;
        registry.register(Box::new(this.failures.clone()))?;
        registry.register(Box::new(this.stored_bytes.clone()))?;
        registry.register(Box::new(this.stored.clone()))?;
        registry.register(Box::new(this.changed.clone()))?;
        // Created at 0: `rate()` misses the first event of a series that appears with it.
        for origin in ORIGINS {
            this.downloads.with_label_values(&[origin]);
            this.bytes.with_label_values(&[origin]);
        }
        for backend in BACKENDS {
            this.mismatches.with_label_values(&[backend]);
        }
        Ok(this)
    }

    /// Counts a download and returns the counter for the bytes sent.
    #[must_use]
    pub fn begun(&self, origin: &str) -> IntCounter {
        // Returned, so that the stream of a download does not look its label up for each piece.
        self.downloads.with_label_values(&[origin]).inc();
        self.bytes.with_label_values(&[origin])
    }

    /// Counts an archive from this backend that does not match its digest.
    pub fn mismatch(&self, backend: &str) {
        self.mismatches.with_label_values(&[backend]).inc();
    }

    /// Counts an archive that could not be stored or read back.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// Sets the number and size of the stored artifacts.
    pub fn stored(&self, artifacts: usize, bytes: u64) {
        // Gauges are signed. No store reaches the limit, and a wrong number is better than a panic.
        self.stored.set(i64::try_from(artifacts).unwrap_or(i64::MAX));
        self.stored_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sets the number of versions whose archive differs from the pinned one.
    pub fn changed(&self, versions: usize) {
        self.changed.set(i64::try_from(versions).unwrap_or(i64::MAX));
    }
}
