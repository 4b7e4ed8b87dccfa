//! Metrics of the log that replicas share. Without `[shared]` there are none.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use registry_catalog::replication::ReplicationReport;

use crate::metrics::counters;

/// The metrics of the backends that replicas share, each by its name.
#[derive(Clone)]
pub struct ReplicationMetrics {
    writer: IntGaugeVec,
    log_age: GaugeVec,
    takeovers: IntCounterVec,
    fenced: IntCounterVec,
    gaps: IntCounterVec,
}

impl ReplicationMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            writer: IntGaugeVec::new(
                Opts::new(
                    "extension_registry_writer",
                    "1 if this replica reads a backend for all replicas",
                ),
                &["backend"],
            )?,
            log_age: GaugeVec::new(
                Opts::new(
                    "extension_registry_shared_log_age_seconds",
                    "Time since the last entry about a backend in the log, or since the start",
                ),
                &["backend"],
            )?,
            takeovers: counters(
                "extension_registry_lease_takeovers_total",
                "Times at which this replica began to read a backend for all replicas",
                &["backend"],
            )?,
            fenced: counters(
                "extension_registry_lease_fenced_total",
                "Writes that the shared engine refused because another replica is the writer",
                &["backend"],
            )?,
            gaps: counters(
                "extension_registry_shared_gaps_total",
                "Times at which entries of the log were missing and a snapshot was needed",
                &["backend"],
            )?,
        };
        registry.register(Box::new(metrics.writer.clone()))?;
        registry.register(Box::new(metrics.log_age.clone()))?;
        for counter in [&metrics.takeovers, &metrics.fenced, &metrics.gaps] {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(metrics)
    }

    /// Creates the series of a backend at 0.
    pub(super) fn prepare(&self, backend: &str) {
        self.writer.with_label_values(&[backend]);
        self.log_age.with_label_values(&[backend]);
        for counter in [&self.takeovers, &self.fenced, &self.gaps] {
            counter.with_label_values(&[backend]);
        }
    }

    /// Sets the series of a backend from a report.
    pub fn reported(&self, backend: &str, report: &ReplicationReport) {
        self.writer.with_label_values(&[backend]).set(report.role.is_writer().into());
        self.log_age.with_label_values(&[backend]).set(report.heard.as_secs_f64());
        let counts = report.counts;
        raise(&self.takeovers, backend, counts.takeovers);
        raise(&self.fenced, backend, counts.fenced);
        raise(&self.gaps, backend, counts.gaps);
    }
}

/// Raises a counter to a sum. Of two scrapes at once, one may count a little early.
fn raise(counter: &IntCounterVec, backend: &str, sum: u64) {
    let series = counter.with_label_values(&[backend]);
    series.inc_by(sum.saturating_sub(series.get()));
}
