//! Full sweep: reads everything that a backend lists. A sweep that failed half way is continued.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures_util::stream::{self, TryReadyChunksError};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use crate::backend::Listing;
use crate::backend::changes::{ChangeCursor, Changes, Listed};
use crate::catalog::Catalog;
use crate::catalog::apply::{
    EVERYTHING, READS_AT_ONCE, Read, ReadOrigin, is_the_backends, read_all, read_one,
    removal_not_believed,
};
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::status::Operation;
use crate::catalog::sync_cycle::{CycleOutcome, CyclePosition, of_listing, of_read};
use crate::error::{Error, ErrorKind, Result};
use crate::models::coverage::Coverage;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;

/// Number of extensions that become visible together, which bounds the number of views.
const BATCH: usize = 500;
const FAILURES_MAX: usize = 8;

pub(super) struct Progress {
    begun: Instant,
    /// Taken before the first listing, so that the round after the sweep sees later changes.
    cursor: Option<ChangeCursor>,
    done: HashSet<ExtensionId>,
    /// Number of extensions that did not fit.
    refused: usize,
}

impl Catalog {
    pub(super) async fn sweep(
        self: &Arc<Self>,
        handle: &BackendHandle,
        begun: Instant,
    ) -> CycleOutcome<()> {
        let unfinished = handle.round.take_unfinished();
        // Reads of a sweep that began too long ago are not current, so it starts over.
        let unfinished = unfinished.filter(|one| one.begun.elapsed() < self.rules.full_sweep);
        let mut progress = match unfinished {
            Some(progress) => progress,
            None => {
                let cursor = first_cursor(handle).await.map_err(of_listing)?;
                self.change(|index| index.sweep_begins(handle.id()));
                Progress { begun, cursor, done: HashSet::new(), refused: 0 }
            }
        };
        match self.sweep_on(handle, &mut progress).await {
            Ok(complete) => {
                // The start counts, not the end: data read at the start has that age.
                handle.status.swept(progress.begun, complete);
                let swept = Some(progress.begun.into());
                handle.round.go_on_from(CyclePosition { cursor: progress.cursor, swept });
                Ok(())
            }
            Err(failure) => {
                handle.round.keep_unfinished(progress);
                Err(failure)
            }
        }
    }

    /// Continues a sweep. Returns true if its listing is complete.
    async fn sweep_on(
        self: &Arc<Self>,
        handle: &BackendHandle,
        progress: &mut Progress,
    ) -> CycleOutcome<bool> {
        let Listing { ids, coverage, faults } =
            handle.listing().await.and_then(shows_something).map_err(of_listing)?;
        handle.answered(Operation::Listing);
        let source = handle.id();
        let complete = coverage.is_complete();
        handle.evidence.sweep_begins();
        handle.tell(&handle.evidence.listed(Listed { coverage, faults }));

        let listed: BTreeSet<ExtensionId> = ids.iter().cloned().collect();
        let unlisted = self.unlisted(handle, &listed, complete);
        self.read_listed(handle, ids, progress).await?;
        // An extension that a complete listing lacks is read by name before it counts as gone.
        let doubted = read_all(handle, unlisted).await;
        let report = self.apply(handle, doubted, ReadOrigin::Backend).await;
        progress.refused += report.over_capacity;
        report.confirm(handle);

        let refused = progress.refused;
        self.change(|index| {
            index.sweep_ended(source, complete, refused);
            index.listed(source);
            if complete {
                // Faults of repositories that are gone would stay in `/health` for good.
                handle.evidence.keep(|id| listed.contains(id) || index.has(source, id));
            }
        });
        Ok(complete)
    }

    /// Returns known extensions that a complete listing lacks and that should be read by name.
    fn unlisted(
        &self,
        handle: &BackendHandle,
        listed: &BTreeSet<ExtensionId>,
        complete: bool,
    ) -> Vec<ExtensionId> {
        let unlisted = self.index.lock().beyond(handle.id(), listed);
        if !complete {
            return Vec::new();
        }
        if listed.is_empty() && unlisted.len() > 1 {
            // A read of each would not show if the backend lost its repositories or hides them.
            handle.tell(handle.evidence.found(removal_not_believed()).as_slice());
            return Vec::new();
        }
        handle.evidence.mended(EVERYTHING, &FaultSubject::Removal);
        unlisted
    }

    async fn read_listed(
        self: &Arc<Self>,
        handle: &BackendHandle,
        ids: Vec<ExtensionId>,
        progress: &mut Progress,
    ) -> CycleOutcome<()> {
        let ids: Vec<_> = ids.into_iter().filter(|id| !progress.done.contains(id)).collect();
        let mut patience = AbortRule::default();
        let reads = stream::iter(ids)
            .map(|id| read_one(handle, id))
            .buffer_unordered(READS_AT_ONCE)
            .map(|read| patience.judge(read));
        // Chunks of what is ready: a slow read does not hold back those that are finished.
        let mut batches = std::pin::pin!(reads.try_ready_chunks(BATCH));
        while let Some(batch) = batches.next().await {
            let (batch, failure) = match batch {
                Ok(batch) => (batch, None),
                Err(TryReadyChunksError(batch, error)) => (batch, Some(error)),
            };
            // A read that failed because of the backend is repeated when the sweep continues.
            let read = batch.iter().filter(|(_, read)| !read.as_ref().is_err_and(is_the_backends));
            progress.done.extend(read.map(|(id, _)| id.clone()));
            let report = self.apply(handle, batch, ReadOrigin::Backend).await;
            progress.refused += report.over_capacity;
            report.confirm(handle);
            if let Some(failure) = failure {
                return Err(of_read(failure));
            }
        }
        if patience.answers() {
            handle.answered(Operation::Read);
        }
        // Reads of other extensions may work although every listed one failed.
        match patience.failure() {
            Some(error) if !self.shows_another(handle).await => Err(of_read(error)),
            _ => Ok(()),
        }
    }

    pub(super) async fn shows_another(self: &Arc<Self>, handle: &BackendHandle) -> bool {
        let incomplete = handle.evidence.incomplete();
        let canary = self.canary(handle).filter(|id| incomplete.binary_search(id).is_err());
        let Some(canary) = canary else { return false };
        let read = read_one(handle, canary).await;
        let shown = !read.1.as_ref().is_err_and(is_the_backends);
        if shown {
            handle.answered(Operation::Read);
        }
        self.apply(handle, vec![read], ReadOrigin::Backend).await.confirm(handle);
        shown
    }
}

/// Returns `None` for a backend without cursors, which is swept every time.
async fn first_cursor(handle: &BackendHandle) -> Result<Option<ChangeCursor>> {
    match handle.backend.changes(None).await {
        Ok(Changes::These { cursor, .. }) => Ok(Some(cursor)),
        Err(error) if is_away(&error) => Err(error),
        // Any other failure, such as a server without this API, still allows a sweep.
        Ok(Changes::CannotTell) | Err(_) => Ok(None),
    }
}

/// Returns true if the backend cannot be reached, so that a second request is of no use.
fn is_away(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::BackendUnavailable { .. } | ErrorKind::BackendTimeout)
}

/// Rejects a listing that is empty without proof that the backend is empty.
fn shows_something(listing: Listing) -> Result<Listing> {
    let kind = match &listing.coverage {
        _ if !listing.ids.is_empty() => return Ok(listing),
        // An empty backend is a valid state, for example right after an installation.
        Coverage::Complete => return Ok(listing),
        Coverage::Refused(_) => ErrorKind::BackendRefused,
        Coverage::Bounded(_) | Coverage::Partial(_) | Coverage::Nonsense(_) => {
            ErrorKind::BackendFaulty
        }
    };
    let reason = listing.coverage.reason().unwrap_or_default();
    Err(Error::new(kind, format!("The list of repositories is empty:  {reason}")))
}

/// Ends a sweep in which no read succeeds: a backend that became unreachable after its listing
/// would cost a request for each extension.
#[derive(Default)]
struct AbortRule {
    answered: usize,
    failed: usize,
    last: Option<Error>,
}

impl AbortRule {
    fn judge(&mut self, (id, found): Read) -> Result<Read> {
        match found {
            Err(error) if is_the_backends(&error) => {
                self.failed += 1;
                // Failures between successes, such as timeouts of large repositories, end no sweep.
                let gone = self.answered == 0 || !error.was_asked();
                if gone && self.failed >= FAILURES_MAX {
                    return Err(error);
                }
                self.last = Some(error.clone());
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

    fn failure(self) -> Option<Error> {
        self.last.filter(|_| self.answered == 0)
    }
}
