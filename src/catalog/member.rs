//! One backend of the catalog, with what is known of its health and what is to be read again.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::backend::contact::{BreakerState, Contact};
use crate::backend::{Backend, Fault};
use crate::catalog::dirty::Dirty;
use crate::catalog::evidence::EvidenceCell;
use crate::catalog::questions::Budget;
use crate::catalog::room::HeldCell;
use crate::catalog::rounds::RoundState;
use crate::catalog::status::{Question, StatusCell};
use crate::catalog::vacancy::VacancyCell;
use crate::error::{Error, ErrorKind};
use crate::models::backend_id::BackendId;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;

/// How long a backend may take to say that it is there. Its client gives up a second sooner, and
/// learns from that; this is for backends that have none.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);

/// Lines of the log that the faults of one round may take.
const TOLD_MAX: usize = 100;

/// One backend.
pub(crate) struct Member {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) status: StatusCell,
    pub(super) evidence: EvidenceCell,
    pub(super) round: RoundState,
    pub(super) budget: Budget,
    pub(super) held: HeldCell,
    pub(super) vacancy: VacancyCell,
    /// Whether no backend comes after it, which could answer for its names.
    pub(super) is_last: bool,
    dirty: Mutex<Dirty>,
    news: Notify,
}

impl Member {
    pub(super) fn new(backend: Arc<dyn Backend>, is_last: bool) -> Self {
        Self {
            backend,
            status: StatusCell::default(),
            evidence: EvidenceCell::default(),
            round: RoundState::default(),
            budget: Budget::default(),
            held: HeldCell::default(),
            vacancy: VacancyCell::default(),
            is_last,
            dirty: Mutex::default(),
            news: Notify::new(),
        }
    }

    pub(super) fn id(&self) -> BackendId {
        self.backend.id()
    }

    /// Changes what is to be read again, and wakes who reads it.
    pub(super) fn mark(&self, mark: impl FnOnce(&mut Dirty)) {
        mark(&mut self.dirty.lock());
        self.news.notify_one();
    }

    /// What is to be read again by the schedule.
    pub(super) fn scheduled(&self) -> Vec<ExtensionId> {
        self.dirty.lock().scheduled().cloned().collect()
    }

    /// Waits until something is to be read again, and takes it.
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
                // Either the time comes or other news do; both are looked at in the next turn.
                Some(at) => {
                    tokio::time::timeout_at(at, self.news.notified()).await.unwrap_or_default();
                }
                None => self.news.notified().await,
            }
        }
    }

    /// Asks whether the backend is there; its health is the answer.
    pub(super) async fn probe(&self) {
        match timeout(PROBE_TIMEOUT, self.contact()).await {
            Ok(Ok(())) => self.answered(Question::Contact),
            Ok(Err(error)) => self.failed(Question::Contact, &error),
            Err(_) => {
                let message = format!("no answer within {} s", PROBE_TIMEOUT.as_secs());
                self.failed(Question::Contact, &Error::new(ErrorKind::BackendTimeout, message));
            }
        }
    }

    /// Whether the backend is asked; `None` where nothing stands between it and us.
    pub(super) fn breaker(&self) -> Option<BreakerState> {
        self.backend.contact().map(|contact| contact.borrow().breaker)
    }

    /// How long from now on the backend is not asked, because it fails or limits us.
    pub(super) fn pause(&self) -> Duration {
        self.backend.contact().map_or(Duration::ZERO, |contact| contact.borrow().pause())
    }

    /// Waits until the circuit breaker lets requests through again.
    pub(super) async fn is_back(&self) {
        let Some(mut contact) = self.backend.contact() else { return pending().await };
        for closed in [false, true] {
            let reached = |contact: &Contact| (contact.breaker == BreakerState::Closed) == closed;
            if contact.wait_for(reached).await.is_err() {
                pending().await
            }
        }
    }

    /// A question was answered, with yes or no.
    pub(super) fn answered(&self, question: Question) {
        if self.status.answered(question) {
            info!(backend = %self.id(), "backend reachable");
        }
    }

    /// Notes and logs a failure; one of the same kind again is noted alone.
    pub(super) fn failed(&self, question: Question, error: &Error) {
        if self.status.failed(question, error) {
            warn!(backend = %self.id(), "backend unavailable: {}", error.report());
        }
    }

    /// Takes in how a question about one extension ended. Nonsense is that of one repository, and
    /// a range outside a file that of its caller.
    pub(super) fn learned<T>(&self, outcome: &Result<T, Error>) {
        match outcome.as_ref().map_err(Error::kind) {
            Ok(_) | Err(ErrorKind::NotFound) => self.answered(Question::Read),
            Err(
                ErrorKind::BackendRefused
                | ErrorKind::BackendUnavailable { .. }
                | ErrorKind::BackendTimeout,
            ) => {
                if let Err(error) = outcome {
                    self.failed(Question::Read, error);
                }
            }
            Err(_) => {}
        }
    }

    /// Logs faults that were not known before; of many the first, and how many more.
    pub(super) fn tell(&self, news: &[Fault]) {
        for Fault { repository, subject, reason } in news.iter().take(TOLD_MAX) {
            match subject {
                FaultSubject::Naming => info!(backend = %self.id(), repository, "{reason}"),
                _ => warn!(backend = %self.id(), repository, "{reason}"),
            }
        }
        if let Some(more @ 1..) = news.len().checked_sub(TOLD_MAX) {
            warn!(backend = %self.id(), "{more} more faults are new; /health has their number");
        }
    }
}
