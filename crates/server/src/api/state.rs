//! State shared by all handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use registry_core::backend::webhook::WebhookReceiver;
use registry_core::models::backend_id::BackendId;
use registry_fleet::state::EngineState;
use tokio::time::Instant;

use crate::answers::Answers;
use crate::answers::downloads::Downloads;
use crate::answers::query::Query;
use crate::answers::renderer::Renderer;
use crate::api::targets::Targets;
use crate::api::webhook_limit::WebhookLimit;
use crate::archives::Archives;
use crate::artifacts::Artifacts;
use crate::edge::headers::Heads;
use crate::edge::problem::Problem;
use crate::edge::rendered::Rendered;
use crate::edge::representation::Representation;
use crate::metrics::Metrics;
use crate::oci::lists::Repositories;

/// Shared state.
pub struct ApiState {
    /// Cached answers, and the catalog that they are made from.
    pub answers: Answers,
    /// Parser of the targets of cached answers.
    pub targets: Targets,
    /// Headers of answers.
    pub heads: Heads,
    /// Downloads of archives and assets.
    pub downloads: Arc<Downloads>,
    /// Repositories of the OCI pull API; `None` if it is switched off.
    pub repositories: Option<Arc<Repositories>>,
    /// Readings of archives.
    pub archives: Archives,
    /// Renderer of large lists of files.
    pub renderer: Renderer,
    /// Artifact store.
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
    /// Engine that replicas share; `None` without one.
    pub shared: Option<EngineState>,
    /// OpenAPI contract as JSON.
    pub openapi: Rendered,
}

impl ApiState {
    /// Returns the response to a query. Fails with the errors of the catalog.
    pub async fn answer(&self, query: &Query) -> Result<Representation, Problem> {
        let answer = self.answers.answer(query).await?;
        self.metrics.extensions_served(answer.content.served);
        Ok(answer.represent(&self.heads))
    }
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
