//! Health of the backends: statuses, and how far the data can be trusted and served.

pub mod backend_health;
pub mod call_history;
pub mod evidence;
mod faults;
pub(super) mod recorded_backend;
pub mod status;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::backend::Fault;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Release;
use registry_core::models::fault::FaultSubject;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use tokio::time::Instant;

use crate::health::backend_health::BackendHealth;
use crate::health::call_history::History;
use crate::health::evidence::listing_fault;
use crate::health::status::Status;
use crate::index::view::View;
use crate::persistent_instant::PersistentInstant;
use crate::rules::Rules;
use crate::store::CatalogStore;

/// `Retry-After` of responses while a backend is unavailable.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Age of a response, and the backends whose part is stale or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Time since the last successful sync cycle; the longest, if several backends contribute.
    pub age: Duration,
    /// Backends whose part is stale or missing.
    pub degraded: Vec<BackendId>,
}

impl Freshness {
    /// Adds backends whose part is stale or missing. Each backend is listed once.
    pub fn lacks(&mut self, backends: impl IntoIterator<Item = BackendId>) {
        for backend in backends {
            if !self.degraded.contains(&backend) {
                self.degraded.push(backend);
            }
        }
    }
}

/// Health of all backends, and of the state on disk.
pub struct Health {
    backends: Vec<Arc<BackendHealth>>,
    store: Arc<CatalogStore>,
    rules: Rules,
    persist_error: Mutex<Option<String>>,
}

impl Health {
    pub(super) fn new(
        backends: Vec<Arc<BackendHealth>>,
        store: Arc<CatalogStore>,
        rules: Rules,
    ) -> Self {
        Self { backends, store, rules, persist_error: Mutex::default() }
    }

    /// Returns the status of each backend for `/health`, in order.
    #[must_use]
    pub fn statuses(&self) -> Vec<(BackendId, Status)> {
        let states = self.states().into_iter().zip(&self.backends);
        let statuses = states.map(|((id, status), backend)| {
            let capacity = self.store.capacity_use(id);
            let (mut faults, faults_beyond) = backend.evidence.faults();
            let over_capacity = over_capacity_fault(id, capacity.refused);
            // These concern the whole backend, so they precede the faults of single repositories.
            faults.splice(..0, over_capacity.into_iter().chain(backend.missing_place()));
            (id, Status { faults, faults_beyond, capacity, ..status })
        });
        statuses.collect()
    }

    /// Returns the status of each backend without faults and capacity, in order: less work than
    /// [`Health::statuses`].
    #[must_use]
    pub fn states(&self) -> Vec<(BackendId, Status)> {
        let states = self.backends.iter().map(|backend| {
            let (breaker, status) = (backend.breaker(), backend.status.get());
            // A backend that was never read has no age and counts as stale.
            let age = status.current_as_of.map(PersistentInstant::elapsed);
            let stale = age.is_none_or(|age| self.rules.is_stale(age));
            (backend.id(), Status { stale, breaker, ..status })
        });
        states.collect()
    }

    /// Returns how the calls to each backend ended during the last 24 hours, in order.
    #[must_use]
    pub fn history(&self) -> Vec<(BackendId, History)> {
        self.backends.iter().map(|backend| (backend.id(), backend.history.get())).collect()
    }

    /// Returns true if the last requests to the backend succeeded.
    #[must_use]
    pub fn is_healthy(&self, backend: BackendId) -> bool {
        self.get(backend).is_some_and(|backend| backend.status.is_healthy())
    }

    /// Returns the freshness of a response about one extension (`of`), or about all.
    #[must_use]
    pub fn freshness(&self, scope: Scope, of: Option<&ExtensionId>, now: Instant) -> Freshness {
        let mut freshness = Freshness { age: Duration::ZERO, degraded: Vec::new() };
        for backend in self.within(scope) {
            let age = backend.status.current_as_of().map(|as_of| as_of.age(now));
            // Counted for every response: the requested extension may be among the refused.
            let lacks_part = self.store.capacity_use(backend.id()).refused > 0
                || backend.evidence.lacks_part(of);
            if lacks_part || age.is_none_or(|age| self.rules.is_stale(age)) {
                freshness.degraded.push(backend.id());
            }
            freshness.age = freshness.age.max(age.unwrap_or_default());
        }
        freshness
    }

    /// Returns the failure of the last attempt to save state; `None` while state is saved.
    #[must_use]
    pub fn persist_error(&self) -> Option<String> {
        self.persist_error.lock().clone()
    }

    pub(super) fn set_persist_error(&self, reason: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.persist_error.lock(), reason)
    }

    /// Returns true if at least one backend has data that can still be served.
    #[must_use]
    pub fn can_answer(&self) -> bool {
        let (view, now) = (self.store.view(), Instant::now());
        self.backends.iter().any(|backend| self.has_data(backend, &view, now))
    }

    /// Returns true if the backend was listed and its data is young enough to be served.
    pub(super) fn is_listed(&self, backend: &BackendHealth, view: &View, now: Instant) -> bool {
        view.knows(backend.id()) && !self.is_too_old(backend, now)
    }

    /// Returns true if the first cycles of these backends have ended. A failure ends one too, so
    /// that an outage delays no response.
    pub(super) fn are_settled(&self, scope: Scope, view: &View, now: Instant) -> bool {
        self.within(scope)
            .all(|backend| self.is_listed(backend, view, now) || backend.status.is_failing())
    }

    /// Returns true if a listing, webhook or read has shown data that is young enough to be served.
    pub(super) fn has_data(&self, backend: &BackendHealth, view: &View, now: Instant) -> bool {
        let id = backend.id();
        // Before the first listing, a webhook or a read may have filled in some extensions already.
        let shows = view.knows(id) || !view.entries(id.into()).is_empty();
        shows && !self.is_too_old(backend, now)
    }

    fn is_too_old(&self, backend: &BackendHealth, now: Instant) -> bool {
        let age = backend.status.current_as_of().map(|as_of| as_of.age(now));
        // A backend without an age was never read. It has nothing to be too old.
        age.is_some_and(|age| self.rules.is_too_old(age))
    }

    /// Records a fault that was found while serving this backend's data.
    pub fn report(&self, backend: BackendId, fault: Fault) {
        if let Some(backend) = self.get(backend) {
            backend.evidence.found(fault);
        }
    }

    /// Records that a file could be downloaded: an earlier fault of its download ends.
    pub fn download_succeeded(&self, id: &ExtensionId, release: &Release, file: &Artifact) {
        if let Some(backend) = self.get(release.backend) {
            let subject = FaultSubject::Download(release.tag.clone(), file.key.clone());
            backend.evidence.mended(&id.to_string(), &subject);
        }
    }

    /// Returns the longest pause of the requested backends, in whole seconds.
    pub(super) fn pause(&self, scope: Scope) -> Duration {
        let longest = self.within(scope).map(BackendHealth::pause).max().unwrap_or_default();
        // Rounded up: a `Retry-After` that is too short would lead callers into the same pause.
        Duration::from_secs(longest.as_secs() + u64::from(longest.subsec_nanos() > 0))
    }

    /// Converts a timeout into `BackendUnavailable` with the remaining pause, if a pause caused it.
    pub(super) fn explain_timeout(&self, scope: Scope, error: Error) -> Error {
        let pause = self.pause(scope);
        if error.kind() != ErrorKind::BackendTimeout || pause.is_zero() {
            return error;
        }
        Error::unavailable(format!("{} limits the request rate", scope.subject()), pause)
    }

    /// Returns the error of a request to which no backend has data. A backend that refuses the
    /// credentials needs an operator; any other may be back shortly.
    pub(super) fn no_data(&self, scope: Scope) -> Error {
        let retry_after = self.pause(scope).max(RETRY_AFTER);
        let mut kind = ErrorKind::BackendUnavailable { retry_after };
        let mut reasons = Vec::new();
        for backend in self.within(scope) {
            let failure = backend.status.get().last_failure;
            // Refusal outranks an outage, because waiting does not help.
            if let Some((ErrorKind::BackendRefused, _)) = failure {
                kind = ErrorKind::BackendRefused;
            }
            let unread = if self.store.view().knows(backend.id()) {
                "last read too long ago"
            } else {
                "not read yet"
            };
            let reason = failure.map_or_else(|| unread.to_owned(), |(_, text)| text);
            reasons.push(format!("{} ({reason})", backend.id()));
        }
        Error::new(kind, format!("No current data from {}", reasons.join(", ")))
    }

    pub(super) fn within(&self, scope: Scope) -> impl Iterator<Item = &BackendHealth> {
        let backends = self.backends.iter().map(|backend| &**backend);
        backends.filter(move |backend| scope.includes(backend.id()))
    }

    pub(super) fn get(&self, backend: BackendId) -> Option<&BackendHealth> {
        self.backends.iter().map(|one| &**one).find(|one| one.id() == backend)
    }
}

fn over_capacity_fault(backend: BackendId, extensions: usize) -> Option<Fault> {
    let plural = if extensions == 1 { "" } else { "s" };
    let reason =
        format!("catalog.max_bytes leaves no room for {extensions} extension{plural} of {backend}");
    (extensions > 0).then(|| listing_fault(&reason))
}
