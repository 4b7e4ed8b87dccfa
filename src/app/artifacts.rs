//! Opens the configured artifact store.

use std::sync::Arc;

use registry_server::artifacts::Artifacts;
use registry_server::metrics::Metrics;

use crate::config::Config;

const FOLDER: &str = "artifacts";

/// The store keeps nothing without a directory, without room, and in the demo.
pub(super) async fn open(config: &Config, metrics: &Metrics, demo: bool) -> Arc<Artifacts> {
    let (hits, counters) = (metrics.cache("artifact"), metrics.artifacts().clone());
    let dir = config.cache.state_dir.as_ref().filter(|_| !demo && config.cache.artifact_bytes > 0);
    match dir {
        Some(dir) => {
            let (dir, max_bytes) = (dir.join(FOLDER), config.cache.artifact_bytes);
            Artifacts::stored_in(dir, max_bytes, hits, counters).await
        }
        None => Artifacts::passing(hits, counters),
    }
}
