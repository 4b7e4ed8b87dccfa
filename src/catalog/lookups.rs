//! Requests for unknown names: single flight, a negative cache and a budget, so that made-up names
//! cost a backend nothing.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::caching::bounded_lru::{BoundedLru, Bounds};
use crate::caching::single_flight::{Same, SingleFlight};
use crate::catalog::Catalog;
use crate::catalog::apply::ReadOrigin;
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::over_capacity::over_capacity;
use crate::error::{Error, ErrorKind, Result};
use crate::models::backend_id::BackendId;
use crate::models::extension::{Extension, Release};
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;
use crate::models::tag::Tag;
use crate::token_bucket::{Rate, TokenBucket};

/// Maximum time that a read other than a download waits for a backend (contract §4).
const PATIENCE: Duration = Duration::from_millis(2500);
/// Limit of lookups at one backend for names and versions that are not cached.
const LOOKUPS: Rate =
    Rate { per_second: NonZeroU32::new(5).unwrap(), burst: NonZeroU32::new(5).unwrap() };
/// Capacity of the negative cache; the least recently used entry is evicted first.
const NEGATIVE_ENTRIES_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LookupKey {
    pub(super) id: ExtensionId,
    pub(super) what: LookupSubject,
    pub(super) scope: Scope,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LookupSubject {
    Extension,
    Version(Tag),
    Range(String),
    Tag(Tag),
}

pub(super) struct Lookups {
    /// Keyed by `budgeted` too: beyond the budget a lookup may succeed without a request, which must
    /// not stand in for a refresh.
    under_way: SingleFlight<(ExtensionId, Scope, bool), ()>,
    pub(super) whole: SingleFlight<(ExtensionId, BackendId), ()>,
    /// Releases that are being read, each identified by its cached state.
    pub(super) releases: SingleFlight<Same<Release>, Arc<Release>>,
    negative: Mutex<BoundedLru<LookupKey, NegativeEntry>>,
}

/// Time of a negative response, and the revision of the view for which it holds.
#[derive(Clone, Copy)]
struct NegativeEntry {
    said: Instant,
    revision: u64,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            under_way: SingleFlight::default(),
            whole: SingleFlight::default(),
            releases: SingleFlight::default(),
            negative: Mutex::new(BoundedLru::new(Bounds::entries(NEGATIVE_ENTRIES_MAX))),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct LookupBudget(Mutex<TokenBucket>);

impl LookupBudget {
    pub(super) fn take(&self) -> bool {
        self.0.lock().take(LOOKUPS, Instant::now()).is_ok()
    }
}

impl Catalog {
    /// Returns true if every backend reported the absence within `negative_ttl`, in this view.
    pub(super) fn is_known_absent(&self, wanted: &LookupKey) -> bool {
        // Any change ends a negative entry, so a new extension is found as soon as it shows.
        let revision = self.view().revision;
        let no = self.lookups.negative.lock().get(wanted).copied();
        no.is_some_and(|no| no.revision == revision && no.said.elapsed() < self.rules.negative_ttl)
    }

    pub(super) fn remember_absent(&self, wanted: LookupKey) {
        let no = NegativeEntry { said: Instant::now(), revision: self.view().revision };
        self.lookups.negative.lock().put(wanted, 0, no);
    }

    /// Requests one extension. Callers share a request, which continues when they leave. Fails if a
    /// backend fails otherwise than by `NotFound`, or is late.
    pub(super) async fn lookup(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        budgeted: bool,
        deadline: Deadline,
    ) -> Result<()> {
        let (this, key) = (Arc::clone(self), (id.clone(), scope, budgeted));
        let wanted = id.clone();
        let question = move || async move { this.lookup_on_all(&wanted, scope, budgeted).await };
        let answer = deadline.wait(scope, self.lookups.under_way.ask(&key, question)).await;
        answer.map_err(|error| self.held_back(scope, error))
    }

    async fn lookup_on_all(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        budgeted: bool,
    ) -> Result<()> {
        let questions = self
            .asked(scope)
            .map(|handle| async move { (handle, self.lookup_on(handle, id, budgeted).await) });
        let mut failure = None;
        for (handle, found) in join_all(questions).await {
            match found {
                Ok(Some(read)) => {
                    let read = vec![(id.clone(), read)];
                    let mut taken = self.apply(handle, read, ReadOrigin::Caller).await;
                    failure = failure.or(taken.failures.pop().map(|(_, error)| error));
                    if taken.over_capacity > 0 {
                        failure = failure.or_else(|| Some(over_capacity(handle.id())));
                    }
                    taken.confirm(handle);
                }
                // No request was sent: the listing proves an unknown name absent.
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        // Callers look the extension up in the view next.
        self.shown().await;
        failure.map_or(Ok(()), Err)
    }

    /// Returns `None` if the budget is used up and a current listing stands in for the response.
    async fn lookup_on(
        &self,
        handle: &BackendHandle,
        id: &ExtensionId,
        budgeted: bool,
    ) -> Result<Option<Result<Extension>>> {
        if budgeted && !handle.budget.take() {
            return self.beyond_budget(handle, id).map(|()| None);
        }
        let found = handle.extension(id).await;
        handle.learned(&found);
        Ok(Some(found))
    }

    /// Returns the reason why an extension that exists is not served; `None` if no backend has it.
    pub(super) fn unserved(&self, id: &ExtensionId, scope: Scope) -> Option<Error> {
        let index = self.index.lock();
        let mut known = self.asked(scope).filter_map(|m| index.without_release(m.id(), id));
        let extension = known.next()?;
        let faults = extension.faults();
        let reasons: Vec<&str> = faults.iter().map(|fault| fault.reason.as_str()).collect();
        let because = match reasons.first() {
            Some(reason) => format!(": {reason}"),
            None => String::new(),
        };
        // A release may exist that could not be read, so a 404 would be a guess.
        if faults.iter().any(|fault| fault.unreadable) || !extension.coverage().is_complete() {
            let message = format!("Extension {id} has no release that can be read");
            return Some(Error::faulty(message).because(reasons.join("; ")));
        }
        Some(Error::not_found(format!("Extension {id} has no release{because}")))
    }

    /// Fails unless a current and complete listing proves absence.
    fn beyond_budget(&self, handle: &BackendHandle, id: &ExtensionId) -> Result<()> {
        // The name may be among those that did not fit, which no listing in memory can rule out.
        if handle.held().refused > 0 {
            return Err(over_capacity(handle.id()));
        }
        let (source, index) = (handle.id(), self.index.lock());
        let is_listed = index.has(source, id);
        let proven =
            if is_listed { index.is_whole(source, id) } else { !handle.evidence.may_name(id) };
        let has_no_release = index.without_release(source, id).is_some();
        // Released before the error is made; the rest needs only the status.
        drop(index);
        let age = handle.status.complete_age().filter(|_| proven);
        if has_no_release || age.is_some_and(|age| age <= self.rules.ttl) {
            return Ok(());
        }
        Err(asked_too_much(handle.id()))
    }
}

pub(super) fn asked_too_much(source: BackendId) -> Error {
    let message = format!("The {source} backend gets too many lookups; retry in 1 s");
    Error::unavailable(message, Duration::from_secs(1))
}

/// Time until which a read waits for backends, however many requests it sends one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// Returns the deadline of a read that begins now.
    #[must_use]
    pub fn of_a_read() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// Returns a deadline that has passed: a request is started, but not awaited.
    pub(super) fn passed() -> Self {
        Self(Instant::now())
    }

    /// Waits for a result until the deadline. The work must continue by itself when the wait ends.
    ///
    /// # Errors
    ///
    /// The result's own error; `BackendTimeout` after the deadline.
    pub async fn wait<T>(self, scope: Scope, answer: impl Future<Output = Result<T>>) -> Result<T> {
        timeout_at(self.0, answer).await.unwrap_or_else(|_| Err(late(scope)))
    }
}

fn late(scope: Scope) -> Error {
    let message = format!("{} did not answer in time; retry later", scope.subject());
    Error::new(ErrorKind::BackendTimeout, message)
}

#[cfg(test)]
#[path = "../../tests/support/memory.rs"]
#[allow(dead_code, reason = "the integration tests use all of it")]
mod memory;

#[cfg(test)]
mod tests {
    use super::memory::MemoryBackend;
    use super::*;
    use crate::catalog::{Merge, Rules};
    use crate::models::extension::About;

    fn rules() -> Rules {
        Rules {
            merge: Merge::Owner,
            allow_takeover: false,
            ttl: Duration::from_secs(300),
            stale_while_revalidate: Duration::from_secs(300),
            stale_if_error: Duration::from_secs(86_400),
            full_sweep: Duration::from_secs(3600),
            negative_ttl: Duration::from_secs(10),
            accept_changes: false,
            max_bytes: usize::MAX,
        }
    }

    #[tokio::test]
    async fn made_up_names_leave_a_bounded_trace() {
        let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
        let catalog = Catalog::new(vec![backend], rules());
        catalog.round(Scope::All).await.unwrap();
        for number in 0..3 * NEGATIVE_ENTRIES_MAX {
            let made_up = format!("made-up-{number}-provider");
            let id = ExtensionId::from_oci_repository(&made_up).unwrap();
            assert!(catalog.find(&id, Scope::All).await.unwrap_err().is_not_found());
        }
        assert_eq!(catalog.lookups.negative.lock().count(), NEGATIVE_ENTRIES_MAX);
        assert!(catalog.index.lock().owners().is_empty());
        assert_eq!(catalog.view().revision, catalog.index.lock().due_revision());
    }

    #[tokio::test]
    async fn a_refresh_does_not_join_a_lookup_beyond_its_budget() {
        let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
        let catalog = Catalog::new(vec![backend.clone()], rules());
        catalog.round(Scope::All).await.unwrap();
        let id = ExtensionId::from_oci_repository("late-provider").unwrap();
        backend.publish(&id, "1.0.0".parse().unwrap(), About::default(), "archive");
        while catalog.handles[0].budget.take() {}
        let (lookup, refresh) = tokio::join!(
            catalog.lookup(&id, Scope::All, true, Deadline::of_a_read()),
            catalog.lookup(&id, Scope::All, false, Deadline::of_a_read()),
        );
        lookup.unwrap();
        refresh.unwrap();
        assert!(catalog.view().get(&id, Scope::All).is_some(), "the refresh sends a request");
    }
}
