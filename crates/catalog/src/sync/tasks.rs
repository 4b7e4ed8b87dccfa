//! The tasks of one backend: one makes sync cycles, and one reads single extensions after webhooks
//! and when they are old.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::naming::ExtensionId;
use tokio::time::{Instant, timeout};
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

use crate::LOG_TARGET;
use crate::share::requests::RequestSubject;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::cycle::{shared_outcome, sync};
use crate::sync::intake::{READS_AT_ONCE, ReadOrigin, is_of_backend, read_one};
use crate::sync::refresh_queue::RefreshOutcome;
use crate::sync::removal::apply;

/// Pause after a failed cycle. It doubles up to [`RETRY_MAX`] with each further failure.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Pause before the next cycle while extensions are unread. It doubles up to the time to live.
const INCOMPLETE_PAUSE: Duration = Duration::from_secs(15);
/// Maximum wait for a cycle of another replica, which callers bound further.
const CYCLE_MAX: Duration = Duration::from_secs(5);

pub(super) async fn keep_current(handle: Arc<BackendHandle>) {
    let ttl = handle.rules.ttl;
    let mut retry = RETRY;
    let mut incomplete_pause = INCOMPLETE_PAUSE;
    loop {
        handle.may_cycle().await;
        if sync_in_task(&handle).await.is_ok() {
            retry = RETRY;
            let mut pause = ttl;
            if handle.health.evidence.incomplete().is_empty() {
                incomplete_pause = INCOMPLETE_PAUSE;
            } else {
                // Responses carry a degraded mark until the rest is read. A permanently broken
                // repository must not cause cycles at this rate forever, so the pause doubles.
                pause = pause.min(incomplete_pause);
                incomplete_pause = (incomplete_pause * 2).min(ttl);
            }
            // A directory backend notices changes by itself and cuts the pause short.
            let ended = async {
                tokio::select! {
                    biased;
                    () = handle.backend.changed() => {}
                    () = handle.takes_over() => {}
                }
            };
            timeout(pause, ended).await.unwrap_or_default();
        } else {
            // Waits for the first event: a long pause must not outlast a short outage.
            let ended = async {
                tokio::select! {
                    biased;
                    () = handle.health.recovers() => {}
                    () = handle.backend.changed() => {}
                    () = handle.takes_over() => {}
                }
            };
            timeout(retry.min(ttl), ended).await.unwrap_or_default();
            retry = (retry * 2).min(RETRY_MAX);
        }
    }
}

/// Makes a cycle, or has the replica make it that reads the backend for all.
pub(super) async fn sync_once(handle: &Arc<BackendHandle>) -> Result<()> {
    if let Some(share) = handle.followed()
        && share.requests.ask(RequestSubject::Cycle, CYCLE_MAX).await.is_some()
    {
        return shared_outcome(handle);
    }
    sync_in_task(handle).await
}

/// Makes a cycle that callers share, in a task of its own, so that it continues when they leave.
pub(crate) fn sync_in_task(
    handle: &Arc<BackendHandle>,
) -> impl Future<Output = Result<()>> + use<> {
    // Before the task starts: a cycle that begins from now on sees the caller's changes.
    let (handle, seen) = (Arc::clone(handle), handle.cycle.begun());
    let span = info_span!(target: LOG_TARGET, "catalog.sync", backend = %handle.id(), kind = Empty);
    let task = async move {
        tokio::select! {
            biased;
            made = sync(&handle, seen) => made,
            () = handle.is_revoked() => Err(revoked(&handle)),
        }
    };
    let task = tokio::spawn(task.instrument(span));
    async move {
        task.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, "A sync cycle was aborted").because(error))
        })
    }
}

/// Reads extensions that are due, several at once: a slow one must not delay the others.
pub(super) async fn keep_refreshing(handle: Arc<BackendHandle>) {
    let mut reads = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            id = handle.refreshes.due(), if reads.len() < READS_AT_ONCE => {
                reads.push(refresh(&handle, id));
            }
            Some(()) = reads.next() => {}
        }
    }
}

fn revoked(handle: &BackendHandle) -> Error {
    let message = format!("Another replica reads the {} backend now", handle.id());
    Error::unavailable(message, RETRY)
}

async fn refresh(handle: &BackendHandle, id: ExtensionId) {
    if let Some(share) = handle.followed() {
        // Scheduled before another replica became the writer.
        share.requests.notice(id.clone());
        return handle.refreshes.change(|queue| queue.forget(&id));
    }
    let read = read_one(handle, id.clone()).await;
    // The status learns from every read, so an outage is noticed between two cycles.
    handle.health.learn(&read.outcome);
    let failed = matches!(&read.outcome, Err(error) if is_of_backend(error));
    let report = apply(handle, vec![read], ReadOrigin::Backend).await;
    let outcome = match report.doubted.first() {
        _ if failed => RefreshOutcome::Failed,
        Some((_, confirmed_from)) => RefreshOutcome::Doubted(*confirmed_from),
        None if report.incomplete.is_empty() => RefreshOutcome::Complete,
        None => RefreshOutcome::Incomplete,
    };
    if let Some(share) = &handle.share
        && !failed
        && report.doubted.is_empty()
    {
        share.outbox.give_up_reading(&id);
    }
    // A request that came during the read needs another one.
    let again = handle
        .share
        .as_ref()
        .is_some_and(|share| !failed && share.inbox.has(&id) && report.doubted.is_empty());
    handle.refreshes.change(|queue| {
        let now = Instant::now();
        queue.done(id.clone(), outcome, now);
        if again {
            queue.enqueue_stale(id, now);
        }
    });
}
