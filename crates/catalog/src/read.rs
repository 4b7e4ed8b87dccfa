//! Reads of the catalog: one extension or one release. A read waits 2.5 s at most.

pub mod file;
mod negative_cache;
pub(super) mod ownership_check;
mod releases;
pub mod version_range;

use std::sync::Arc;

use futures_util::future::join_all;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use tokio::time::Instant;

use crate::backend_order::BackendOrder;
use crate::deadline::Deadline;
use crate::errors::not_found;
use crate::health::Health;
use crate::index::entry::Entry;
use crate::index::view::View;
use crate::lookup::Lookup;
use crate::ownership::Ownership;
use crate::pins::Pins;
use crate::read::negative_cache::{LookupKey, LookupSubject, NegativeCache};
use crate::read::ownership_check::{check_owner, unserved};
use crate::rules::{Merge, Rules};
use crate::store::CatalogStore;

/// The backends that a read is about, and how long it waits for them.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The backends.
    pub scope: Scope,
    /// Time until which it waits, however many requests it sends one after the other.
    pub deadline: Deadline,
}

impl Read {
    /// Returns a read that begins now.
    #[must_use]
    pub fn now(scope: Scope) -> Self {
        Self { scope, deadline: Deadline::of_a_read() }
    }

    /// Waits for a lookup, at most until the deadline.
    async fn wait<T>(self, health: &Health, lookup: impl Future<Output = Result<T>>) -> Result<T> {
        let outcome = self.deadline.wait(self.scope, lookup).await;
        outcome.map_err(|error| health.explain_timeout(self.scope, error))
    }
}

impl From<BackendId> for Read {
    fn from(backend: BackendId) -> Self {
        Self::now(backend.into())
    }
}

impl From<Scope> for Read {
    fn from(scope: Scope) -> Self {
        Self::now(scope)
    }
}

/// A release, and whether it is complete.
#[derive(Clone, Debug)]
pub struct Details {
    /// The extension.
    pub entry: Arc<Entry>,
    /// The release.
    pub release: Arc<Release>,
    /// True if the backend just returned it in full; else it lacks notes and perhaps a digest.
    pub whole: bool,
}

/// Reads of the catalog.
pub struct Reader {
    store: Arc<CatalogStore>,
    health: Arc<Health>,
    backends: BackendOrder,
    lookup: Arc<dyn Lookup>,
    pins: Arc<Pins>,
    negative: NegativeCache,
    rules: Rules,
}

impl Reader {
    pub(super) fn new(
        store: Arc<CatalogStore>,
        health: Arc<Health>,
        backends: BackendOrder,
        lookup: Arc<dyn Lookup>,
        pins: Arc<Pins>,
        rules: Rules,
    ) -> Self {
        let negative = NegativeCache::new(Arc::clone(&store), rules.negative_ttl);
        Self { store, health, backends, lookup, pins, negative, rules }
    }

    /// Returns the current view. Waits for the first cycle of the requested backends if there was
    /// none yet.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` or `BackendRefused` if no requested backend has data that can be
    /// served.
    pub async fn ready(&self, read: impl Into<Read>) -> Result<Arc<View>> {
        let Read { scope, deadline } = read.into();
        let is_settled = || self.health.are_settled(scope, &self.store.view(), Instant::now());
        if !is_settled() {
            let mut views = self.store.subscribe();
            let first_cycles = async {
                while !is_settled() && views.changed().await.is_ok() {}
                Ok(())
            };
            // After the deadline the response is made of the data that is there by then.
            let _ = deadline.wait(scope, first_cycles).await;
        }
        let view = self.store.view();
        if self.answers_from(&view, scope, Instant::now()) {
            return Ok(view);
        }
        Err(self.health.no_data(scope))
    }

    /// Returns the current view if [`Reader::ready`] returns it `now`, without waiting.
    #[must_use]
    pub fn ready_at_once(&self, scope: Scope, now: Instant) -> Option<Arc<View>> {
        let view = self.store.view();
        let is_ready =
            self.health.are_settled(scope, &view, now) && self.answers_from(&view, scope, now);
        is_ready.then_some(view)
    }

    fn answers_from(&self, view: &View, scope: Scope, now: Instant) -> bool {
        let health = &self.health;
        // With no backend configured an empty catalog is the correct response, not an outage.
        let has_no_backend = health.within(scope).next().is_none();
        has_no_backend || health.within(scope).any(|backend| health.has_data(backend, view, now))
    }

    /// Returns one extension, from one backend or from its owner. An unknown name is requested from
    /// the backends; an extension that was last read longer ago than the `ttl` is refreshed in the
    /// background.
    ///
    /// # Errors
    ///
    /// `NotFound` only if every backend that could own the name reported its absence.
    pub async fn find(&self, id: &ExtensionId, read: impl Into<Read>) -> Result<Arc<Entry>> {
        let read = read.into();
        let known = self.store.view().get(id, read.scope).cloned();
        let known = match known.filter(|entry| self.is_certain(entry, read.scope)) {
            // A read or a webhook may have added it before its backend was listed.
            Some(entry) => Some(entry),
            None => self.ready(read).await?.get(id, read.scope).cloned(),
        };
        let Some(entry) = known else { return self.find_unknown(id, read).await };
        // Stale data is served while it is refreshed: a read never waits for a known extension.
        for backend in entry.older_than(self.rules.ttl) {
            self.lookup.enqueue_stale(entry.id(), backend);
        }
        check_owner(&entry, &self.backends)?;
        self.still_answers(&entry, read.scope, &self.store.view(), Instant::now())?;
        Ok(entry)
    }

    async fn find_unknown(&self, id: &ExtensionId, read: Read) -> Result<Arc<Entry>> {
        let Read { scope, .. } = read;
        let key = LookupKey { id: id.clone(), subject: LookupSubject::Extension, scope };
        // Requests for names that do not exist must not reach the backends again and again.
        if self.negative.has(&key) {
            return Err(not_found(id));
        }
        // Budgeted, because a caller may have made the name up.
        read.wait(&self.health, self.lookup.extension(id, scope)).await?;
        if let Some(entry) = self.store.view().get(id, scope) {
            return check_owner(entry, &self.backends).map(|()| Arc::clone(entry));
        }
        // An extension without releases exists, so it does not enter the negative cache.
        let unserved = self.store.read(|index| unserved(id, scope, index, &self.backends));
        Err(unserved.unwrap_or_else(|| {
            self.negative.put(key);
            not_found(id)
        }))
    }

    /// If `has` does not hold, reads the extension again once; a failure enters the negative cache.
    async fn updated(
        &self,
        entry: Arc<Entry>,
        subject: LookupSubject,
        read: Read,
        has: impl Fn(&Extension) -> bool,
    ) -> Result<Arc<Entry>> {
        let Read { scope, .. } = read;
        let id = entry.id().clone();
        let key = LookupKey { id: id.clone(), subject, scope };
        if has(&entry.extension) || self.negative.has(&key) {
            return Ok(entry);
        }
        // Only the owner is read if it alone can have more versions.
        let narrowed = Read { scope: narrowed(self.rules.merge, scope, &entry), ..read };
        narrowed.wait(&self.health, self.lookup.extension(&id, narrowed.scope)).await?;
        let entry = self.find(&id, read).await?;
        if !has(&entry.extension) {
            self.negative.put(key);
        }
        Ok(entry)
    }

    /// Returns one extension with every release in full. A release stays as it is known if it
    /// cannot be read in time or its backend is unavailable.
    ///
    /// # Errors
    ///
    /// As [`Reader::find`].
    pub async fn find_whole(&self, id: &ExtensionId, read: impl Into<Read>) -> Result<Arc<Entry>> {
        let read = read.into();
        let entry = self.find(id, read).await?;
        // A backend that gives every release in full with its listing needs no further request.
        if entry.extension.unread().next().is_none() {
            return Ok(entry);
        }
        let has_it = self.health.within(Scope::All).filter(|backend| entry.is_of(backend.id()));
        // A backend without any contact since the start may be down, so it is not read. One that is
        // unavailable is read in the background, without a wait.
        let reads = has_it.filter(|backend| backend.status.last_request().is_some());
        let reads = reads.map(|backend| {
            let is_healthy = backend.status.is_healthy();
            let deadline = if is_healthy { read.deadline } else { Deadline::passed() };
            let backend = backend.id();
            deadline.wait(backend.into(), self.lookup.releases(entry.id(), backend))
        });
        join_all(reads).await;
        self.store.published().await;
        self.find(id, read).await
    }

    /// Reads one extension again from the backends of a scope, whatever is cached.
    ///
    /// # Errors
    ///
    /// Any failure of a backend except `NotFound`.
    pub async fn refresh(&self, id: &ExtensionId, read: impl Into<Read>) -> Result<()> {
        let read = read.into();
        read.wait(&self.health, self.lookup.refresh(id, read.scope)).await
    }

    /// Checks that the data of one of the entry's backends, or of the owner, is young enough to be
    /// served.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` or `BackendRefused` if it is not.
    pub fn still_answers(
        &self,
        entry: &Entry,
        scope: Scope,
        view: &View,
        now: Instant,
    ) -> Result<()> {
        let scope = narrowed(self.rules.merge, scope, entry);
        let mut of = self.health.within(scope).filter(|backend| entry.is_of(backend.id()));
        if of.any(|backend| self.health.has_data(backend, view, now)) {
            return Ok(());
        }
        Err(self.health.no_data(scope))
    }

    /// Returns true if the first cycles of other backends cannot change this entry.
    fn is_certain(&self, entry: &Entry, scope: Scope) -> bool {
        let is_owned = !matches!(entry.ownership, Ownership::Undetermined(..));
        let pools =
            self.rules.merge == Merge::Union && self.backends.within(scope).nth(1).is_some();
        let (view, now) = (self.store.view(), Instant::now());
        let mut backends = self.health.within(scope);
        is_owned && (!pools || backends.all(|one| self.health.is_listed(one, &view, now)))
    }
}

/// Returns the backends of a scope that can have versions of this name which are not known.
fn narrowed(merge: Merge, scope: Scope, entry: &Entry) -> Scope {
    match (merge, entry.ownership) {
        (Merge::Owner, Ownership::Owned(owner)) => owner.into(),
        _ => scope,
    }
}
