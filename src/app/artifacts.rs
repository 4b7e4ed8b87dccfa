//! Opens the configured artifact store.

use std::sync::Arc;

use registry_server::artifacts::{Artifacts, SharedStore};
use registry_server::metrics::Metrics;

use crate::config::Config;

const FOLDER: &str = "artifacts";

/// The store keeps nothing without a directory, without room, and in the demo.
pub(super) async fn open(
    config: &Config,
    metrics: &Metrics,
    demo: bool,
    shared: Option<SharedStore>,
) -> Arc<Artifacts> {
    let (hits, counters) = (metrics.cache("artifact"), metrics.artifacts().clone());
    let dir = config.cache.state_dir.as_ref().filter(|_| !demo && config.cache.artifact_bytes > 0);
    let Some(dir) = dir else { return Artifacts::passing(hits, counters) };
    let (dir, max_bytes) = (dir.join(FOLDER), config.cache.artifact_bytes);
    match shared {
        Some(shared) => Artifacts::stored_before(shared, dir, max_bytes, (hits, counters)).await,
        None => Artifacts::stored_in(dir, max_bytes, hits, counters).await,
    }
}
