//! Reads that requests need: single flight and a budget, so that made-up names cost a backend little.

use std::sync::Arc;

use futures_util::future::join_all;
use registry_core::backend::Fault;
use registry_core::caching::single_flight::{Same, SingleFlight};
use registry_core::error::{Error, Result};
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{FileFault, Release};
use registry_core::models::fault::FaultSubject;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;

use crate::deadline::Deadline;
use crate::errors::{no_version, over_capacity, too_many_lookups};
use crate::pins::Pins;
use crate::retagged::{is_retagged, retagged};
use crate::share::requests::{ANSWER_MAX, RequestAnswer, RequestSubject};
use crate::store::CatalogStore;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::intake::{IntakeReport, ReadOrigin, ReadResult, read_one};
use crate::sync::removal::apply;

pub(super) struct Lookups {
    handles: Vec<Arc<BackendHandle>>,
    store: Arc<CatalogStore>,
    pins: Arc<Pins>,
    /// Keyed by `budgeted` too: beyond the budget a lookup may succeed without a request, which must
    /// not stand in for a refresh.
    extensions: SingleFlight<(ExtensionId, Scope, bool), ()>,
    whole: SingleFlight<(ExtensionId, BackendId), ()>,
    /// Releases that are being read, each identified by its cached state.
    releases: SingleFlight<Same<Release>, Arc<Release>>,
}

impl Lookups {
    pub(super) fn new(
        handles: Vec<Arc<BackendHandle>>,
        store: Arc<CatalogStore>,
        pins: Arc<Pins>,
    ) -> Arc<Self> {
        Arc::new(Self {
            handles,
            store,
            pins,
            extensions: SingleFlight::default(),
            whole: SingleFlight::default(),
            releases: SingleFlight::default(),
        })
    }

    pub(super) const fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    pub(super) fn handles(&self) -> &[Arc<BackendHandle>] {
        &self.handles
    }

    pub(super) fn handle(&self, backend: BackendId) -> Option<&Arc<BackendHandle>> {
        self.handles.iter().find(|handle| handle.id() == backend)
    }

    /// Reads one extension from the backends of a scope. Fails if a backend fails otherwise than by
    /// `NotFound`.
    pub(super) async fn extension(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        budgeted: bool,
    ) -> Result<()> {
        let (this, key) = (Arc::clone(self), (id.clone(), scope, budgeted));
        let id = id.clone();
        let read = move || async move { this.read_extension(&id, scope, budgeted).await };
        self.extensions.ask(&key, read).await
    }

    async fn read_extension(&self, id: &ExtensionId, scope: Scope, budgeted: bool) -> Result<()> {
        let within = self.handles.iter().filter(|handle| scope.includes(handle.id()));
        let reads =
            within.map(|handle| async move { (handle, look_up(handle, id, budgeted).await) });
        let mut failure = None;
        for (handle, found) in join_all(reads).await {
            match found {
                Ok(Some(read)) => failure = failure.or(take_caller_read(handle, read).await),
                // No request was sent: the listing proves an unknown name absent.
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        // Callers look the extension up in the view next.
        self.store.published().await;
        failure.map_or(Ok(()), Err)
    }

    /// Reads every release of an extension in full.
    pub(super) async fn releases(
        self: &Arc<Self>,
        id: &ExtensionId,
        backend: BackendId,
    ) -> Result<()> {
        let Some(handle) = self.handle(backend).cloned() else { return Ok(()) };
        let (key, id) = ((id.clone(), backend), id.clone());
        let read = || async move {
            let number = handle.reads.begin();
            let outcome = handle.backend.releases(&id).await;
            handle.health.learn(&outcome);
            let read = ReadResult { id: id.clone(), outcome, number, requests: Vec::new() };
            let report = apply(&handle, vec![read], ReadOrigin::Backend).await;
            if let Some(share) = handle.followed() {
                // More than the writer reads: others read it for themselves when they need it.
                share.outbox.forget(&id);
            }
            take_failure(&handle, report).map_or(Ok(()), Err)
        };
        self.whole.ask(&key, read).await
    }

    /// Reads a release with notes and checksum; `NotFound` also if it holds no archive.
    pub(super) async fn release(
        self: &Arc<Self>,
        id: &ExtensionId,
        known: &Arc<Release>,
    ) -> Result<Arc<Release>> {
        let key = Same(Arc::clone(known));
        let (this, id, known) = (Arc::clone(self), id.clone(), Arc::clone(known));
        self.releases.ask(&key, || async move { this.read_release(&id, known).await }).await
    }

    async fn read_release(
        self: &Arc<Self>,
        id: &ExtensionId,
        known: Arc<Release>,
    ) -> Result<Arc<Release>> {
        let Some(handle) = self.handle(known.backend) else { return Ok(known) };
        let read = handle.backend.version(id, &known.tag).await;
        handle.health.learn(&read);
        let release = read?;
        let subject = FaultSubject::Release(release.tag.clone());
        // The release could be read, so an earlier fault of this tag no longer applies.
        handle.health.evidence.mended(&id.to_string(), &subject);
        judge_files(handle, id, &release);
        if release.artifact.is_usable() {
            take_over_tag(handle, id, &known, &release).await;
            return Ok(Arc::new(self.pins.completed(id, release)));
        }
        // A release without an archive is never shown, so its extension is read again without it. If
        // that read fails, the release is still not shown.
        let scope = known.backend.into();
        let again = self.extension(id, scope, false);
        let _ = Deadline::of_a_read().wait(scope, again).await;
        Err(no_version(id, &known.tag))
    }

    /// Reads the release of a tag that is not cached, within the budget.
    pub(super) async fn tag(
        self: &Arc<Self>,
        id: &ExtensionId,
        tag: &Tag,
        backend: BackendId,
    ) -> Result<Arc<Release>> {
        // A caller can make up any number of tags, and each one costs the backend a request.
        if self.handle(backend).is_some_and(|handle| !handle.budget.take()) {
            return Err(too_many_lookups(backend));
        }
        self.release(id, &Arc::new(Release::of_tag(backend, tag.clone()))).await
    }
}

/// Reads an extension that a caller of another replica names.
pub(crate) async fn look_up_for_caller(handle: &BackendHandle, id: ExtensionId) {
    let read = read_one(handle, id).await;
    handle.health.learn(&read.outcome);
    // The other replica gets no answer then, and asks the backend itself.
    let _ = take_caller_read(handle, read).await;
}

async fn take_caller_read(handle: &BackendHandle, read: ReadResult) -> Option<Error> {
    let report = apply(handle, vec![read], ReadOrigin::Caller).await;
    take_failure(handle, report)
}

/// Returns `None` if the budget is used up and a current listing stands in for the response, or if
/// another replica reads the backend for all and has answered.
async fn look_up(
    handle: &BackendHandle,
    id: &ExtensionId,
    budgeted: bool,
) -> Result<Option<ReadResult>> {
    if let Some(share) = handle.followed() {
        let subject = RequestSubject::Lookup(id.clone(), budgeted);
        match share.requests.ask(subject, ANSWER_MAX).await {
            // The writer read it, and the index has what it found.
            Some(RequestAnswer::Read) => return Ok(None),
            Some(RequestAnswer::OverBudget) => return beyond_budget(handle, id).map(|()| None),
            None => {}
        }
    }
    if budgeted && !handle.budget.take() {
        return beyond_budget(handle, id).map(|()| None);
    }
    let read = read_one(handle, id.clone()).await;
    handle.health.learn(&read.outcome);
    Ok(Some(read))
}

/// Fails unless a current and complete listing proves absence.
fn beyond_budget(handle: &BackendHandle, id: &ExtensionId) -> Result<()> {
    let backend = handle.id();
    // The name may be among those that did not fit, which no listing in memory can rule out.
    if handle.store.capacity_use(backend).refused > 0 {
        return Err(over_capacity(backend));
    }
    let known = handle.store.read_backend(backend, |known| {
        let extension = &known.get(id)?.extension;
        Some((extension.is_whole(), extension.releases().is_empty()))
    });
    let (proven, has_no_release) =
        known.flatten().unwrap_or_else(|| (!handle.health.evidence.may_name(id), false));
    let age = handle.health.status.complete_age().filter(|_| proven);
    if has_no_release || age.is_some_and(|age| age <= handle.rules.ttl) {
        return Ok(());
    }
    Err(too_many_lookups(backend))
}

/// Schedules confirmations. Returns the failure of a read of one extension, if any.
fn take_failure(handle: &BackendHandle, mut report: IntakeReport) -> Option<Error> {
    let failure = report.failures.pop().map(|(_, error)| error);
    // A refused extension was read, but it is not in the caller's view.
    let refused = (report.over_capacity > 0).then(|| over_capacity(handle.id()));
    report.schedule_confirmation(handle);
    failure.or(refused)
}

/// Takes over a tag as it was read just now; a difference makes cached responses invalid.
async fn take_over_tag(handle: &BackendHandle, id: &ExtensionId, known: &Release, read: &Release) {
    if !is_retagged(known, read) {
        return;
    }
    handle.store.change(|change| {
        change.amend(read.backend, id, |extension| {
            extension.amended(|release| {
                // Another read may have stored something newer in the meantime.
                let is_as_known = release.manifest_digest == known.manifest_digest;
                (is_as_known && release.tag == read.tag).then(|| retagged(release, read))
            })
        });
    });
    // The digest of an unread release was never shown, so no cached response is wrong. A wait would
    // slow down downloads of many versions, since the number of views is limited.
    if known.manifest_digest.is_some() {
        handle.store.published().await;
    }
}

/// Records which files beside the archive cannot be used.
fn judge_files(handle: &BackendHandle, id: &ExtensionId, release: &Release) {
    let (repository, evidence) = (id.to_string(), &handle.health.evidence);
    let faults = release.checksum_fault.iter().chain(&release.manifest_fault);
    let faulty = |file: &ArtifactKey| faults.clone().any(|fault| fault.file == *file);
    let archive = release.artifact.chosen().map(|archive| &archive.key);
    // Any file other than the archive may have been the faulty one.
    let beside = release.assets.iter().filter(|file| Some(&file.key) != archive);
    for file in beside.filter(|file| !faulty(&file.key)) {
        let subject = FaultSubject::Download(release.tag.clone(), file.key.clone());
        evidence.mended(&repository, &subject);
    }
    for fault in faults.clone() {
        let FileFault { file, reason } = &**fault;
        let subject = FaultSubject::Download(release.tag.clone(), file.clone());
        let reason = format!("{}: {reason}", release.tag);
        let fault = Fault { repository: repository.clone(), subject, reason };
        handle.health.log_faults(evidence.found(fault).as_slice());
    }
}

#[cfg(test)]
mod tests {
    use registry_core::models::extension::About;
    use registry_testing::memory::MemoryBackend;

    use super::*;
    use crate::{Catalog, Rules};

    #[tokio::test]
    async fn a_refresh_does_not_join_a_lookup_beyond_its_budget() {
        let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
        let catalog = Catalog::new(vec![backend.clone()], Rules::for_tests());
        catalog.syncer.sync(Scope::All).await.unwrap();
        let id = ExtensionId::from_oci_repository("late-provider").unwrap();
        backend.publish(&id, "1.0.0".parse().unwrap(), About::default(), "archive");
        let lookups = &catalog.syncer.lookups;
        while lookups.handles()[0].budget.take() {}
        let (lookup, refresh) = tokio::join!(
            lookups.extension(&id, Scope::All, true),
            lookups.extension(&id, Scope::All, false),
        );
        lookup.unwrap();
        refresh.unwrap();
        let view = catalog.store.view();
        assert!(view.get(&id, Scope::All).is_some(), "the refresh sends a request");
    }
}
