//! Full sweep: reads everything that a backend lists. A sweep that failed half way is continued.

use std::collections::{BTreeSet, HashSet};

use futures_util::stream::{self, TryReadyChunksError};
use futures_util::{StreamExt as _, TryStreamExt as _};
use registry_core::backend::Listing;
use registry_core::backend::changes::{ChangeCursor, Changes, Listed};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::coverage::Coverage;
use registry_core::models::fault::FaultSubject;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

use crate::health::status::Operation;
use crate::index::capacity::Refusals;
use crate::index::delta::BackendDelta;
use crate::sync::abort_rule::AbortRule;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::canary::responds_to_another;
use crate::sync::cycle_state::{CycleOutcome, CyclePosition, SweepProgress, of_listing, of_read};
use crate::sync::intake::{
    READS_AT_ONCE, ReadOrigin, ReadResult, is_of_backend, read_all, read_one,
};
use crate::sync::removal::{EVERYTHING, apply, removal_not_believed};

/// Number of extensions that become visible together, which bounds the number of views.
const BATCH: usize = 500;

pub(super) async fn sweep(handle: &BackendHandle, begun: Instant) -> CycleOutcome<()> {
    let unfinished = handle.cycle.take_unfinished();
    // Reads of a sweep that began too long ago are not current, so it starts over.
    let unfinished = unfinished.filter(|one| one.begun.elapsed() < handle.rules.full_sweep);
    let mut progress = if let Some(progress) = unfinished {
        progress
    } else {
        let cursor = first_cursor(handle).await.map_err(of_listing)?;
        handle.change_refusals(Refusals::before_sweep);
        SweepProgress { begun, cursor, done: HashSet::new(), refused: 0 }
    };
    match sweep_on(handle, &mut progress).await {
        Ok(complete) => {
            // The start counts, not the end: data read at the start has that age.
            handle.health.status.swept(progress.begun, complete);
            let swept = Some(progress.begun.into());
            handle.cycle.set_position(CyclePosition { cursor: progress.cursor, swept });
            Ok(())
        }
        Err(failure) => {
            handle.cycle.keep_unfinished(progress);
            Err(failure)
        }
    }
}

/// Continues a sweep. Returns true if its listing is complete.
async fn sweep_on(handle: &BackendHandle, progress: &mut SweepProgress) -> CycleOutcome<bool> {
    let Listing { ids, coverage, faults } =
        handle.listing().await.and_then(lists_something).map_err(of_listing)?;
    handle.health.succeeded(Operation::Listing);
    let complete = coverage.is_complete();
    let evidence = &handle.health.evidence;
    evidence.sweep_begins();
    handle.health.log_faults(&evidence.listed(Listed { coverage, faults }));

    let listed: BTreeSet<ExtensionId> = ids.iter().cloned().collect();
    let unlisted = unlisted(handle, &listed, complete);
    read_listed(handle, ids, progress).await?;
    // An extension that a complete listing lacks is read by name before it counts as gone.
    let unlisted = read_all(handle, unlisted).await;
    take(handle, unlisted, progress).await;
    end(handle, complete.then_some(&listed), progress.refused);
    Ok(complete)
}

/// Marks the backend as listed; `listed` has the names of a complete listing.
fn end(handle: &BackendHandle, listed: Option<&BTreeSet<ExtensionId>>, refused: usize) {
    let of = handle.id();
    handle.store.change(|change| {
        let Some(known) = change.backend(of) else { return };
        let refusals = known.refusals().after_sweep(listed.is_some(), refused);
        if let Some(listed) = listed {
            // Faults of repositories that are gone would stay in `/health` for good.
            let exists = |id: &ExtensionId| listed.contains(id) || known.get(id).is_some();
            handle.health.evidence.keep(exists);
        }
        change.apply_to(of, BackendDelta::Refused(refusals));
        change.apply_to(of, BackendDelta::Listed);
    });
}

/// Returns known extensions that a complete listing lacks and that should be read by name.
fn unlisted(
    handle: &BackendHandle,
    listed: &BTreeSet<ExtensionId>,
    complete: bool,
) -> Vec<ExtensionId> {
    if !complete {
        return Vec::new();
    }
    let unlisted = handle.store.read_backend(handle.id(), |known| {
        known.names().filter(|id| !listed.contains(*id)).cloned().collect::<Vec<_>>()
    });
    let unlisted = unlisted.unwrap_or_default();
    let evidence = &handle.health.evidence;
    if listed.is_empty() && unlisted.len() > 1 {
        // A read of each would not show if the backend lost its repositories or hides them.
        handle.health.log_faults(evidence.found(removal_not_believed()).as_slice());
        return Vec::new();
    }
    evidence.mended(EVERYTHING, &FaultSubject::Removal);
    unlisted
}

async fn read_listed(
    handle: &BackendHandle,
    ids: Vec<ExtensionId>,
    progress: &mut SweepProgress,
) -> CycleOutcome<()> {
    let ids: Vec<_> = ids.into_iter().filter(|id| !progress.done.contains(id)).collect();
    let mut rule = AbortRule::default();
    let reads = stream::iter(ids)
        .map(|id| read_one(handle, id))
        .buffer_unordered(READS_AT_ONCE)
        .map(|read| rule.judge(read));
    // Chunks of what is ready: a slow read does not hold back those that are finished.
    let mut batches = std::pin::pin!(reads.try_ready_chunks(BATCH));
    while let Some(batch) = batches.next().await {
        let (batch, failure) = match batch {
            Ok(batch) => (batch, None),
            Err(TryReadyChunksError(batch, error)) => (batch, Some(error)),
        };
        // A read that failed because of the backend is repeated when the sweep continues.
        let read = batch.iter().filter(|it| !it.outcome.as_ref().is_err_and(is_of_backend));
        progress.done.extend(read.map(|it| it.id.clone()));
        take(handle, batch, progress).await;
        if let Some(failure) = failure {
            return Err(of_read(failure));
        }
    }
    if rule.has_success() {
        handle.health.succeeded(Operation::Read);
    }
    // Reads of other extensions may work although every listed one failed.
    match rule.failure() {
        Some(error) if !responds_to_another(handle).await => Err(of_read(error)),
        _ => Ok(()),
    }
}

async fn take(handle: &BackendHandle, reads: Vec<ReadResult>, progress: &mut SweepProgress) {
    let report = apply(handle, reads, ReadOrigin::Backend).await;
    progress.refused += report.over_capacity;
    report.schedule_confirmation(handle);
}

/// Returns `None` for a backend without cursors, which is swept every time.
async fn first_cursor(handle: &BackendHandle) -> Result<Option<ChangeCursor>> {
    match handle.backend.changes(None).await {
        Ok(Changes::These { cursor, .. }) => Ok(Some(cursor)),
        // A second request is of no use.
        Err(error) if error.kind().is_unreachable() => Err(error),
        // Any other failure, such as a server without this API, still allows a sweep.
        Ok(Changes::CannotTell) | Err(_) => Ok(None),
    }
}

/// Rejects a listing that is empty without proof that the backend is empty.
fn lists_something(listing: Listing) -> Result<Listing> {
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
