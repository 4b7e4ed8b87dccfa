//! Metrics of the process: build information, configuration reloads, panics, and headers that were
//! ignored.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::metrics::counters;

/// Values of the `outcome` label of a reload.
const RELOADS: [&str; 2] = ["used", "refused"];

/// Values of the `level` label of a line of the log.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The metrics of the process.
#[derive(Clone)]
pub struct ProcessMetrics {
    build: IntGaugeVec,
    reloads: IntCounterVec,
    panics: IntCounter,
    dropped_lines: IntCounterVec,
    ignored_prefixes: IntCounter,
}

impl ProcessMetrics {
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
            dropped_lines: counters(
                "extension_registry_log_lines_dropped_total",
                "Lines of the log lost because standard error was not read in time, by level",
                &["level"],
            )?,
            ignored_prefixes: IntCounter::new(
                "extension_registry_ignored_prefixes_total",
                "Requests whose X-Forwarded-Prefix is not a plain path, and so was ignored",
            )?,
        };
        registry.register(Box::new(metrics.ignored_prefixes.clone()))?;
        registry.register(Box::new(metrics.build.clone()))?;
        registry.register(Box::new(metrics.reloads.clone()))?;
        registry.register(Box::new(metrics.panics.clone()))?;
        registry.register(Box::new(metrics.dropped_lines.clone()))?;
        for level in LEVELS {
            metrics.dropped_lines.with_label_values(&[level]);
        }
        Ok(metrics)
    }

    /// Sets the build information. An unknown commit is an empty label.
    pub fn built(&self, version: &str, commit: Option<&str>) {
        self.build.with_label_values(&[version, commit.unwrap_or_default()]).set(1);
    }

    /// Counts a response that a panic ended.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts a request of a proxy whose prefix is not usable.
    pub fn prefix_ignored(&self) {
        self.ignored_prefixes.inc();
    }

    /// Returns the counters of lost lines of the log.
    #[must_use]
    pub const fn dropped_lines(&self) -> &IntCounterVec {
        &self.dropped_lines
    }

    /// Creates the series of a file that may change, at 0.
    pub fn prepare_reloads(&self, key: &str) {
        // Created at 0: `rate()` misses the first event of a series that appears with it.
        for outcome in RELOADS {
            self.reloads.with_label_values(&[key, outcome]);
        }
    }

    /// Counts a reload of a file. `used` is true if its new content took effect.
    pub fn reloaded(&self, key: &str, used: bool) {
        let [good, bad] = RELOADS;
        self.reloads.with_label_values(&[key, if used { good } else { bad }]).inc();
    }
}
