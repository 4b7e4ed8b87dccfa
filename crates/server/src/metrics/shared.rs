//! Metrics of the Redis or Valkey that replicas share. Without `[shared]` there are none.

use prometheus::{IntGaugeVec, Opts, Registry};
use registry_fleet::failure::AwayReason;
use registry_fleet::metrics::{EngineCall, EngineMetrics, EngineOperation};

use crate::metrics::engines::EngineSeries;

const OK: &str = "ok";

/// The metrics of Redis or Valkey.
#[derive(Clone)]
pub struct SharedMetrics {
    calls: EngineSeries,
    replicas: IntGaugeVec,
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
        Ok(Self { calls, replicas })
    }

    /// Creates every series at 0.
    pub fn prepare(&self) {
        let operations = EngineOperation::ALL.map(EngineOperation::as_str);
        let mut outcomes = vec![OK];
        outcomes.extend(AwayReason::ALL.map(AwayReason::as_str));
        self.calls.prepare(&operations, &outcomes);
        self.connected(false);
        self.replicas(0);
    }

    /// Sets the number of replicas.
    pub fn replicas(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.replicas.with_label_values::<&str>(&[]).set(count);
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
