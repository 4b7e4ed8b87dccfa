//! Sync cycles: a full sweep, or only the changes since the last cycle.

use std::collections::BTreeSet;
use std::time::Duration;

use registry_core::backend::changes::Changes;
use registry_core::error::{Error, Result};
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;
use tracing::Span;

use crate::health::status::Operation;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::canary::responds_to_another;
use crate::sync::cycle_state::{CycleOutcome, CyclePosition, of_listing, of_read};
use crate::sync::intake::{ReadOrigin, is_of_backend, read_all};
use crate::sync::removal::apply;
use crate::sync::sweep::sweep;

/// `Retry-After` for callers that waited for a cycle which failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Makes a cycle unless one has begun since the request; `seen` had begun by then.
pub(super) async fn sync(handle: &BackendHandle, seen: u64) -> Result<()> {
    let Some(_running) = handle.cycle.begin_after(seen).await else {
        return shared_outcome(handle);
    };
    let made = changes_or_sweep(handle).await;
    // Callers read the view right after the cycle, and must find its result there.
    handle.store.published().await;
    if let Err((operation, error)) = &made {
        handle.health.failed(*operation, error);
    }
    // Wakes readers that wait for the first cycle, even if it brought nothing new or failed.
    handle.store.wake();
    made.map_err(|(_, error)| error)
}

async fn changes_or_sweep(handle: &BackendHandle) -> CycleOutcome<()> {
    let begun = Instant::now();
    let position = handle.cycle.position();
    // Changes may be lost, such as a webhook while this service was down; a sweep finds them.
    let recent = position.swept.is_some_and(|at| at.elapsed() < handle.rules.full_sweep);
    if let Some(cursor) = position.cursor.filter(|_| recent)
        && let Changes::These { dirty: changed, cursor, listed } =
            handle.backend.changes(Some(&cursor)).await.map_err(of_listing)?
    {
        Span::current().record("kind", "changes");
        handle.health.succeeded(Operation::Listing);
        if let Some(listed) = listed {
            handle.health.log_faults(&handle.health.evidence.listed(listed));
        }
        read_changes(handle, changed).await?;
        handle.health.status.changed_since(begun);
        handle.cycle.set_position(CyclePosition { cursor: Some(cursor), ..position });
        return Ok(());
    }
    Span::current().record("kind", "sweep");
    sweep(handle, begun).await
}

/// Reads what changed, and again what the last read left incomplete. Fails if the backend reports
/// changes and then responds to no read.
async fn read_changes(handle: &BackendHandle, changed: Vec<ExtensionId>) -> CycleOutcome<()> {
    let changed: BTreeSet<ExtensionId> = changed.into_iter().collect();
    let incomplete = handle.health.evidence.incomplete();
    let again = incomplete.into_iter().filter(|id| !changed.contains(id));
    let ids: Vec<ExtensionId> = changed.iter().cloned().chain(again).collect();
    let (all, begun) = (ids.len(), Instant::now());
    let mut report = apply(handle, read_all(handle, ids).await, ReadOrigin::Backend).await;
    if report.over_capacity > 0 {
        handle.change_refusals(|refusals| refusals.plus(report.over_capacity));
    }
    let in_vain = report.failures.iter().filter(|(_, error)| is_of_backend(error)).count();
    if all > in_vain {
        handle.health.succeeded(Operation::Read);
    } else if all > 0 && !responds_to_another(handle).await {
        // No read succeeded, not even that of another extension: the backend is down.
        let failure = report.failures.pop().map(|(_, error)| of_read(error));
        report.schedule_confirmation(handle);
        return failure.map_or(Ok(()), Err);
    }
    // A failed read is repeated soon: the next cycle may be minutes away.
    let failed = std::mem::take(&mut report.failures).into_iter().map(|(id, _)| id);
    let soon = failed.chain(std::mem::take(&mut report.incomplete));
    // Incomplete extensions are read in every cycle anyway, so only changed ones are scheduled.
    let soon: Vec<ExtensionId> = soon.filter(|id| changed.contains(id)).collect();
    handle.refreshes.change(|queue| {
        for id in soon {
            queue.enqueue_incomplete(id, begun);
        }
    });
    report.schedule_confirmation(handle);
    Ok(())
}

/// Returns the outcome of a cycle that another caller made.
pub(super) fn shared_outcome(handle: &BackendHandle) -> Result<()> {
    if !handle.health.status.is_failing() {
        return Ok(());
    }
    let message = format!("The {} backend did not answer", handle.id());
    Err(Error::unavailable(message, RETRY_AFTER))
}
