//! One backend of the catalog, with its status, its evidence and its refresh queue.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::backend::contact::BreakerState;
use crate::backend::{Backend, Fault};
use crate::catalog::evidence::EvidenceCell;
use crate::catalog::lookups::LookupBudget;
use crate::catalog::missing_directory::MissingDirectory;
use crate::catalog::over_capacity::CapacityCell;
use crate::catalog::refresh_queue::RefreshQueue;
use crate::catalog::status::{Operation, StatusCell};
use crate::catalog::sync_cycle::CycleState;
use crate::error::{Error, ErrorKind};
use crate::models::backend_id::BackendId;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;

/// Timeout of a probe, a second after that of an HTTP client, which tells the circuit breaker.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);

/// Maximum number of log lines for the faults of one round.
const TOLD_MAX: usize = 100;

pub(crate) struct BackendHandle {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) status: StatusCell,
    pub(super) evidence: EvidenceCell,
    pub(super) round: CycleState,
    pub(super) budget: LookupBudget,
    pub(super) held: CapacityCell,
    pub(super) vacancy: MissingDirectory,
    /// True if no backend comes after it that could take over its names.
    pub(super) is_last: bool,
    dirty: Mutex<RefreshQueue>,
    news: Notify,
}

impl BackendHandle {
    pub(super) fn new(backend: Arc<dyn Backend>, is_last: bool) -> Self {
        Self {
            backend,
            status: StatusCell::default(),
            evidence: EvidenceCell::default(),
            round: CycleState::default(),
            budget: LookupBudget::default(),
            held: CapacityCell::default(),
            vacancy: MissingDirectory::default(),
            is_last,
            dirty: Mutex::default(),
            news: Notify::new(),
        }
    }

    pub(super) fn id(&self) -> BackendId {
        self.backend.id()
    }

    pub(super) fn mark(&self, mark: impl FnOnce(&mut RefreshQueue)) {
        mark(&mut self.dirty.lock());
        self.news.notify_one();
    }

    pub(super) fn scheduled(&self) -> Vec<ExtensionId> {
        self.dirty.lock().scheduled().cloned().collect()
    }

    pub(super) async fn due(&self) -> ExtensionId {
        loop {
            let next = {
                let mut dirty = self.dirty.lock();
                if let Some(due) = dirty.take_due(Instant::now()) {
                    return due;
                }
                dirty.next()
            };
            match next {
                // A change of the queue may bring the time forward, so the loop looks again.
                Some(at) => {
                    tokio::time::timeout_at(at, self.news.notified()).await.unwrap_or_default();
                }
                None => self.news.notified().await,
            }
        }
    }

    pub(super) async fn probe(&self) {
        match timeout(PROBE_TIMEOUT, self.contact()).await {
            Ok(Ok(())) => self.answered(Operation::Contact),
            Ok(Err(error)) => self.failed(Operation::Contact, &error),
            Err(_) => {
                let message = format!("no answer within {} s", PROBE_TIMEOUT.as_secs());
                self.failed(Operation::Contact, &Error::new(ErrorKind::BackendTimeout, message));
            }
        }
    }

    pub(super) fn breaker(&self) -> Option<BreakerState> {
        self.backend.contact().map(|contact| contact.borrow().breaker)
    }

    /// Remaining time for which no request is sent, because of an outage or a rate limit.
    pub(super) fn pause(&self) -> Duration {
        self.backend.contact().map_or(Duration::ZERO, |contact| contact.borrow().pause())
    }

    pub(super) async fn is_back(&self) {
        let Some(mut contact) = self.backend.contact() else { return pending().await };
        // The breaker may still be closed when the failure arrives, so an opening is awaited first.
        for closed in [false, true] {
            let reached =
                contact.wait_for(|contact| (contact.breaker == BreakerState::Closed) == closed);
            if reached.await.is_err() {
                // The sender is gone, so no change will come; the caller has a timeout.
                pending().await
            }
        }
    }

    pub(super) fn answered(&self, question: Operation) {
        if self.status.answered(question) {
            info!(backend = %self.id(), "backend reachable");
        }
    }

    /// Records a failure. Logs it unless a failure of the same kind was logged during this outage.
    pub(super) fn failed(&self, question: Operation, error: &Error) {
        if self.status.failed(question, error) {
            warn!(backend = %self.id(), "backend unavailable: {}", error.report());
        }
    }

    /// Updates the status from the outcome of a request about one extension. A malformed response
    /// concerns one repository, and an invalid range its caller, so neither counts.
    pub(super) fn learned<T>(&self, outcome: &Result<T, Error>) {
        match outcome.as_ref().map_err(Error::kind) {
            Ok(_) | Err(ErrorKind::NotFound) => self.answered(Operation::Read),
            Err(
                ErrorKind::BackendRefused
                | ErrorKind::BackendUnavailable { .. }
                | ErrorKind::BackendTimeout,
            ) => {
                if let Err(error) = outcome {
                    self.failed(Operation::Read, error);
                }
            }
            Err(_) => {}
        }
    }

    pub(super) fn tell(&self, news: &[Fault]) {
        for Fault { repository, subject, reason } in news.iter().take(TOLD_MAX) {
            match subject {
                // Advice about a name that nearly fits: nothing served is affected, so no warning.
                FaultSubject::Naming => info!(backend = %self.id(), repository, "{reason}"),
                _ => warn!(backend = %self.id(), repository, "{reason}"),
            }
        }
        if let Some(more @ 1..) = news.len().checked_sub(TOLD_MAX) {
            warn!(backend = %self.id(), "{more} more faults are new; /health has their number");
        }
    }
}
