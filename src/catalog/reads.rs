//! Reads of the catalog: one extension, one release, or its bytes. A read waits 2.5 s at most.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::backend::Fault;
use crate::backend::download::Download;
use crate::caching::single_flight::Same;
use crate::catalog::apply::ReadOrigin;
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::index::{Entry, View};
use crate::catalog::lookups::{Deadline, LookupKey, LookupSubject};
use crate::catalog::over_capacity::over_capacity;
use crate::catalog::ownership::Ownership;
use crate::catalog::{Catalog, Merge};
use crate::error::{Error, ErrorKind, Result};
use crate::models::artifact::{Artifact, ArtifactChoice};
use crate::models::backend_id::BackendId;
use crate::models::extension::{ChecksumFault, Extension, Release};
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;
use crate::models::tag::Tag;
use crate::models::truncate::first_few;

/// `Retry-After` of responses while a backend is unavailable.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Catalog {
    /// Returns the current view. Waits for the first round of the requested backends if there was
    /// none yet.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` or `BackendRefused` if no requested backend has data that can be
    /// served.
    pub async fn ready(&self, scope: Scope) -> Result<Arc<View>> {
        self.ready_by(scope, Deadline::of_a_read()).await
    }

    /// Returns the current view like [`Catalog::ready`], within the deadline of a read in progress.
    ///
    /// # Errors
    ///
    /// As [`Catalog::ready`].
    pub async fn ready_by(&self, scope: Scope, deadline: Deadline) -> Result<Arc<View>> {
        if !self.asked(scope).all(|handle| self.is_settled(handle)) {
            let mut news = self.view.subscribe();
            let first_rounds = async {
                while !self.asked(scope).all(|handle| self.is_settled(handle))
                    && news.changed().await.is_ok()
                {}
                Ok(())
            };
            // After the deadline the response is made of the data that is there by then.
            let _ = deadline.wait(scope, first_rounds).await;
        }
        // With no backend configured an empty catalog is the correct response, not an outage.
        let asks_none = self.asked(scope).next().is_none();
        if asks_none || self.asked(scope).any(|handle| self.answers_for(handle)) {
            return Ok(self.view());
        }
        Err(self.nothing_known(scope))
    }

    /// A failed round ends the wait for a backend as well, so that an outage delays no response.
    fn is_settled(&self, handle: &BackendHandle) -> bool {
        self.is_listed(handle) || handle.status.is_failing()
    }

    /// Returns true if the first rounds of other backends cannot change this entry.
    fn is_certain(&self, entry: &Entry, scope: Scope) -> bool {
        let is_owned = !matches!(entry.ownership, Ownership::Undetermined(..));
        let pools = self.rules.merge == Merge::Union && self.asked(scope).nth(1).is_some();
        is_owned && (!pools || self.asked(scope).all(|handle| self.is_listed(handle)))
    }

    /// Returns one extension, from one backend or from its owner. An unknown name is requested from
    /// the backends; an extension that was last read longer ago than the `ttl` is refreshed in the
    /// background.
    ///
    /// # Errors
    ///
    /// `NotFound` only if every backend that could own the name reported its absence.
    pub async fn find(self: &Arc<Self>, id: &ExtensionId, scope: Scope) -> Result<Arc<Entry>> {
        self.find_by(id, scope, Deadline::of_a_read()).await
    }

    /// Returns one extension like [`Catalog::find`], within the deadline of a read in progress.
    ///
    /// # Errors
    ///
    /// As [`Catalog::find`].
    pub async fn find_by(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Arc<Entry>> {
        let known =
            self.view().get(id, scope).filter(|entry| self.is_certain(entry, scope)).cloned();
        let known = match known {
            // A read or a webhook may have added it before its backend was listed.
            Some(entry) => Some(entry),
            None => self.ready_by(scope, deadline).await?.get(id, scope).cloned(),
        };
        if let Some(entry) = &known {
            // Stale data is served while it is refreshed: a read never waits for a known extension.
            self.read_again_if_old(entry);
            self.check_owner(entry)?;
            return self.still_answers(entry, scope).map(|()| Arc::clone(entry));
        }
        let wanted = LookupKey { id: id.clone(), what: LookupSubject::Extension, scope };
        // Requests for names that do not exist must not reach the backends again and again.
        if self.is_known_absent(&wanted) {
            return Err(not_found(id));
        }
        // Budgeted, because a caller may have made the name up.
        self.lookup(id, scope, true, deadline).await?;
        if let Some(entry) = self.view().get(id, scope) {
            return self.check_owner(entry).map(|()| Arc::clone(entry));
        }
        // An extension without releases exists, so it does not enter the negative cache.
        Err(self.unserved(id, scope).unwrap_or_else(|| {
            self.remember_absent(wanted);
            not_found(id)
        }))
    }

    /// Returns one extension with every release in full. A release stays as it is known if it
    /// cannot be read in time or its backend is unavailable.
    ///
    /// # Errors
    ///
    /// As [`Catalog::find`].
    pub async fn find_whole(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<Arc<Entry>> {
        let entry = self.find_by(id, scope, deadline).await?;
        // A backend that gives every release in full with its listing needs no further request.
        if !entry.extension.has_unread() {
            return Ok(entry);
        }
        let has_it = self.handles.iter().filter(|handle| entry.is_of(handle.id()));
        // A backend without any contact since the start may be down, so it is not read. One that is
        // unavailable is read in the background, without a wait.
        let reads = has_it.filter(|handle| handle.status.last_asked().is_some()).map(|handle| {
            let there = handle.status.is_healthy();
            let deadline = if there { deadline } else { Deadline::passed() };
            deadline.wait(handle.id().into(), self.read_whole(entry.id(), handle.id()))
        });
        join_all(reads).await;
        self.shown().await;
        self.find_by(id, scope, deadline).await
    }

    /// Callers share one read, which continues when they leave.
    async fn read_whole(self: &Arc<Self>, id: &ExtensionId, source: BackendId) -> Result<()> {
        let (this, key) = (Arc::clone(self), (id.clone(), source));
        let id = id.clone();
        let answer = self.lookups.whole.ask(&key, || async move {
            let Some(handle) = this.handle(source) else { return Ok(()) };
            let read = handle.backend.releases(&id).await;
            handle.learned(&read);
            let mut taken = this.apply(handle, vec![(id, read)], ReadOrigin::Backend).await;
            let failure = taken.failures.pop().map(|(_, error)| error);
            // A refused extension was read, but its releases are not in the caller's view.
            let failure =
                failure.or_else(|| (taken.over_capacity > 0).then(|| over_capacity(source)));
            taken.confirm(handle);
            failure.map_or(Ok(()), Err)
        });
        answer.await
    }

    /// Returns one release in full. An unknown version is requested from the backend.
    ///
    /// # Errors
    ///
    /// As [`Catalog::find`]; `NotFound` also if the extension has no such version.
    pub async fn find_release(
        self: &Arc<Self>,
        id: &ExtensionId,
        version: &Tag,
        scope: Scope,
    ) -> Result<(Arc<Entry>, Arc<Release>)> {
        self.find_release_by(id, version, scope, Deadline::of_a_read()).await
    }

    pub(super) async fn find_release_by(
        self: &Arc<Self>,
        id: &ExtensionId,
        version: &Tag,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<(Arc<Entry>, Arc<Release>)> {
        let (entry, mut release) = self.find_named(id, version, scope, deadline).await?;
        // A listing may name tags without their content, which costs a request for each tag.
        if release.artifact == ArtifactChoice::Unread {
            release = self.read_now(entry.id(), &release, deadline).await?;
        }
        Ok((entry, release))
    }

    /// Returns one release as it is cached; its content may be unread.
    pub(super) async fn find_named(
        self: &Arc<Self>,
        id: &ExtensionId,
        version: &Tag,
        scope: Scope,
        deadline: Deadline,
    ) -> Result<(Arc<Entry>, Arc<Release>)> {
        let entry = self.find_by(id, scope, deadline).await?;
        // A list that is cut off at its limit never shows old versions, so these are read by tag.
        if let Some(found) = self.find_by_tag(&entry, version, scope, deadline).await? {
            return Ok((entry, found));
        }
        let what = LookupSubject::Version(version.clone());
        let found = self.find_with(id, scope, what, |one| one.find(version).is_some(), deadline);
        let entry = found.await?;
        let release = entry.extension.find(version).cloned();
        let release = release.ok_or_else(|| no_version(id, version))?;
        Ok((entry, release))
    }

    /// If `has` does not hold, reads the extension again once; a failure enters the negative cache.
    pub(super) async fn find_with(
        self: &Arc<Self>,
        id: &ExtensionId,
        scope: Scope,
        what: LookupSubject,
        has: impl Fn(&Extension) -> bool,
        deadline: Deadline,
    ) -> Result<Arc<Entry>> {
        let entry = self.find_by(id, scope, deadline).await?;
        let wanted = LookupKey { id: id.clone(), what, scope };
        if has(&entry.extension) || self.is_known_absent(&wanted) {
            return Ok(entry);
        }
        // Only the owner is read where it alone can have more versions.
        self.lookup(id, self.narrowed(scope, &entry), true, deadline).await?;
        let entry = self.find_by(id, scope, deadline).await?;
        if !has(&entry.extension) {
            self.remember_absent(wanted);
        }
        Ok(entry)
    }

    /// Reads a release again, with notes and checksum; `NotFound` also if it holds no archive.
    /// Concurrent callers share one read, which continues when they leave.
    pub(super) async fn read_now(
        self: &Arc<Self>,
        id: &ExtensionId,
        release: &Arc<Release>,
        deadline: Deadline,
    ) -> Result<Arc<Release>> {
        let key = Same(Arc::clone(release));
        let (this, id, known) = (Arc::clone(self), id.clone(), Arc::clone(release));
        let answer = self.lookups.releases.ask(&key, || async move {
            let Some(handle) = this.handle(known.backend) else { return Ok(known) };
            let read = handle.backend.version(&id, &known.tag).await;
            handle.learned(&read);
            let release = read?;
            let subject = FaultSubject::Release(release.tag.clone());
            // The release could be read, so an earlier fault of this tag no longer applies.
            handle.evidence.mended(&id.to_string(), &subject);
            judge_checksum(handle, &id, &release);
            if release.artifact.is_usable() {
                this.stands_for(&id, &known, &release).await;
                return Ok(Arc::new(release));
            }
            // A release without an archive is never shown, so its extension is read again without
            // it. If that read fails, the release is still not shown.
            let _ = this.refresh(&id, known.backend.into()).await;
            Err(no_version(&id, &known.tag))
        });
        let answer = deadline.wait(release.backend.into(), answer).await;
        answer.map_err(|error| self.held_back(release.backend.into(), error))
    }

    /// The backends of a scope that can have versions of this name which are not known.
    fn narrowed(&self, scope: Scope, entry: &Entry) -> Scope {
        match (self.rules.merge, entry.ownership) {
            (Merge::Owner, Ownership::Owned(owner)) => owner.into(),
            _ => scope,
        }
    }

    /// Fails where no backend may answer for a name within the scope that the entry is from.
    fn check_owner(&self, entry: &Entry) -> Result<()> {
        let id = entry.id();
        match entry.ownership {
            Ownership::Owned(_) => Ok(()),
            Ownership::Undetermined(has, unknown) => Err(Error::unavailable(
                format!(
                    "The owner of {id} cannot be determined: the {unknown} backend comes first and was \
                     not listed yet, or exceeds catalog.max_bytes; use ?{} to request the other one",
                    self.query_of(has)
                ),
                RETRY_AFTER,
            )),
            Ownership::Orphaned(owner) => {
                let others: Vec<String> =
                    entry.backends().map(|other| format!("?{}", self.query_of(*other))).collect();
                Err(Error::not_found(format!(
                    "Extension {id} was removed from {owner}, which owned it; use {} to request another backend",
                    others.join(" or ")
                )))
            }
        }
    }

    fn query_of(&self, backend: BackendId) -> String {
        self.scope_of(backend).query().unwrap_or_default()
    }

    /// Checks that the data of one of the entry's backends, or of the owner, is young enough to be
    /// served.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` or `BackendRefused` if it is not.
    pub fn still_answers(&self, entry: &Entry, scope: Scope) -> Result<()> {
        let scope = self.narrowed(scope, entry);
        let mut of = self.asked(scope).filter(|handle| entry.is_of(handle.id()));
        if of.any(|handle| self.answers_for(handle)) {
            return Ok(());
        }
        Err(self.nothing_known(scope))
    }

    fn read_again_if_old(&self, entry: &Entry) {
        for source in entry.older_than(self.rules.ttl) {
            if let Some(handle) = self.handle(source) {
                // Queued for the sync task, which reads a name once for all these requests.
                handle.mark(|dirty| dirty.enqueue_stale(entry.id().clone(), Instant::now()));
            }
        }
    }

    /// Reads one extension again from the requested backends, whatever is cached.
    ///
    /// # Errors
    ///
    /// Any failure of a backend except `NotFound`.
    pub async fn refresh(self: &Arc<Self>, id: &ExtensionId, scope: Scope) -> Result<()> {
        self.lookup(id, scope, false, Deadline::of_a_read()).await
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
        let Some(handle) = self.handle(release.backend) else {
            return Err(Error::new(ErrorKind::Internal, "The release is of no configured backend"));
        };
        let opened = handle.backend.open(id, artifact, range).await;
        // Downloads count as contact too: the status of a backend must not depend on lists alone.
        handle.learned(&opened);
        opened
    }

    /// A backend that refuses the credentials needs an operator; any other may be back shortly.
    fn nothing_known(&self, scope: Scope) -> Error {
        let retry_after = self.pause(scope).max(RETRY_AFTER);
        let mut kind = ErrorKind::BackendUnavailable { retry_after };
        let mut reasons = Vec::new();
        for handle in self.asked(scope) {
            let failure = handle.status.get().last_failure;
            // Refusal outranks an outage, because waiting does not help.
            if let Some((ErrorKind::BackendRefused, _)) = failure {
                kind = ErrorKind::BackendRefused;
            }
            let unread = if self.view().knows(handle.id()) {
                "last read too long ago"
            } else {
                "not read yet"
            };
            let reason = failure.map_or_else(|| unread.to_owned(), |(_, text)| text);
            reasons.push(format!("{} ({reason})", handle.id()));
        }
        Error::new(kind, format!("No current data from {}", reasons.join(", ")))
    }
}

fn not_found(id: &ExtensionId) -> Error {
    Error::not_found(format!("Extension {id} not found"))
}

pub(super) fn no_version(id: &ExtensionId, version: &Tag) -> Error {
    Error::not_found(format!("Extension {id} has no version {version}"))
}

/// Returns the requested file of a release: its archive, or the asset with this key or name.
///
/// # Errors
///
/// `NotFound`, naming the candidates if there are several.
pub fn file_of<'a>(
    id: &ExtensionId,
    release: &'a Release,
    asset: Option<&str>,
) -> Result<&'a Arc<Artifact>> {
    match asset {
        Some(asset) => asset_of(id, release, asset),
        None => archive_of(id, release),
    }
}

fn asset_of<'a>(id: &ExtensionId, release: &'a Release, asset: &str) -> Result<&'a Arc<Artifact>> {
    // Publishers choose the names of assets, so two files of a release may share one.
    let mut named = release.assets.iter().filter(|one| *one.file_name == *asset);
    let by_name = match (named.next(), named.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    };
    let by_key = release.assets.iter().find(|one| one.key.as_str() == asset);
    by_key.or(by_name).ok_or_else(|| {
        let version = release.version.as_str();
        Error::not_found(format!("Extension {id} {version} has no single asset {asset:?}"))
    })
}

fn archive_of<'a>(id: &ExtensionId, release: &'a Release) -> Result<&'a Arc<Artifact>> {
    let version = release.version.as_str();
    match &release.artifact {
        ArtifactChoice::Chosen(artifact) => Ok(artifact),
        ArtifactChoice::Ambiguous(names) => Err(Error::not_found(format!(
            "Extension {id} {version} has several archives and no rule to choose one; \
             choose one with ?asset=: {}",
            first_few(names.clone()).join(", ")
        ))),
        // Not `Unread`: `find_release` reads a release before its archive is requested.
        ArtifactChoice::Unread | ArtifactChoice::Nothing => {
            Err(Error::not_found(format!("Extension {id} {version} has no archive")))
        }
    }
}

fn judge_checksum(handle: &BackendHandle, id: &ExtensionId, release: &Release) {
    let repository = id.to_string();
    let Some(ChecksumFault { file, reason }) = release.checksum_fault.as_deref() else {
        let archive = release.artifact.chosen().map(|archive| &archive.key);
        // Any file other than the archive may have been the faulty checksum.
        let beside = release.assets.iter().filter(|file| Some(&file.key) != archive);
        for file in beside {
            let subject = FaultSubject::Download(release.tag.clone(), file.key.clone());
            handle.evidence.mended(&repository, &subject);
        }
        return;
    };
    let subject = FaultSubject::Download(release.tag.clone(), file.clone());
    let reason = format!("{}: {reason}", release.tag);
    let fault = Fault { repository, subject, reason };
    handle.tell(handle.evidence.found(fault).as_slice());
}
