//! Rounds over a backend: a full sweep, or only the changes since the last round.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backend::changes::{ChangeCursor, Changes};
use crate::catalog::Catalog;
use crate::catalog::intake::{Origin, is_the_backends, read_all};
use crate::catalog::member::Member;
use crate::catalog::moment::Moment;
use crate::catalog::status::Question;
use crate::catalog::sweep::Progress;
use crate::error::{Error, ErrorKind, Result};
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// `Retry-After` for callers that waited for a round which failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Progress of the rounds over one backend. Callers share rounds: one that begins after a request
/// came in serves that request too.
#[derive(Default)]
pub(crate) struct RoundState {
    begun: AtomicU64,
    running: tokio::sync::Mutex<()>,
    /// Apart from `running`, so that it can be read during a round.
    place: Mutex<Place>,
    /// A sweep that failed half way.
    unfinished: Mutex<Option<Progress>>,
}

/// The position from which the next round continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Cursor for the backend's changes.
    pub(super) cursor: Option<ChangeCursor>,
    /// Start of the last full sweep.
    pub(super) swept: Option<Moment>,
}

impl RoundState {
    /// Returns the position for the next round.
    pub(super) fn place(&self) -> Place {
        self.place.lock().clone()
    }

    /// Sets the position for the next round.
    pub(super) fn go_on_from(&self, place: Place) {
        *self.place.lock() = place;
    }

    /// Takes the sweep that failed half way.
    pub(super) fn take_unfinished(&self) -> Option<Progress> {
        self.unfinished.lock().take()
    }

    /// Keeps a sweep that failed half way for the next round.
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
        let rounds = self.asked(scope).map(|member| {
            let (this, scope) = (Arc::clone(self), member.id());
            // Read before the task starts: a round that begins from now on sees the caller's
            // changes.
            let seen = member.round.begun.load(Ordering::Acquire);
            tokio::spawn(async move { this.round_of(scope, seen).await })
        });
        let cut_short = |error: tokio::task::JoinError| {
            Err(Error::new(ErrorKind::Internal, "A round was cut short").because(error))
        };
        let outcomes = join_all(rounds).await.into_iter();
        outcomes.map(|outcome| outcome.unwrap_or_else(cut_short)).fold(Ok(()), Result::and)
    }

    /// Makes a round unless one has begun since. `seen` is the number of rounds begun at the
    /// request.
    async fn round_of(self: &Arc<Self>, backend: BackendId, seen: u64) -> Result<()> {
        let Some(member) = self.member(backend) else { return Ok(()) };
        let _running = member.round.running.lock().await;
        // A round that began while this one waited for the lock has covered the request.
        if member.round.begun.load(Ordering::Acquire) > seen {
            return shared_outcome(member);
        }
        member.round.begun.fetch_add(1, Ordering::AcqRel);
        let made = self.changes_or_sweep(member).await;
        // Callers read the view right after the round, and must find its result there.
        self.shown().await;
        if let Err((question, error)) = &made {
            member.failed(*question, error);
        }
        // Wakes readers that wait for the first round, even if it brought nothing new or failed.
        self.view.send_modify(|_| ());
        made.map_err(|(_, error)| error)
    }

    async fn changes_or_sweep(self: &Arc<Self>, member: &Member) -> Outcome<()> {
        let begun = Instant::now();
        let place = member.round.place();
        // Changes may be lost, for example a webhook while this service was down; a sweep finds
        // them.
        let recent = place.swept.is_some_and(|at| at.elapsed() < self.rules.full_sweep);
        if let Some(cursor) = place.cursor.filter(|_| recent)
            && let Changes::These { dirty, cursor, listed } =
                member.backend.changes(Some(&cursor)).await.map_err(of_listing)?
        {
            member.answered(Question::Listing);
            if let Some(listed) = listed {
                member.tell(&member.evidence.listed(listed));
            }
            self.read_changes(member, dirty).await?;
            member.status.changed_since(begun);
            member.round.go_on_from(Place { cursor: Some(cursor), ..place });
            return Ok(());
        }
        self.sweep(member, begun).await
    }

    /// Reads what changed, and again what the last read left incomplete. Fails if the backend
    /// reports changes and then responds to no read.
    async fn read_changes(
        self: &Arc<Self>,
        member: &Member,
        dirty: Vec<ExtensionId>,
    ) -> Outcome<()> {
        let changed: BTreeSet<ExtensionId> = dirty.into_iter().collect();
        let incomplete = member.evidence.incomplete();
        let again = incomplete.into_iter().filter(|id| !changed.contains(id));
        let ids: Vec<ExtensionId> = changed.iter().cloned().chain(again).collect();
        let (asked, begun) = (ids.len(), Instant::now());
        let mut taken = self.take_in(member, read_all(member, ids).await, Origin::Backend).await;
        let in_vain = taken.failures.iter().filter(|(_, error)| is_the_backends(error)).count();
        if asked > in_vain {
            member.answered(Question::Read);
        } else if asked > 0 && !self.shows_another(member).await {
            // No read succeeded, not even that of another extension: the backend is down.
            let failure = taken.failures.pop().map(|(_, error)| of_read(error));
            taken.confirm(member);
            return failure.map_or(Ok(()), Err);
        }
        // A failed read is repeated soon: the next round may be minutes away.
        let failed = std::mem::take(&mut taken.failures).into_iter().map(|(id, _)| id);
        let soon = failed.chain(std::mem::take(&mut taken.lacking));
        // Incomplete extensions are read in every round anyway, so only changed ones are scheduled.
        let soon: Vec<ExtensionId> = soon.filter(|id| changed.contains(id)).collect();
        member.mark(|dirty| soon.into_iter().for_each(|id| dirty.lacking(id, begun)));
        taken.confirm(member);
        Ok(())
    }
}

/// The result of a part of a round; a failure comes with the kind of request that failed.
pub(super) type Outcome<T> = Result<T, (Question, Error)>;

/// Attributes a failure to a request for the list or the changes.
pub(super) const fn of_listing(error: Error) -> (Question, Error) {
    (Question::Listing, error)
}

/// Attributes a failure to a read.
pub(super) const fn of_read(error: Error) -> (Question, Error) {
    (Question::Read, error)
}

/// Returns the outcome of a round that another caller had begun.
fn shared_outcome(member: &Member) -> Result<()> {
    if !member.status.is_failing() {
        return Ok(());
    }
    let message = format!("The {} backend did not answer", member.id());
    Err(Error::unavailable(message, RETRY_AFTER))
}
