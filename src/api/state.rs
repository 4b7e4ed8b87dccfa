//! What every handler shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::time::Instant;

use crate::api::aside::Renderer;
use crate::api::memos::Memos;
use crate::api::notices::Notices;
use crate::backend::webhook::WebhookReceiver;
use crate::cache::artifacts::Artifacts;
use crate::catalog::Catalog;
use crate::metrics::Metrics;
use crate::models::backend_id::BackendId;

/// Shared state.
pub struct ApiState {
    /// What is known.
    pub catalog: Arc<Catalog>,
    /// What was answered.
    pub memos: Memos,
    /// Renders large pages.
    pub renderer: Renderer,
    /// What is kept of archives.
    pub artifacts: Arc<Artifacts>,
    /// Who takes change notices.
    pub receivers: Arc<[(BackendId, Arc<dyn WebhookReceiver>)]>,
    /// Room for the bodies of change notices.
    pub notices: Notices,
    /// What is counted.
    pub metrics: Metrics,
    /// When the service started.
    pub started: Instant,
    /// Set once it stops taking connections.
    pub draining: Draining,
    /// The contract for machines, as JSON.
    pub openapi: Bytes,
}

/// Whether the service is shutting down.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on the service is shutting down.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
