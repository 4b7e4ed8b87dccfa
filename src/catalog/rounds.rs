//! Rounds over a backend: a sweep of everything, or only the changes since the last round.

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

/// When a round that others waited for, and that failed, is worth asking for again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How far the rounds over one backend are. Callers who want a round share one: a round that
/// begins after a caller asked is theirs too.
#[derive(Default)]
pub(crate) struct RoundState {
    begun: AtomicU64,
    running: tokio::sync::Mutex<()>,
    /// Beside the lock of the running round, so that it can be looked at during one.
    place: Mutex<Place>,
    /// A sweep that failed half way.
    unfinished: Mutex<Option<Progress>>,
}

/// Where the next round goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// What the backend is asked for changes since.
    pub(super) cursor: Option<ChangeCursor>,
    /// When everything was last read.
    pub(super) swept: Option<Moment>,
}

impl RoundState {
    /// Where the next round goes on.
    pub(super) fn place(&self) -> Place {
        self.place.lock().clone()
    }

    /// From now on rounds go on from here.
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
    /// Makes one round over a backend, or over all, shared with every caller who asked meanwhile.
    /// The round goes on when its callers leave.
    ///
    /// # Errors
    /// The first failure of a backend asked; the others' rounds were made nevertheless.
    pub async fn round(self: &Arc<Self>, scope: Scope) -> Result<()> {
        let rounds = self.asked(scope).map(|member| {
            let (this, scope) = (Arc::clone(self), member.id());
            let seen = member.round.begun.load(Ordering::Acquire);
            tokio::spawn(async move { this.round_of(scope, seen).await })
        });
        let cut_short = |error: tokio::task::JoinError| {
            Err(Error::new(ErrorKind::Internal, "A round was cut short").because(error))
        };
        let outcomes = join_all(rounds).await.into_iter();
        outcomes.map(|outcome| outcome.unwrap_or_else(cut_short)).fold(Ok(()), Result::and)
    }

    /// `seen` is how many rounds had begun when the caller asked.
    async fn round_of(self: &Arc<Self>, backend: BackendId, seen: u64) -> Result<()> {
        let Some(member) = self.member(backend) else { return Ok(()) };
        let _running = member.round.running.lock().await;
        if member.round.begun.load(Ordering::Acquire) > seen {
            return shared_outcome(member);
        }
        member.round.begun.fetch_add(1, Ordering::AcqRel);
        let made = self.changes_or_sweep(member).await;
        self.shown().await;
        if let Err((question, error)) = &made {
            member.failed(*question, error);
        }
        // Perhaps nothing new to see, but who waits for a round need not wait on.
        self.view.send_modify(|_| ());
        made.map_err(|(_, error)| error)
    }

    async fn changes_or_sweep(self: &Arc<Self>, member: &Member) -> Outcome<()> {
        let begun = Instant::now();
        let place = member.round.place();
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

    /// Reads what changed, and again what the last read did not prove. A backend that tells what
    /// changed and then answers no read is not current.
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
            let failure = taken.failures.pop().map(|(_, error)| of_read(error));
            taken.confirm(member);
            return failure.map_or(Ok(()), Err);
        }
        // A read that failed is tried soon: the next round may be minutes away.
        let failed = std::mem::take(&mut taken.failures).into_iter().map(|(id, _)| id);
        let soon = failed.chain(std::mem::take(&mut taken.lacking));
        let soon: Vec<ExtensionId> = soon.filter(|id| changed.contains(id)).collect();
        member.mark(|dirty| soon.into_iter().for_each(|id| dirty.lacking(id, begun)));
        taken.confirm(member);
        Ok(())
    }
}

/// The result of a part of a round; a failure with the question that failed.
pub(super) type Outcome<T> = Result<T, (Question, Error)>;

/// A failed list or change question.
pub(super) const fn of_listing(error: Error) -> (Question, Error) {
    (Question::Listing, error)
}

/// A failed read.
pub(super) const fn of_read(error: Error) -> (Question, Error) {
    (Question::Read, error)
}

/// How the round ended that another caller had begun.
fn shared_outcome(member: &Member) -> Result<()> {
    if !member.status.is_failing() {
        return Ok(());
    }
    let message = format!("The {} backend did not answer", member.id());
    Err(Error::unavailable(message, RETRY_AFTER))
}
