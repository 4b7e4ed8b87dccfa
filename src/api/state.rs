//! State shared by all handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::answers::response_caches::ResponseCaches;
use crate::api::webhook_limit::WebhookLimit;
use crate::artifacts::Artifacts;
use crate::backend::webhook::WebhookReceiver;
use crate::catalog::Catalog;
use crate::edge::offload::Renderer;
use crate::metrics::Metrics;
use crate::models::backend_id::BackendId;

/// Shared state.
pub struct ApiState {
    /// Catalog of extensions.
    pub catalog: Arc<Catalog>,
    /// Response caches.
    pub caches: ResponseCaches,
    /// Renderer of large pages.
    pub renderer: Renderer,
    /// Artifact cache.
    pub artifacts: Arc<Artifacts>,
    /// Receivers of webhooks.
    pub receivers: Arc<[(BackendId, Arc<dyn WebhookReceiver>)]>,
    /// Permits for webhook bodies.
    pub notices: WebhookLimit,
    /// Metrics.
    pub metrics: Metrics,
    /// Start time of the service.
    pub started: Instant,
    /// Set once the service stops accepting connections.
    pub draining: Draining,
    /// Certificate of the listener.
    pub certificate: CertificateState,
    /// OpenAPI contract as JSON.
    pub openapi: Bytes,
}

/// Flag that is set during shutdown.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// Marks the service as shutting down.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns true during shutdown.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Certificate of the listener, and its latest renewal. Empty without TLS.
#[derive(Clone, Debug, Default)]
pub struct CertificateState(Arc<Mutex<Option<ServedCertificate>>>);

/// The certificate in use.
#[derive(Clone, Debug)]
pub struct ServedCertificate {
    /// Time of expiry.
    pub not_after: Timestamp,
    /// Why the files that were renewed since cannot be used.
    pub renewal_error: Option<String>,
}

impl CertificateState {
    /// Sets the certificate in use; its renewal has succeeded.
    pub fn serves(&self, not_after: Timestamp) {
        *self.0.lock() = Some(ServedCertificate { not_after, renewal_error: None });
    }

    /// Sets why the renewed files cannot be used; `None` if they can again.
    pub fn renewal(&self, error: Option<String>) {
        if let Some(served) = &mut *self.0.lock() {
            served.renewal_error = error;
        }
    }

    /// Returns the certificate in use; `None` without TLS.
    #[must_use]
    pub fn served(&self) -> Option<ServedCertificate> {
        self.0.lock().clone()
    }
}
