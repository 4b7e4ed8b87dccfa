//! The catalog: the cached state of every backend, merged into one view for reads.

mod apply;
mod backend_handle;
mod by_tag;
pub mod details;
mod downloads;
mod evidence;
mod faults;
mod force_refresh;
pub mod index;
pub mod lookups;
mod missing_directory;
mod over_capacity;
pub mod ownership;
mod pauses;
pub mod persistent_instant;
pub mod pins;
mod probing;
mod publish_throttle;
pub mod reads;
pub mod refresh_queue;
pub mod resolve;
mod retagged;
pub mod search;
pub mod state;
pub mod status;
mod sweep;
pub mod sync;
pub mod sync_cycle;
mod unsaved;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::backend::{Backend, Fault};
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::index::{Index, View};
use crate::catalog::lookups::Lookups;
use crate::catalog::persistent_instant::PersistentInstant;
use crate::catalog::pins::{PinnedBackend, Pins};
use crate::catalog::publish_throttle::{PublishThrottle, PublishTurn};
use crate::catalog::status::Status;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// Rules for names that several backends share, and lifetimes of cached data.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Resolution of a name that several backends have.
    pub merge: Merge,
    /// If true, a name passes to the next backend when its owner loses it.
    pub allow_takeover: bool,
    /// Time to live of a backend's data.
    pub ttl: Duration,
    /// Time beyond `ttl` in which data is served without a staleness mark while it is refreshed.
    pub stale_while_revalidate: Duration,
    /// Maximum age at which the data of an unreachable backend is still served.
    pub stale_if_error: Duration,
    /// Maximum time between two full sweeps; only changes are read in between.
    pub full_sweep: Duration,
    /// Time to live of a negative cache entry for an unknown name or version.
    pub negative_ttl: Duration,
    /// If true, the archive of a version may differ from the one that was downloaded first.
    pub accept_changes: bool,
    /// Approximate memory limit for the extensions of one backend, in bytes.
    pub max_bytes: usize,
}

impl Rules {
    /// Returns true if a response with data of this age carries a staleness mark.
    #[must_use]
    pub fn is_stale(&self, age: Duration) -> bool {
        // `stale_if_error` caps the sum: data that may not be served cannot be "not stale yet".
        age > (self.ttl + self.stale_while_revalidate).min(self.stale_if_error)
    }

    fn is_too_old(&self, age: Duration) -> bool {
        age > self.stale_if_error
    }
}

/// Resolution of a name that several backends have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// The first backend in the configured order owns the name, and only its releases are served.
    #[default]
    Owner,
    /// The releases of all backends are pooled. Of equal versions, the first backend's is served.
    Union,
}

/// Cached state of all backends. Reads take the current [`View`]; one writer per backend (`sync`)
/// changes the index behind it.
pub struct Catalog {
    handles: Vec<BackendHandle>,
    rules: Rules,
    index: Mutex<Index>,
    /// Lock order: `index` first, then `publish_throttle`.
    publish_throttle: Mutex<PublishThrottle>,
    view: watch::Sender<Arc<View>>,
    lookups: Lookups,
    persist_error: Mutex<Option<String>>,
    pins: Arc<Pins>,
}

/// Age of a response, and the backends whose part is stale or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Time since the last successful round; the longest one, if several backends contribute.
    pub age: Duration,
    /// Backends whose part is stale or missing.
    pub degraded: Vec<BackendId>,
}

impl Freshness {
    /// Adds backends whose part is stale or missing. Each backend is listed once.
    pub fn lacks(&mut self, backends: impl IntoIterator<Item = BackendId>) {
        for backend in backends {
            if !self.degraded.contains(&backend) {
                self.degraded.push(backend);
            }
        }
    }
}

impl Catalog {
    /// Creates a catalog over these backends, in the order in which they own names. It is empty
    /// until [`sync::run`] has been started.
    #[must_use]
    pub fn new(backends: Vec<Arc<dyn Backend>>, rules: Rules) -> Arc<Self> {
        let ids: Vec<BackendId> = backends.iter().map(|backend| backend.id()).collect();
        let pins = Arc::new(Pins::new(rules.accept_changes));
        let completed = |backend| Arc::new(PinnedBackend::new(backend, Arc::clone(&pins)));
        let handles = backends.into_iter().map(|backend| {
            let is_last = ids.last() == Some(&backend.id());
            BackendHandle::new(completed(backend), is_last)
        });
        let handles = handles.collect();
        let mut index = Index::new(&ids, &rules);
        index.notes_in(Arc::clone(pins.unsaved()));
        let view = watch::Sender::new(Arc::new(index.view(&View::default())));
        pins.follows(view.subscribe());
        Arc::new(Self {
            handles,
            rules,
            index: Mutex::new(index),
            publish_throttle: Mutex::default(),
            view,
            lookups: Lookups::default(),
            persist_error: Mutex::default(),
            pins,
        })
    }

    /// Returns the current view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Returns the configured backends, in order.
    pub fn backends(&self) -> impl Iterator<Item = BackendId> {
        self.handles.iter().map(BackendHandle::id)
    }

    /// Returns the scope of a backend: its kind if it is the only one, else the backend.
    #[must_use]
    pub fn scope_of(&self, backend: BackendId) -> Scope {
        let kind = Scope::Kind(backend.kind());
        if self.asked(kind).nth(1).is_none() { kind } else { backend.into() }
    }

    /// Returns the status of each backend for `/health`, in order.
    #[must_use]
    pub fn statuses(&self) -> Vec<(BackendId, Status)> {
        let status = |handle: &BackendHandle| {
            let (breaker, status) = (handle.breaker(), handle.status.get());
            // A backend that was never read has no age and counts as stale.
            let age = status.current_as_of.map(PersistentInstant::elapsed);
            let stale = age.is_none_or(|age| self.rules.is_stale(age));
            let held = handle.held();
            let (mut faults, faults_beyond) = handle.evidence.faults();
            let of_all = over_capacity::no_room_for(handle.id(), held.refused);
            // These concern the whole backend, so they precede the faults of single repositories.
            faults.splice(..0, of_all.into_iter().chain(handle.vacancy()));
            (handle.id(), Status { breaker, stale, held, faults, faults_beyond, ..status })
        };
        self.handles.iter().map(status).collect()
    }

    /// Returns the freshness of a response about one extension (`of`), or about all.
    #[must_use]
    pub fn freshness(&self, scope: Scope, of: Option<&ExtensionId>) -> Freshness {
        let mut freshness = Freshness { age: Duration::ZERO, degraded: Vec::new() };
        for handle in self.asked(scope) {
            let age = handle.status.current_as_of().map(PersistentInstant::elapsed);
            // Counted for every response: the requested extension may be among the refused.
            let lacks_part = handle.held().refused > 0 || handle.evidence.lacks_part(of);
            if lacks_part || age.is_none_or(|age| self.rules.is_stale(age)) {
                freshness.degraded.push(handle.id());
            }
            freshness.age = freshness.age.max(age.unwrap_or_default());
        }
        freshness
    }

    /// Returns the failure of the last attempt to save state; `None` while state is saved.
    #[must_use]
    pub fn persist_error(&self) -> Option<String> {
        self.persist_error.lock().clone()
    }

    /// Returns true if at least one backend has data that can still be served.
    #[must_use]
    pub fn can_answer(&self) -> bool {
        self.handles.iter().any(|handle| self.answers_for(handle))
    }

    fn is_listed(&self, handle: &BackendHandle) -> bool {
        self.view().knows(handle.id()) && !self.is_too_old(handle)
    }

    /// Returns true if a listing, webhook or read has shown data that is young enough to be served.
    fn answers_for(&self, handle: &BackendHandle) -> bool {
        let (view, source) = (self.view(), handle.id());
        // Before the first listing, a webhook or a read may have filled in some extensions already.
        let shows = view.knows(source) || !view.entries(source.into()).is_empty();
        shows && !self.is_too_old(handle)
    }

    fn is_too_old(&self, handle: &BackendHandle) -> bool {
        let age = handle.status.current_as_of().map(PersistentInstant::elapsed);
        // A backend without an age was never read. It has nothing to be too old.
        age.is_some_and(|age| self.rules.is_too_old(age))
    }

    /// Records a fault that was found while serving this backend's data.
    pub fn report(&self, backend: BackendId, fault: Fault) {
        if let Some(handle) = self.handle(backend) {
            handle.evidence.found(fault);
        }
    }

    fn asked(&self, scope: Scope) -> impl Iterator<Item = &BackendHandle> {
        self.handles.iter().filter(move |handle| scope.includes(handle.id()))
    }

    fn handle(&self, backend: BackendId) -> Option<&BackendHandle> {
        self.handles.iter().find(|handle| handle.id() == backend)
    }

    /// Changes the index. Publishes a new view at once, or as soon as the throttle allows.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Index) -> T) -> T {
        let mut index = self.index.lock();
        let outcome = change(&mut index);
        // Copied while the index is locked, so that `/health` need not take that lock.
        self.handles.iter().for_each(|handle| handle.holds(index.held(handle.id())));
        if index.has_changed() {
            self.show(&mut index);
        }
        outcome
    }

    fn show(self: &Arc<Self>, index: &mut Index) {
        // Decided before the match: `publish_throttle` must not stay locked while the view is made.
        let turn = self.publish_throttle.lock().turn(Instant::now());
        match turn {
            PublishTurn::Now => {
                // Made before it is sent: readers of the channel wait during a send.
                let view = index.view(&self.view());
                drop(self.view.send_replace(Arc::new(view)));
            }
            PublishTurn::At(at) => {
                // One timer covers every change until then, so bursts of changes cost one view.
                let this = Arc::clone(self);
                tokio::spawn(async move {
                    sleep_until(at).await;
                    this.change(|_| ());
                });
            }
            PublishTurn::Awaited => {}
        }
    }

    /// Waits until a view shows every change made so far, at most a fraction of a second.
    pub async fn shown(&self) {
        let due = self.index.lock().due_revision();
        let mut views = self.view.subscribe();
        // Never an error: the sender lives as long as `self`.
        let _ = views.wait_for(|view| view.revision >= due).await;
    }
}
