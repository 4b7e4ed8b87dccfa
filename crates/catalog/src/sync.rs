//! Synchronization with the backends: sync cycles, single reads and probes. It writes the deltas.

mod abort_rule;
pub(super) mod backend_handle;
mod canary;
pub mod content;
mod cycle;
pub(super) mod cycle_state;
mod intake;
mod lookup_budget;
pub(super) mod lookups;
mod probing;
mod read_order;
pub mod refresh_queue;
mod refreshes;
mod removal;
mod sweep;
pub(super) mod tasks;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use registry_core::backend::Backend;
use registry_core::backend::download::Download;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::health::backend_health::BackendHealth;
use crate::lookup::Lookup;
use crate::pins::Pins;
use crate::pins::sharing::keep_shared;
use crate::rules::Rules;
use crate::share::BackendShare;
use crate::share::pending_webhooks::PendingWebhooks;
use crate::share::requests::{RequestId, RequestSubject};
use crate::state::webhook_file::{PendingWebhook, WebhookFile};
use crate::store::CatalogStore;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::content::BackendContent;
use crate::sync::lookups::Lookups;
use crate::sync::probing::keep_watch;
use crate::sync::tasks::{keep_current, keep_refreshing, sync_in_task, sync_once};

/// A backend, and what its synchronization writes to beside the store.
pub(super) struct SyncedBackend {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) health: Arc<BackendHealth>,
    pub(super) share: Option<Arc<BackendShare>>,
}

/// The backends, and everything that reads them.
pub struct Syncer {
    lookups: Arc<Lookups>,
    webhooks: Arc<PendingWebhooks>,
}

impl Syncer {
    /// Creates a syncer over these backends, in the order in which they own names.
    pub(super) fn new(
        backends: Vec<SyncedBackend>,
        store: &Arc<CatalogStore>,
        pins: &Arc<Pins>,
        rules: Rules,
    ) -> Self {
        let last = backends.last().map(|one| one.backend.id());
        let shares = backends.iter().filter_map(|one| Some((one.backend.id(), one.share.clone()?)));
        let webhooks = Arc::new(PendingWebhooks::new(shares.collect()));
        let handles = backends.into_iter().map(|SyncedBackend { backend, health, share }| {
            let is_last = last == Some(backend.id());
            Arc::new(BackendHandle::new(backend, health, Arc::clone(store), rules, share, is_last))
        });
        let lookups = Lookups::new(handles.collect(), Arc::clone(store), Arc::clone(pins));
        Self { lookups, webhooks }
    }

    /// Starts the tasks that keep the catalog current until the set is dropped. A cycle over each
    /// backend begins now and then once per time to live, sooner after a failure.
    #[must_use]
    pub fn start(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for handle in self.handles() {
            tasks.spawn(keep_current(Arc::clone(handle)));
            tasks.spawn(keep_refreshing(Arc::clone(handle)));
            tasks.spawn(keep_watch(Arc::clone(handle)));
        }
        tasks.spawn(Arc::clone(&self.webhooks).keep_tidy());
        let pins = self.lookups.pins();
        if let Some(ledger) = pins.ledger() {
            tasks.spawn(keep_shared(Arc::clone(pins), Arc::clone(ledger)));
        }
        tasks
    }

    /// Makes one cycle over each backend of a scope. Concurrent callers share it, and it continues
    /// when they leave.
    ///
    /// # Errors
    ///
    /// The first failure of a backend. The cycles of the other backends are completed nevertheless.
    pub async fn sync(&self, scope: Scope) -> Result<()> {
        // All begin before the first is awaited.
        let cycles: Vec<_> = self.within(scope).map(sync_in_task).collect();
        join_all(cycles).await.into_iter().fold(Ok(()), Result::and)
    }

    /// Takes in a webhook: these extensions are read at once, and again by a schedule while a
    /// release lacks its archive.
    pub fn notice(&self, backend: BackendId, ids: Vec<ExtensionId>) {
        self.request_reads(backend, ids);
    }

    /// Takes in a webhook, and waits until it is where the end of this process does not lose it: in the
    /// engine of the fleet, or else in the state directory. Without a fleet that is at once.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` while the engine is away, without a state directory that can be written. This
    /// replica reads the extensions nevertheless.
    pub async fn take_notice(&self, backend: BackendId, ids: Vec<ExtensionId>) -> Result<()> {
        let requests = self.request_reads(backend, ids);
        match self.lookups.handle(backend).and_then(|handle| handle.share.as_deref()) {
            Some(share) => self.webhooks.keep(share, &requests).await,
            None => Ok(()),
        }
    }

    /// Has extensions read, and returns the requests to the writer about them: in a fleet it reads them,
    /// and may be this replica.
    fn request_reads(&self, backend: BackendId, ids: Vec<ExtensionId>) -> Vec<RequestId> {
        let Some(handle) = self.lookups.handle(backend) else { return Vec::new() };
        if let Some(share) = &handle.share {
            return ids.into_iter().map(|id| share.requests.notice(id)).collect();
        }
        let now = Instant::now();
        handle
            .refreshes
            .change(|queue| ids.into_iter().for_each(|id| queue.enqueue_notice(id, now)));
        Vec::new()
    }

    /// Takes in webhooks of before a restart, and keeps those to come in the same file.
    pub(super) fn restore_webhooks(&self, file: WebhookFile, webhooks: Vec<PendingWebhook>) {
        for webhook in self.webhooks.restore(file, webhooks) {
            self.notice(webhook.backend, vec![webhook.extension]);
        }
    }

    /// Makes a cycle over each backend of a scope. Returns the backends whose cycle failed or was
    /// not over by the deadline; such a cycle continues in the background.
    pub async fn force_sync(&self, scope: Scope, deadline: Deadline) -> Vec<BackendId> {
        let cycles = self.within(scope).map(|handle| (handle.id(), sync_once(handle)));
        failing(cycles, deadline).await
    }

    /// Reads one extension again from each backend of a scope. Returns the backends that failed or
    /// sent no response by the deadline.
    pub async fn force_refresh(
        &self,
        id: &ExtensionId,
        scope: Scope,
        deadline: Deadline,
    ) -> Vec<BackendId> {
        let reads = self
            .within(scope)
            .map(|handle| (handle.id(), self.lookups.extension(id, handle.id().into(), false)));
        failing(reads, deadline).await
    }

    /// Opens one file of a release, or a byte range, at its backend.
    ///
    /// # Errors
    ///
    /// The backend's errors.
    pub async fn open(
        &self,
        id: &ExtensionId,
        release: &Release,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        let handle = self.lookups.handle(release.backend).ok_or_else(not_configured)?;
        let opened = handle.backend.open(id, artifact, range).await;
        // Downloads count as contact too: the status of a backend must not depend on lists alone.
        handle.health.learn(&opened);
        opened
    }

    /// Returns the README of a release. Waits as long as the backend takes; callers bound the wait
    /// by their [`Deadline`].
    ///
    /// # Errors
    ///
    /// `NotFound` if the release has none; other errors of the backend.
    pub async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let handle = self.lookups.handle(release.backend).ok_or_else(not_configured)?;
        let read = handle.backend.readme(id, release).await;
        handle.health.learn(&read);
        read
    }

    /// Returns the manifests and blobs of a backend; `None` if it is not configured.
    #[must_use]
    pub fn content(&self, backend: BackendId) -> Option<BackendContent> {
        self.lookups.handle(backend).cloned().map(BackendContent::new)
    }

    pub(super) fn handles(&self) -> &[Arc<BackendHandle>] {
        self.lookups.handles()
    }

    fn within(&self, scope: Scope) -> impl Iterator<Item = &Arc<BackendHandle>> {
        self.handles().iter().filter(move |handle| scope.includes(handle.id()))
    }
}

async fn failing<F: Future<Output = Result<()>>>(
    requests: impl Iterator<Item = (BackendId, F)>,
    deadline: Deadline,
) -> Vec<BackendId> {
    // Each backend has its own wait, so that a slow one does not hide the result of another.
    let outcomes = requests.map(|(backend, request)| async move {
        deadline.wait(backend.into(), request).await.is_err().then_some(backend)
    });
    join_all(outcomes).await.into_iter().flatten().collect()
}

fn not_configured() -> Error {
    Error::new(ErrorKind::Internal, "The release is of no configured backend")
}

#[async_trait]
impl Lookup for Syncer {
    async fn extension(&self, id: &ExtensionId, scope: Scope) -> Result<()> {
        self.lookups.extension(id, scope, true).await
    }

    async fn refresh(&self, id: &ExtensionId, scope: Scope) -> Result<()> {
        self.lookups.extension(id, scope, false).await
    }

    async fn releases(&self, id: &ExtensionId, backend: BackendId) -> Result<()> {
        self.lookups.releases(id, backend).await
    }

    async fn release(&self, id: &ExtensionId, known: &Arc<Release>) -> Result<Arc<Release>> {
        self.lookups.release(id, known).await
    }

    async fn tag(&self, id: &ExtensionId, tag: &Tag, backend: BackendId) -> Result<Arc<Release>> {
        self.lookups.tag(id, tag, backend).await
    }

    fn enqueue_stale(&self, id: &ExtensionId, backend: BackendId) {
        if let Some(handle) = self.lookups.handle(backend) {
            if let Some(share) = handle.followed() {
                return share.requests.hint(RequestSubject::Stale(id.clone()));
            }
            // The task reads a name once for all requests.
            let now = Instant::now();
            handle.refreshes.change(|queue| queue.enqueue_stale(id.clone(), now));
        }
    }
}
