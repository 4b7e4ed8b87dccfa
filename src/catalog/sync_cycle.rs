//! Rounds over a backend: a full sweep, or only the changes since the last round.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::backend::changes::{ChangeCursor, Changes};
use crate::catalog::Catalog;
use crate::catalog::apply::{ReadOrigin, is_the_backends, read_all};
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::persistent_instant::PersistentInstant;
use crate::catalog::status::Operation;
use crate::catalog::sweep::Progress;
use crate::error::{Error, ErrorKind, Result};
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// `Retry-After` for callers that waited for a round which failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Progress of the rounds over one backend. A round serves every request that came before it.
#[derive(Default)]
pub(crate) struct CycleState {
    begun: AtomicU64,
    running: tokio::sync::Mutex<()>,
    /// Apart from `running`, so that it can be read during a round.
    place: Mutex<CyclePosition>,
    unfinished: Mutex<Option<Progress>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CyclePosition {
    pub(super) cursor: Option<ChangeCursor>,
    pub(super) swept: Option<PersistentInstant>,
}

impl CycleState {
    pub(super) fn place(&self) -> CyclePosition {
        self.place.lock().clone()
    }

    pub(super) fn go_on_from(&self, place: CyclePosition) {
        *self.place.lock() = place;
    }

    pub(super) fn take_unfinished(&self) -> Option<Progress> {
        self.unfinished.lock().take()
    }

    pub(super) fn keep_unfinished(&self, progress: Progress) {
        *self.unfinished.lock() = Some(progress);
    }
}

impl Catalog {
    /// Makes one round over a backend, or over all. Concurrent callers share it, and it continues
    /// when they leave.
    ///
    /// # Errors
    ///
    /// The first failure of a backend. The rounds of the other backends are completed nevertheless.
    pub async fn round(self: &Arc<Self>, scope: Scope) -> Result<()> {
        let rounds = self.asked(scope).map(|handle| {
            let (this, scope) = (Arc::clone(self), handle.id());
            // Before the task starts: a round that begins from now on sees the caller's changes.
            let seen = handle.round.begun.load(Ordering::Acquire);
            let span = info_span!("catalog.sync", backend = %scope, kind = Empty);
            tokio::spawn(async move { this.round_of(scope, seen).await }.instrument(span))
        });
        let outcomes = join_all(rounds).await.into_iter().map(|outcome| {
            outcome.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Internal, "A sync cycle was aborted").because(error))
            })
        });
        outcomes.fold(Ok(()), Result::and)
    }

    /// Makes a round unless one has begun since the request; `seen` had begun by then.
    async fn round_of(self: &Arc<Self>, backend: BackendId, seen: u64) -> Result<()> {
        let Some(handle) = self.handle(backend) else { return Ok(()) };
        let _running = handle.round.running.lock().await;
        // A round that began while this one waited for the lock has covered the request.
        if handle.round.begun.load(Ordering::Acquire) > seen {
            return shared_outcome(handle);
        }
        handle.round.begun.fetch_add(1, Ordering::AcqRel);
        let made = self.changes_or_sweep(handle).await;
        // Callers read the view right after the round, and must find its result there.
        self.shown().await;
        if let Err((question, error)) = &made {
            handle.failed(*question, error);
        }
        // Wakes readers that wait for the first round, even if it brought nothing new or failed.
        self.view.send_modify(|_| ());
        made.map_err(|(_, error)| error)
    }

    async fn changes_or_sweep(self: &Arc<Self>, handle: &BackendHandle) -> CycleOutcome<()> {
        let begun = Instant::now();
        let place = handle.round.place();
        // Changes may be lost, such as a webhook while this service was down; a sweep finds them.
        let recent = place.swept.is_some_and(|at| at.elapsed() < self.rules.full_sweep);
        if let Some(cursor) = place.cursor.filter(|_| recent)
            && let Changes::These { dirty, cursor, listed } =
                handle.backend.changes(Some(&cursor)).await.map_err(of_listing)?
        {
            Span::current().record("kind", "changes");
            handle.answered(Operation::Listing);
            if let Some(listed) = listed {
                handle.tell(&handle.evidence.listed(listed));
            }
            self.read_changes(handle, dirty).await?;
            handle.status.changed_since(begun);
            handle.round.go_on_from(CyclePosition { cursor: Some(cursor), ..place });
            return Ok(());
        }
        Span::current().record("kind", "sweep");
        self.sweep(handle, begun).await
    }

    /// Reads what changed, and again what the last read left incomplete. Fails if the backend
    /// reports changes and then responds to no read.
    async fn read_changes(
        self: &Arc<Self>,
        handle: &BackendHandle,
        dirty: Vec<ExtensionId>,
    ) -> CycleOutcome<()> {
        let changed: BTreeSet<ExtensionId> = dirty.into_iter().collect();
        let incomplete = handle.evidence.incomplete();
        let again = incomplete.into_iter().filter(|id| !changed.contains(id));
        let ids: Vec<ExtensionId> = changed.iter().cloned().chain(again).collect();
        let (asked, begun) = (ids.len(), Instant::now());
        let mut taken = self.apply(handle, read_all(handle, ids).await, ReadOrigin::Backend).await;
        self.change(|index| index.refuse(handle.id(), taken.over_capacity));
        let in_vain = taken.failures.iter().filter(|(_, error)| is_the_backends(error)).count();
        if asked > in_vain {
            handle.answered(Operation::Read);
        } else if asked > 0 && !self.shows_another(handle).await {
            // No read succeeded, not even that of another extension: the backend is down.
            let failure = taken.failures.pop().map(|(_, error)| of_read(error));
            taken.confirm(handle);
            return failure.map_or(Ok(()), Err);
        }
        // A failed read is repeated soon: the next round may be minutes away.
        let failed = std::mem::take(&mut taken.failures).into_iter().map(|(id, _)| id);
        let soon = failed.chain(std::mem::take(&mut taken.lacking));
        // Incomplete extensions are read in every round anyway, so only changed ones are scheduled.
        let soon: Vec<ExtensionId> = soon.filter(|id| changed.contains(id)).collect();
        handle.mark(|dirty| soon.into_iter().for_each(|id| dirty.enqueue_incomplete(id, begun)));
        taken.confirm(handle);
        Ok(())
    }
}

/// The result of a part of a round; a failure comes with the kind of request that failed.
pub(super) type CycleOutcome<T> = Result<T, (Operation, Error)>;

pub(super) const fn of_listing(error: Error) -> (Operation, Error) {
    (Operation::Listing, error)
}

pub(super) const fn of_read(error: Error) -> (Operation, Error) {
    (Operation::Read, error)
}

fn shared_outcome(handle: &BackendHandle) -> Result<()> {
    if !handle.status.is_failing() {
        return Ok(());
    }
    let message = format!("The {} backend did not answer", handle.id());
    Err(Error::unavailable(message, RETRY_AFTER))
}
