//! A sweep: everything that a backend lists is read. A sweep that fails half way is gone on with.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures_util::stream::{self, TryReadyChunksError};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use crate::backend::Listing;
use crate::backend::changes::{ChangeCursor, Changes, Listed};
use crate::catalog::Catalog;
use crate::catalog::intake::{
    EVERYTHING, Origin, READS_AT_ONCE, Read, is_the_backends, read_all, read_one,
    removal_not_believed,
};
use crate::catalog::member::Member;
use crate::catalog::rounds::{Outcome, Place, of_listing, of_read};
use crate::catalog::status::Question;
use crate::error::{Error, ErrorKind, Result};
use crate::models::coverage::Coverage;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;

/// Extensions that become visible together: a sweep of thousands must not show thousands of views.
const BATCH: usize = 500;
/// A sweep ends after this many failures without an answer.
const FAILURES_MAX: usize = 8;

/// How far a sweep is.
pub(super) struct Progress {
    begun: Instant,
    /// Taken before the first list, so that later changes are seen by the round after the sweep.
    cursor: Option<ChangeCursor>,
    /// Extensions that were read in it.
    done: HashSet<ExtensionId>,
}

impl Catalog {
    /// Reads everything that a backend lists, or the rest of it where the last sweep failed.
    pub(super) async fn sweep(self: &Arc<Self>, member: &Member, begun: Instant) -> Outcome<()> {
        let unfinished = member.round.take_unfinished();
        let unfinished = unfinished.filter(|one| one.begun.elapsed() < self.rules.full_sweep);
        let mut progress = match unfinished {
            Some(progress) => progress,
            None => {
                let cursor = first_cursor(member).await.map_err(of_listing)?;
                Progress { begun, cursor, done: HashSet::new() }
            }
        };
        match self.sweep_on(member, &mut progress).await {
            Ok(complete) => {
                member.status.swept(progress.begun, complete);
                let swept = Some(progress.begun.into());
                member.round.go_on_from(Place { cursor: progress.cursor, swept });
                Ok(())
            }
            Err(failure) => {
                member.round.keep_unfinished(progress);
                Err(failure)
            }
        }
    }

    /// Goes on with a sweep. Returns whether the list that it read is complete.
    async fn sweep_on(self: &Arc<Self>, member: &Member, progress: &mut Progress) -> Outcome<bool> {
        let Listing { ids, coverage, faults } =
            member.listing().await.and_then(shows_something).map_err(of_listing)?;
        member.answered(Question::Listing);
        let source = member.id();
        let complete = coverage.is_complete();
        member.evidence.sweep_begins();
        member.tell(&member.evidence.listed(Listed { coverage, faults }));
        self.change(|index| index.sweep_begins(source));

        let listed: BTreeSet<ExtensionId> = ids.iter().cloned().collect();
        let unlisted = self.unlisted(member, &listed, complete);
        self.read_listed(member, ids, progress).await?;
        // What a complete list lacks is asked for by its name before it is believed to be gone.
        let doubted = read_all(member, unlisted).await;
        self.take_in(member, doubted, Origin::Backend).await.confirm(member);

        self.change(|index| {
            index.sweep_ended(source, complete);
            index.listed(source);
            if complete {
                member.evidence.keep(|id| listed.contains(id) || index.has(source, id));
            }
        });
        Ok(complete)
    }

    /// Known extensions that a complete list lacks and that are worth asking for by name.
    fn unlisted(
        &self,
        member: &Member,
        listed: &BTreeSet<ExtensionId>,
        complete: bool,
    ) -> Vec<ExtensionId> {
        let unlisted = self.index.lock().beyond(member.id(), listed);
        if !complete {
            return Vec::new();
        }
        if listed.is_empty() && unlisted.len() > 1 {
            // Asking for each of them would not tell a backend that lost its repositories from one
            // that hides them from us.
            member.tell(member.evidence.found(removal_not_believed()).as_slice());
            return Vec::new();
        }
        member.evidence.mended(EVERYTHING, &FaultSubject::Removal);
        unlisted
    }

    /// Reads what was listed and not read in this sweep yet.
    async fn read_listed(
        self: &Arc<Self>,
        member: &Member,
        ids: Vec<ExtensionId>,
        progress: &mut Progress,
    ) -> Outcome<()> {
        let ids: Vec<_> = ids.into_iter().filter(|id| !progress.done.contains(id)).collect();
        let mut patience = Patience::default();
        let reads = stream::iter(ids)
            .map(|id| read_one(member, id))
            .buffer_unordered(READS_AT_ONCE)
            .map(|read| patience.judge(read));
        let mut batches = std::pin::pin!(reads.try_ready_chunks(BATCH));
        while let Some(batch) = batches.next().await {
            let (batch, failure) = match batch {
                Ok(batch) => (batch, None),
                Err(TryReadyChunksError(batch, error)) => (batch, Some(error)),
            };
            let read = |(id, found): &Read| {
                (!found.as_ref().is_err_and(is_the_backends)).then(|| id.clone())
            };
            progress.done.extend(batch.iter().filter_map(read));
            self.take_in(member, batch, Origin::Backend).await.confirm(member);
            if let Some(failure) = failure {
                return Err(of_read(failure));
            }
        }
        if patience.answers() {
            member.answered(Question::Read);
        }
        match patience.failure() {
            Some(error) if !self.shows_another(member).await => Err(of_read(error)),
            _ => Ok(()),
        }
    }

    /// Whether a backend shows an extension that it was not just asked for in vain.
    pub(super) async fn shows_another(self: &Arc<Self>, member: &Member) -> bool {
        let incomplete = member.evidence.incomplete();
        let canary = self.canary(member).filter(|id| incomplete.binary_search(id).is_err());
        let Some(canary) = canary else { return false };
        let read = read_one(member, canary).await;
        let shown = !read.1.as_ref().is_err_and(is_the_backends);
        if shown {
            member.answered(Question::Read);
        }
        self.take_in(member, vec![read], Origin::Backend).await.confirm(member);
        shown
    }
}

/// The cursor from which changes are asked for after the sweep. A backend that cannot give one is
/// swept each time.
async fn first_cursor(member: &Member) -> Result<Option<ChangeCursor>> {
    match member.backend.changes(None).await {
        Ok(Changes::These { cursor, .. }) => Ok(Some(cursor)),
        Err(error) if is_away(&error) => Err(error),
        Ok(Changes::CannotTell) | Err(_) => Ok(None),
    }
}

/// Whether the backend cannot be reached at all, so that there is no use in a second question.
fn is_away(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::BackendUnavailable { .. } | ErrorKind::BackendTimeout)
}

/// A list that names nothing and does not prove that there is nothing is no answer.
fn shows_something(listing: Listing) -> Result<Listing> {
    let kind = match &listing.coverage {
        _ if !listing.ids.is_empty() => return Ok(listing),
        Coverage::Complete => return Ok(listing),
        Coverage::Refused(_) => ErrorKind::BackendRefused,
        Coverage::Bounded(_) | Coverage::Partial(_) | Coverage::Nonsense(_) => {
            ErrorKind::BackendFaulty
        }
    };
    let reason = listing.coverage.reason().unwrap_or_default();
    Err(Error::new(kind, format!("The list of repositories shows nothing: {reason}")))
}

/// Ends a sweep in which nothing is answered, or nothing from some read on: a backend that went
/// away, or refuses us, after it was listed would cost a question for each of its extensions.
#[derive(Default)]
struct Patience {
    answered: usize,
    failed: usize,
    last: Option<Error>,
}

impl Patience {
    fn judge(&mut self, (id, found): Read) -> Result<Read> {
        match found {
            Err(error) if is_the_backends(&error) => {
                self.failed += 1;
                let copy = Error::new(error.kind(), error.message()).because(error.report());
                let gone = self.answered == 0 || !error.was_asked();
                if gone && self.failed >= FAILURES_MAX {
                    return Err(copy);
                }
                self.last = Some(copy);
                Ok((id, Err(error)))
            }
            found => {
                self.answered += 1;
                self.failed = 0;
                Ok((id, found))
            }
        }
    }

    const fn answers(&self) -> bool {
        self.answered > 0
    }

    /// The failure of a sweep in which every read failed.
    fn failure(self) -> Option<Error> {
        self.last.filter(|_| self.answered == 0)
    }
}
