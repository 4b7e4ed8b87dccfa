//! Metrics of the Redis or Valkey that replicas share. Without `[shared]` there are none.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_fleet::failure::AwayReason;
use registry_fleet::metrics::{EngineCall, EngineMetrics, EngineOperation};
use registry_fleet::state::EnginePresence;

use crate::metrics::engines::EngineSeries;
use crate::metrics::replication::ReplicationMetrics;
use crate::metrics::{counters, gauges};

const OK: &str = "ok";

/// The metrics of Redis or Valkey.
#[derive(Clone)]
pub struct SharedMetrics {
    calls: EngineSeries,
    replicas: IntGaugeVec,
    misconfigured: IntGaugeVec,
    pin_conflicts: IntCounterVec,
    /// The log.
    pub replication: ReplicationMetrics,
}

impl SharedMetrics {
    pub(super) fn new(registry: &Registry, calls: EngineSeries) -> prometheus::Result<Self> {
        // Without labels, but still a family: it has no series without `[shared]`.
        let replicas = IntGaugeVec::new(
            Opts::new(
                "extension_registry_replicas",
                "Replicas that use the shared Redis or Valkey, this one included",
            ),
            &[],
        )?;
        registry.register(Box::new(replicas.clone()))?;
        let misconfigured = gauges(
            "extension_registry_misconfigured_replicas",
            "Replicas of this name that are configured unlike this one, by what differs",
            &["reason"],
        )?;
        registry.register(Box::new(misconfigured.clone()))?;
        let pin_conflicts = counters(
            "extension_registry_pin_conflicts_total",
            "Archives of a backend whose digest differs from the first one of all replicas",
            &["backend"],
        )?;
        registry.register(Box::new(pin_conflicts.clone()))?;
        let replication = ReplicationMetrics::new(registry)?;
        Ok(Self { calls, replicas, misconfigured, pin_conflicts, replication })
    }

    /// Creates every series at 0, also those of these backends.
    pub fn prepare(&self, backends: impl IntoIterator<Item = BackendId>) {
        // Created at 0: `increase()` misses the first event of a series that appears with it.
        for backend in backends {
            self.pin_conflicts.with_label_values(&[backend.as_str()]);
            // Each replica has directories of its own.
            if backend.kind() != BackendKind::Local {
                self.replication.prepare(backend.as_str());
            }
        }
        let operations = EngineOperation::ALL.map(EngineOperation::as_str);
        let mut outcomes = vec![OK];
        outcomes.extend(AwayReason::ALL.map(AwayReason::as_str));
        self.calls.prepare(&operations, &outcomes);
        self.connected(false);
        self.presence(EnginePresence::default());
    }

    /// Sets the numbers of replicas.
    pub fn presence(&self, presence: EnginePresence) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.replicas.with_label_values::<&str>(&[]).set(number(presence.replicas));
        let EnginePresence { differing, foreign, .. } = presence;
        for (reason, count) in [("configuration", differing), ("secret", foreign)] {
            self.misconfigured.with_label_values(&[reason]).set(number(count));
        }
    }

    /// Counts an archive of a backend that is not the first one of all replicas.
    pub(super) fn pin_conflict(&self, backend: &str) {
        self.pin_conflicts.with_label_values(&[backend]).inc();
    }
}

impl EngineMetrics for SharedMetrics {
    fn record(&self, call: &EngineCall) {
        let outcome = call.failure.map_or(OK, AwayReason::as_str);
        self.calls.call(call.operation.as_str(), outcome, call.duration.as_secs_f64());
    }

    fn connected(&self, is_connected: bool) {
        self.calls.up(is_connected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_directory_has_no_writer_that_an_alert_could_miss() {
        let metrics = Metrics::new(&[], &[]).unwrap();
        metrics.shared.prepare([BackendId::GITEA, BackendId::LOCAL]);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        let writers = text.lines().filter(|line| line.starts_with("extension_registry_writer{"));
        let writers: Vec<&str> = writers.collect();
        assert_eq!(writers, [r#"extension_registry_writer{backend="gitea"} 0"#]);
        assert!(text.contains(r#"extension_registry_pin_conflicts_total{backend="local"} 0"#));
    }
}
