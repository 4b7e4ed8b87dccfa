//! What is counted of the process itself: what it was built from, what it took up while it ran.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::metrics::counters;

/// What became of a file that changed.
const RELOADS: [&str; 2] = ["used", "refused"];

/// The metrics of the process.
#[derive(Clone)]
pub struct ProcessMetrics {
    build: IntGaugeVec,
    reloads: IntCounterVec,
    panics: IntCounter,
}

impl ProcessMetrics {
    /// # Errors
    /// A name or label that Prometheus refuses, which a test excludes.
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let build = Opts::new("extension_registry_build_info", "1, with what the program is");
        let metrics = Self {
            build: IntGaugeVec::new(build, &["version", "commit"])?,
            reloads: counters(
                "extension_registry_config_reloads_total",
                "Reloads of changed secret files, by key and outcome",
                &["key", "outcome"],
            )?,
            panics: IntCounter::new(
                "extension_registry_panics_total",
                "Requests aborted by a panic",
            )?,
        };
        registry.register(Box::new(metrics.build.clone()))?;
        registry.register(Box::new(metrics.reloads.clone()))?;
        registry.register(Box::new(metrics.panics.clone()))?;
        Ok(metrics)
    }

    /// Says what the program is; an unknown commit is an empty label.
    pub fn built(&self, version: &str, commit: Option<&str>) {
        self.build.with_label_values(&[version, commit.unwrap_or_default()]).set(1);
    }

    /// Counts an answer that a panic ended.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Makes the series of a file that may change exist, at 0.
    pub fn prepare_reloads(&self, key: &str) {
        for outcome in RELOADS {
            self.reloads.with_label_values(&[key, outcome]);
        }
    }

    /// Counts a file that changed, and whether its new content is used.
    pub fn reloaded(&self, key: &str, used: bool) {
        let [good, bad] = RELOADS;
        self.reloads.with_label_values(&[key, if used { good } else { bad }]).inc();
    }
}
