//! Synchronization with the backends. Of the three tasks for each, one makes the rounds, one reads
//! single extensions after webhooks and when they are old, and one probes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::catalog::Catalog;
use crate::catalog::apply::{READS_AT_ONCE, ReadOrigin, is_the_backends, read_one};
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::refresh_queue::RefreshOutcome;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;

/// Pause after a failed round. It doubles up to [`RETRY_MAX`] with each further failure.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Pause before the next round while extensions are unread. It doubles up to the time to live.
const READ_REST: Duration = Duration::from_secs(15);

/// Starts the tasks that keep the catalog current until the set is dropped. A round over each
/// backend begins now and then once per time to live, sooner after a failure.
pub fn run(catalog: &Arc<Catalog>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for source in catalog.backends() {
        let this = Arc::clone(catalog);
        tasks.spawn(async move { this.keep_current(source).await });
        let this = Arc::clone(catalog);
        tasks.spawn(async move { this.keep_reading(source).await });
        tasks.spawn(Arc::clone(catalog).keep_watch(source));
    }
    tasks
}

impl Catalog {
    /// Takes in a webhook: these extensions are read at once, and again by a schedule while a
    /// release lacks its archive.
    pub fn notice(&self, backend: BackendId, ids: Vec<ExtensionId>) {
        let Some(handle) = self.handle(backend) else { return };
        let now = Instant::now();
        handle.mark(|dirty| ids.into_iter().for_each(|id| dirty.enqueue_notice(id, now)));
    }

    async fn keep_current(self: Arc<Self>, source: BackendId) {
        let Some(handle) = self.handle(source) else { return };
        let mut retry = RETRY;
        let mut read_rest = READ_REST;
        loop {
            if self.round(source.into()).await.is_ok() {
                retry = RETRY;
                let mut rest = self.rules.ttl;
                if handle.evidence.incomplete().is_empty() {
                    read_rest = READ_REST;
                } else {
                    // Responses carry a degraded mark until the rest is read. A permanently broken
                    // repository must not cause rounds at this rate forever, so the pause doubles.
                    rest = rest.min(read_rest);
                    read_rest = (read_rest * 2).min(self.rules.ttl);
                }
                // A directory backend notices changes by itself and cuts the pause short.
                timeout(rest, handle.backend.changed()).await.unwrap_or_default();
            } else {
                // Waits for the first event: a long pause must not outlast a short outage.
                let ended = async {
                    tokio::select! {
                        () = handle.is_back() => {}
                        () = handle.backend.changed() => {}
                    }
                };
                timeout(retry.min(self.rules.ttl), ended).await.unwrap_or_default();
                retry = (retry * 2).min(RETRY_MAX);
            }
        }
    }

    /// Reads extensions that are due, several at once: a slow one must not delay the others.
    async fn keep_reading(self: Arc<Self>, backend: BackendId) {
        let Some(handle) = self.handle(backend) else { return };
        let mut reads = FuturesUnordered::new();
        loop {
            tokio::select! {
                id = handle.due(), if reads.len() < READS_AT_ONCE => {
                    reads.push(self.read_again(handle, id));
                }
                Some(()) = reads.next() => {}
            }
        }
    }

    async fn read_again(self: &Arc<Self>, handle: &BackendHandle, id: ExtensionId) {
        let read = read_one(handle, id.clone()).await;
        // The status learns from every read, so an outage is noticed between two rounds.
        handle.learned(&read.1);
        let failed = matches!(&read.1, Err(error) if is_the_backends(error));
        let taken = self.apply(handle, vec![read], ReadOrigin::Backend).await;
        let outcome = match taken.doubted.first() {
            _ if failed => RefreshOutcome::Failed,
            Some((_, confirmed_from)) => RefreshOutcome::Doubted(*confirmed_from),
            None if taken.lacking.is_empty() => RefreshOutcome::Whole,
            None => RefreshOutcome::Lacking,
        };
        handle.mark(|dirty| dirty.done(id, outcome, Instant::now()));
    }
}
