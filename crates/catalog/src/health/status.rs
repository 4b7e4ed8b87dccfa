//! Health of one backend: the results of the last requests, by kind of request.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use registry_core::backend::Fault;
use registry_core::backend::contact::BreakerState;
use registry_core::error::{Error, ErrorKind};
use tokio::time::Instant;

use crate::index::capacity::CapacityUse;
use crate::persistent_instant::{PersistentInstant, now_in_seconds};

/// Health of one backend.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// True if its last requests succeeded; `false` before the first.
    pub healthy: bool,
    /// Time of the last successful response.
    pub last_success: Option<Timestamp>,
    /// Report of the current failure; `None` while the backend succeeds.
    pub last_error: Option<String>,
    /// Start of the last successful sync cycle; may lie before this process.
    pub current_as_of: Option<PersistentInstant>,
    /// Time up to which a name that a complete listing lacks is known to be absent; change cycles
    /// move it forward. A partial listing proves no absence.
    pub complete_as_of: Option<PersistentInstant>,
    /// Time of the last request.
    pub last_request: Option<Instant>,
    /// True if responses with its data are marked as stale.
    pub stale: bool,
    /// State of the circuit breaker; `None` for a backend without one.
    pub breaker: Option<BreakerState>,
    /// Kind of the current failure, and its message for callers.
    pub last_failure: Option<(ErrorKind, String)>,
    /// Repositories and releases that are not served, with the reasons.
    pub faults: Vec<Fault>,
    /// Number of further faults.
    pub faults_beyond: usize,
    /// Size of the extensions in bytes, and the number of extensions that did not fit.
    pub capacity: CapacityUse,
}

/// Failure of a backend as the replica reports it that reads the backend for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedFailure {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) report: String,
}

/// State of a backend as that replica reports it. Times that are missing stay as they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedStatus {
    pub(crate) current_as_of: Option<PersistentInstant>,
    pub(crate) complete_as_of: Option<PersistentInstant>,
    pub(crate) last_success: Option<Timestamp>,
    /// `None` while the backend answers.
    pub(crate) failure: Option<SharedFailure>,
}

/// Kind of a request to a backend. A success proves only what was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Contact,
    Listing,
    Read,
}

#[derive(Default)]
pub(crate) struct StatusCell(RwLock<StatusFields>);

#[derive(Default)]
struct StatusFields {
    status: Status,
    /// Failures that only a success of the same kind of request ends.
    failures: BTreeMap<Operation, SharedFailure>,
    /// A failure that any response ends: the backend was unreachable.
    outage: Option<SharedFailure>,
    /// True while a refused read has to be confirmed by a read of another extension.
    refusal_unchecked: bool,
    logged: Vec<Discriminant<ErrorKind>>,
}

impl StatusFields {
    fn failure(&self) -> Option<&SharedFailure> {
        // The last kind in order is `Read`, whose failure says more than that of a probe.
        self.outage.as_ref().or_else(|| self.failures.values().next_back())
    }

    fn settle(&mut self) {
        let failure = self.failure().cloned();
        self.status.last_failure =
            failure.as_ref().map(|failure| (failure.kind, failure.message.clone()));
        self.status.healthy = failure.is_none();
        self.status.last_error = failure.map(|failure| failure.report);
    }
}

impl StatusCell {
    pub(crate) fn get(&self) -> Status {
        self.0.read().status.clone()
    }

    pub(crate) fn current_as_of(&self) -> Option<PersistentInstant> {
        self.0.read().status.current_as_of
    }

    pub(crate) fn complete_age(&self) -> Option<Duration> {
        self.0.read().status.complete_as_of.map(PersistentInstant::elapsed)
    }

    pub(crate) fn last_request(&self) -> Option<Instant> {
        self.0.read().status.last_request
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.0.read().status.healthy
    }

    /// Returns true if a request failed and no request of that kind has succeeded since.
    pub(crate) fn is_failing(&self) -> bool {
        self.0.read().status.last_error.is_some()
    }

    /// Returns two flags: reads are refused, and that has to be confirmed by another read.
    pub(crate) fn refuses_reads(&self) -> (bool, bool) {
        let inner = self.0.read();
        (inner.failures.contains_key(&Operation::Read), inner.refusal_unchecked)
    }

    pub(crate) fn refusal_is_checked(&self) {
        self.0.write().refusal_unchecked = false;
    }

    /// Records a response. Returns true if the backend failed before.
    pub(crate) fn succeeded(&self, operation: Operation) -> bool {
        let inner = &mut *self.0.write();
        inner.outage = None;
        // A response of any kind shows that the credentials were accepted.
        inner.failures.remove(&Operation::Contact);
        inner.failures.remove(&operation);
        if operation == Operation::Read {
            inner.refusal_unchecked = false;
        }
        let was_healthy = inner.status.healthy;
        inner.settle();
        inner.status.last_request = Some(Instant::now());
        inner.status.last_success = Some(now_in_seconds());
        // Kept while one kind of request still fails, so that its failure is not logged twice.
        if inner.status.healthy {
            inner.logged.clear();
        }
        inner.status.healthy && !was_healthy
    }

    /// Returns true if it has to be logged: once per outage and kind, even if kinds alternate.
    pub(crate) fn failed(&self, operation: Operation, error: &Error) -> bool {
        let inner = &mut *self.0.write();
        // A request that the circuit breaker held back was not sent, and proves nothing new.
        if !error.was_asked() && inner.status.last_error.is_some() {
            return false;
        }
        let kind = discriminant(&error.kind());
        let is_new = !inner.logged.contains(&kind);
        if is_new {
            inner.logged.push(kind);
        }
        let failure = SharedFailure {
            kind: error.kind(),
            message: error.message().to_owned(),
            report: error.report(),
        };
        // Any response ends an outage. A refusal is none: it lasts until the same kind of request
        // succeeds.
        if error.kind().is_unreachable() {
            inner.outage = Some(failure);
        } else {
            if matches!(error.kind(), ErrorKind::BackendRefused | ErrorKind::BackendFaulty) {
                inner.outage = None;
            }
            let before = inner.failures.insert(operation, failure);
            inner.refusal_unchecked |= operation == Operation::Read && before.is_none();
        }
        inner.settle();
        inner.status.last_request = Some(Instant::now());
        is_new
    }

    pub(crate) fn changed_since(&self, begun: Instant) {
        let status = &mut self.0.write().status;
        // Changes cover the time since the last sweep. They prove absence only if that sweep did.
        if status.complete_as_of == status.current_as_of {
            status.complete_as_of = Some(begun.into());
        }
        status.current_as_of = Some(begun.into());
    }

    pub(crate) fn swept(&self, begun: Instant, complete: bool) {
        let status = &mut self.0.write().status;
        status.current_as_of = Some(begun.into());
        if complete {
            status.complete_as_of = Some(begun.into());
        }
    }

    /// Returns the current failure; `None` while the backend answers.
    pub(crate) fn shared_failure(&self) -> Option<SharedFailure> {
        self.0.read().failure().cloned()
    }

    /// Takes over what another replica reports, which reads the backend for all.
    pub(crate) fn follow(&self, shared: SharedStatus) {
        let inner = &mut *self.0.write();
        if shared.current_as_of.is_some() {
            inner.status.current_as_of = shared.current_as_of;
            inner.status.complete_as_of = shared.complete_as_of;
        }
        inner.status.last_success = shared.last_success.or(inner.status.last_success);
        inner.failures.clear();
        inner.outage = shared.failure;
        inner.settle();
    }

    /// Restores the times unless a cycle was made since. Returns true if they were restored.
    pub(crate) fn restore(
        &self,
        current_as_of: PersistentInstant,
        complete_as_of: Option<PersistentInstant>,
        last_success: Option<Timestamp>,
    ) -> bool {
        let status = &mut self.0.write().status;
        if status.current_as_of.is_some() {
            return false;
        }
        status.current_as_of = Some(current_as_of);
        status.complete_as_of = complete_as_of;
        status.last_success = status.last_success.or(last_success);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_once_for_each_way_in_which_it_fails() {
        let cell = StatusCell::default();
        let ways = [
            Error::new(ErrorKind::BackendTimeout, "silent"),
            Error::unavailable("refused", Duration::from_secs(1)),
            Error::new(ErrorKind::BackendRefused, "who are you"),
        ];
        for outage in 0..2 {
            let failures = (0..1000).map(|number| &ways[number % 3]);
            let news = failures.filter(|way| cell.failed(Operation::Contact, way)).count();
            assert_eq!(news, ways.len(), "outage {outage}");
            let answers = (0..1000).filter(|_| cell.succeeded(Operation::Contact)).count();
            assert_eq!(answers, 1, "recovery {outage}");
        }
    }

    #[test]
    fn a_success_ends_only_the_failure_of_its_own_question() {
        let cell = StatusCell::default();
        let refused = Error::new(ErrorKind::BackendRefused, "lacks a scope");
        cell.failed(Operation::Read, &refused);
        assert_eq!(cell.refuses_reads(), (true, true));
        cell.succeeded(Operation::Contact);
        cell.succeeded(Operation::Listing);
        assert!(cell.is_failing(), "a list does not show that its handles can be read");
        cell.succeeded(Operation::Read);
        assert!(cell.is_healthy());
        cell.failed(Operation::Contact, &refused);
        cell.succeeded(Operation::Listing);
        assert!(cell.is_healthy(), "the credentials were accepted");
        cell.failed(Operation::Listing, &Error::unavailable("away", Duration::from_secs(1)));
        cell.succeeded(Operation::Contact);
        assert!(cell.is_healthy(), "it is back");
    }
    #[test]
    fn a_refusal_is_an_answer_and_replaces_the_outage_before_it() {
        for kind in [ErrorKind::BackendRefused, ErrorKind::BackendFaulty] {
            let cell = StatusCell::default();
            cell.failed(Operation::Listing, &Error::unavailable("away", Duration::from_secs(1)));
            assert_eq!(cell.get().last_error.as_deref(), Some("away"));
            cell.failed(Operation::Listing, &Error::new(kind, "reads from us"));
            assert_eq!(cell.get().last_error.as_deref(), Some("reads from us"));
            cell.failed(Operation::Listing, &Error::unavailable("away", Duration::from_secs(1)));
            assert_eq!(cell.get().last_error.as_deref(), Some("away"));
        }
    }
}
