//! Health of one backend: the results of the last requests, its evidence and its faults.

use std::future::pending;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::backend::Fault;
use registry_core::backend::contact::{BreakerState, Contact};
use registry_core::error::Error;
use registry_core::models::backend_id::BackendId;
use registry_core::models::fault::FaultSubject;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::LOG_TARGET;
use crate::health::call_history::CallHistory;
use crate::health::evidence::{EvidenceCell, listing_fault};
use crate::health::status::{Operation, StatusCell};

/// Maximum number of log lines for the faults of one sync cycle.
const LOGGED_MAX: usize = 100;

/// Health of one backend.
pub struct BackendHealth {
    id: BackendId,
    contact: Option<watch::Receiver<Contact>>,
    pub(crate) status: StatusCell,
    pub(crate) evidence: EvidenceCell,
    pub(crate) history: CallHistory,
    /// Reason why the backend is empty; `None` while its place exists.
    missing_place: Mutex<Option<String>>,
}

impl BackendHealth {
    pub(crate) fn new(id: BackendId, contact: Option<watch::Receiver<Contact>>) -> Self {
        Self {
            id,
            contact,
            status: StatusCell::default(),
            evidence: EvidenceCell::default(),
            history: CallHistory::default(),
            missing_place: Mutex::default(),
        }
    }

    pub(crate) const fn id(&self) -> BackendId {
        self.id
    }

    pub(crate) fn contact(&self) -> Option<watch::Receiver<Contact>> {
        self.contact.clone()
    }

    pub(crate) fn breaker(&self) -> Option<BreakerState> {
        self.contact.as_ref().map(|contact| contact.borrow().breaker)
    }

    /// Remaining time for which no request is sent, because of an outage or a rate limit.
    pub(crate) fn pause(&self) -> Duration {
        self.contact.as_ref().map_or(Duration::ZERO, |contact| contact.borrow().pause())
    }

    /// Returns the end of the pause that the backend demanded last; `None` before the first one.
    pub(crate) fn demanded_until(&self) -> Option<Instant> {
        self.contact.as_ref().and_then(|contact| contact.borrow().demanded_until())
    }

    /// Returns the rest of the pause that the backend demanded; zero without one.
    pub(crate) fn demanded_pause(&self) -> Duration {
        let contact = self.contact.as_ref();
        contact.map_or(Duration::ZERO, |contact| contact.borrow().demanded_pause())
    }

    /// Waits until the backend demands a pause that ends later than this one.
    pub(crate) async fn demands_more_than(&self, known: Option<Instant>) {
        let Some(mut contact) = self.contact() else { return pending().await };
        if contact.wait_for(|contact| contact.demanded_until() > known).await.is_err() {
            // The sender is gone, so no change will come.
            pending::<()>().await;
        }
    }

    /// Waits until the circuit breaker has opened and closed again.
    pub(crate) async fn recovers(&self) {
        let Some(mut contact) = self.contact() else { return pending().await };
        // The breaker may still be closed when the failure arrives, so an opening is awaited first.
        for closed in [false, true] {
            let reached =
                contact.wait_for(|contact| (contact.breaker == BreakerState::Closed) == closed);
            if reached.await.is_err() {
                // The sender is gone, so no change will come; the caller has a timeout.
                pending::<()>().await;
            }
        }
    }

    pub(crate) fn succeeded(&self, operation: Operation) {
        if self.status.succeeded(operation) {
            info!(target: LOG_TARGET, backend = %self.id, "backend reachable");
        }
    }

    /// Records a failure. Logs it unless a failure of the same kind was logged during this outage.
    pub(crate) fn failed(&self, operation: Operation, error: &Error) {
        if self.status.failed(operation, error) {
            warn!(target: LOG_TARGET, backend = %self.id, "backend unavailable: {}", error.report());
        }
    }

    /// Updates the status from the outcome of a request about one extension. A malformed response
    /// concerns one repository, and an invalid range its caller, so neither counts.
    pub(crate) fn learn<T>(&self, outcome: &Result<T, Error>) {
        match outcome {
            Ok(_) => self.succeeded(Operation::Read),
            Err(error) if error.is_not_found() => self.succeeded(Operation::Read),
            Err(error) if error.kind().is_of_whole_backend() => {
                self.failed(Operation::Read, error);
            }
            Err(_) => {}
        }
    }

    pub(crate) fn log_faults(&self, faults: &[Fault]) {
        for Fault { repository, subject, reason } in faults.iter().take(LOGGED_MAX) {
            if *subject == FaultSubject::Naming {
                // Advice about a name that nearly fits: nothing served is affected, so no warning.
                info!(target: LOG_TARGET, backend = %self.id, repository, "{reason}");
            } else {
                warn!(target: LOG_TARGET, backend = %self.id, repository, "{reason}");
            }
        }
        if let Some(more @ 1..) = faults.len().checked_sub(LOGGED_MAX) {
            warn!(target: LOG_TARGET, backend = %self.id, "{more} more faults are new; /health has their number");
        }
    }

    /// Records that the backend's place does not exist. Logs it once, not in every cycle.
    pub(crate) fn place_is_missing(&self, error: &Error) {
        let reason = error.report();
        if self.missing_place.lock().replace(reason.clone()).is_none() {
            warn!(target: LOG_TARGET, backend = %self.id, "backend serves nothing: {reason}");
        }
    }

    pub(crate) fn place_exists(&self, is_read: bool) {
        if self.missing_place.lock().take().is_some() && is_read {
            info!(target: LOG_TARGET, backend = %self.id, "the directory exists now and is read");
        }
    }

    pub(crate) fn missing_place(&self) -> Option<Fault> {
        self.missing_place.lock().as_deref().map(listing_fault)
    }
}
