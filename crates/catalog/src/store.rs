//! The store: the index, the view that readers share, and the rate at which views are published.

mod capacity_gauge;
mod publish_throttle;

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use parking_lot::Mutex;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::index::Index;
use crate::index::backend_extensions::BackendExtensions;
use crate::index::capacity::CapacityUse;
use crate::index::delta::{BackendDelta, Delta};
use crate::index::view::View;
use crate::pins::pin_book::PinBook;
use crate::rules::Rules;
use crate::share::outbox::Outbox;
use crate::store::capacity_gauge::CapacityGauge;
use crate::store::publish_throttle::{PublishThrottle, PublishTurn};
use crate::unsaved::{RecordKey, Unsaved};

/// The index and its published view. Reads take the current [`View`]; writers apply deltas.
pub struct CatalogStore {
    inner: Mutex<StoreInner>,
    /// Lock order: `inner` first, then `throttle`.
    throttle: Mutex<PublishThrottle>,
    view: watch::Sender<Arc<View>>,
    gauges: Vec<CapacityGauge>,
    unsaved: Arc<Unsaved>,
    pins: Arc<PinBook>,
    /// Those of the backends that replicas share, in the order of the backends.
    outboxes: Outboxes,
}

/// Outboxes with their backends.
pub(crate) type Outboxes = Vec<(BackendId, Arc<Outbox>)>;

struct StoreInner {
    index: Index,
    /// Names that changed since the last view; `None` if the next view would equal it.
    touched: Option<BTreeSet<ExtensionId>>,
}

/// The index, locked for a change. Reads see the deltas that were applied so far.
pub struct IndexChange<'a> {
    store: &'a CatalogStore,
    inner: &'a mut StoreInner,
    /// `None` while a saved state is restored, which needs no other write.
    unsaved: Option<&'a Unsaved>,
    origin: ChangeOrigin,
}

/// Source of a change of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChangeOrigin {
    /// This replica.
    Own,
    /// The state on disk, or the log of all replicas, which has the change already.
    Shared,
}

impl Deref for IndexChange<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        &self.inner.index
    }
}

impl IndexChange<'_> {
    /// Applies a delta. Pins and learned digests are added to the extensions that it reports.
    pub fn apply(&mut self, delta: Delta) {
        if let (Some(unsaved), Delta::Backend(of, change)) = (self.unsaved, &delta) {
            note(unsaved, *of, change);
        }
        if let (ChangeOrigin::Own, Delta::Backend(of, change)) = (self.origin, &delta)
            && let Some((_, outbox)) = self.store.outboxes.iter().find(|(one, _)| one == of)
        {
            outbox.note(change);
        }
        let is_owners = matches!(delta, Delta::Owners(_));
        let (store, is_restored) = (self.store, self.unsaved.is_none());
        let view = store.view();
        let shown = |of: BackendId, reported: &Arc<Extension>| {
            // Saved pins were compared with the saved extensions when these were read.
            if is_restored {
                store.pins.amended(reported)
            } else {
                store.pins.compared(of, reported, &view)
            }
        };
        let Some(names) = self.inner.index.apply_shown(delta, &shown) else { return };
        if let Some(unsaved) = self.unsaved.filter(|_| is_owners) {
            unsaved.note_each(names.iter().cloned().map(RecordKey::Owner));
        }
        self.inner.touch(names);
    }

    /// Replaces the report of a known extension, without a read, unless `amend` returns `None`.
    pub fn amend(
        &mut self,
        backend: BackendId,
        id: &ExtensionId,
        amend: impl FnOnce(&Extension) -> Option<Extension>,
    ) {
        let known = self.backend(backend).and_then(|extensions| extensions.get(id));
        if let Some(amended) = known.and_then(|known| amend(&known.reported)) {
            self.apply_to(backend, BackendDelta::Amended(Arc::new(amended)));
        }
    }

    /// Shows what was learned of an extension since it was read, such as a digest.
    pub(crate) fn show_learned(&mut self, backend: BackendId, id: &ExtensionId) {
        let known = self.backend(backend).and_then(|extensions| extensions.get(id));
        let Some(shown) = known.map(|known| self.store.pins.amended(&known.reported)) else {
            return;
        };
        if let Some(names) = self.inner.index.show(backend, shown) {
            self.inner.touch(names);
        }
    }

    /// Applies a change of one backend's extensions.
    pub fn apply_to(&mut self, backend: BackendId, change: BackendDelta) {
        self.apply(Delta::Backend(backend, change));
    }
}

/// Notes the records that a change makes outdated. Times of reads are no reason to write.
fn note(unsaved: &Unsaved, of: BackendId, change: &BackendDelta) {
    let key = |id: &ExtensionId| RecordKey::Extension(of, id.clone());
    match change {
        BackendDelta::Put(extensions) => {
            unsaved.note_each(extensions.iter().map(|(extension, _)| key(extension.id())));
        }
        BackendDelta::Amended(extension) => unsaved.note(key(extension.id())),
        BackendDelta::Removed(id) => unsaved.note(key(id)),
        // Part of the backend's record, which is compared as a whole.
        BackendDelta::Listed
        | BackendDelta::Read(..)
        | BackendDelta::Missing(..)
        | BackendDelta::Refused(_) => {}
    }
}

impl CatalogStore {
    /// Creates an empty store for these backends.
    #[must_use]
    pub fn new(backends: &[BackendId], rules: &Rules) -> Arc<Self> {
        Self::sharing(backends, rules, Vec::new())
    }

    /// Creates an empty store that notes changes of these backends in outboxes.
    pub(crate) fn sharing(backends: &[BackendId], rules: &Rules, outboxes: Outboxes) -> Arc<Self> {
        let index = Index::new(backends, rules);
        let (view, _) = index.view(&View::default(), &BTreeSet::new());
        let unsaved = Arc::<Unsaved>::default();
        let pins = Arc::new(PinBook::new(rules.accept_changes, Arc::clone(&unsaved)));
        Arc::new(Self {
            inner: Mutex::new(StoreInner { index, touched: None }),
            throttle: Mutex::default(),
            view: watch::Sender::new(Arc::new(view)),
            gauges: backends.iter().map(|backend| CapacityGauge::new(*backend)).collect(),
            unsaved,
            pins,
            outboxes,
        })
    }

    /// Returns the current view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Returns the current view and those to come. A wake without a new view is possible.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// Wakes readers that wait for a view.
    pub fn wake(&self) {
        self.view.send_modify(|_| ());
    }

    /// Returns keys of the records that changed since the last write.
    #[must_use]
    pub const fn unsaved(&self) -> &Arc<Unsaved> {
        &self.unsaved
    }

    /// Returns pins and learned digests.
    pub(crate) const fn pins(&self) -> &Arc<PinBook> {
        &self.pins
    }

    /// Returns the memory use of a backend's extensions, without a lock.
    #[must_use]
    pub fn capacity_use(&self, backend: BackendId) -> CapacityUse {
        let mut gauges = self.gauges.iter();
        gauges.find(|gauge| gauge.is_of(backend)).map(CapacityGauge::get).unwrap_or_default()
    }

    /// Reads the index.
    pub fn read<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        read(&self.inner.lock().index)
    }

    /// Reads the extensions of one backend; `None` if it is not configured.
    pub fn read_backend<T>(
        &self,
        backend: BackendId,
        read: impl FnOnce(&BackendExtensions) -> T,
    ) -> Option<T> {
        self.inner.lock().index.backend(backend).map(read)
    }

    /// Applies one delta.
    pub fn apply(self: &Arc<Self>, delta: Delta) {
        self.change(|change| change.apply(delta));
    }

    /// Decides on deltas and applies them in one step. Publishes a new view at once, or as soon as
    /// the throttle allows.
    pub fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut IndexChange<'_>) -> T) -> T {
        self.write(Some(&self.unsaved), ChangeOrigin::Own, change)
    }

    /// Applies deltas like [`CatalogStore::change`] that the log of all replicas has.
    pub(crate) fn follow<T>(self: &Arc<Self>, change: impl FnOnce(&mut IndexChange<'_>) -> T) -> T {
        self.write(Some(&self.unsaved), ChangeOrigin::Shared, change)
    }

    /// Applies deltas like [`CatalogStore::change`], but of a state that is saved already.
    pub fn restore<T>(self: &Arc<Self>, change: impl FnOnce(&mut IndexChange<'_>) -> T) -> T {
        self.write(None, ChangeOrigin::Shared, change)
    }

    fn write<T>(
        self: &Arc<Self>,
        unsaved: Option<&Unsaved>,
        origin: ChangeOrigin,
        change: impl FnOnce(&mut IndexChange<'_>) -> T,
    ) -> T {
        let mut inner = self.inner.lock();
        let outcome = change(&mut IndexChange { store: self, inner: &mut inner, unsaved, origin });
        // Copied while the index is locked, so that `/health` need not take that lock.
        self.gauges.iter().for_each(|gauge| gauge.set_from(&inner.index));
        if inner.touched.is_some() {
            self.publish(&mut inner);
        }
        outcome
    }

    fn publish(self: &Arc<Self>, inner: &mut StoreInner) {
        // Decided before the match: `throttle` must not stay locked while the view is made.
        let turn = self.throttle.lock().turn(Instant::now());
        match turn {
            PublishTurn::Now => self.publish_now(inner),
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

    fn publish_now(&self, inner: &mut StoreInner) {
        let touched = inner.touched.take().unwrap_or_default();
        let (view, owners) = inner.index.view(&self.view(), &touched);
        if !owners.is_empty() {
            // The view shows these owners, so nothing is touched.
            let names = inner.index.apply(Delta::Owners(owners)).unwrap_or_default();
            for id in names {
                // The writer of the first backend decides owners for all replicas.
                if let Some((_, outbox)) = self.outboxes.first() {
                    outbox.note_owner(&id);
                }
                self.unsaved.note(RecordKey::Owner(id));
            }
        }
        // Made before it is sent: readers of the channel wait during a send.
        drop(self.view.send_replace(Arc::new(view)));
    }

    /// Waits until a view shows every change made so far, at most a fraction of a second.
    pub async fn published(&self) {
        let revision = {
            let inner = self.inner.lock();
            self.view().revision + u64::from(inner.touched.is_some())
        };
        self.wait_for(revision).await;
    }

    /// Waits for the view of this revision or a later one.
    pub async fn wait_for(&self, revision: u64) {
        let mut views = self.view.subscribe();
        // Never an error: the sender lives as long as `self`.
        let _ = views.wait_for(|view| view.revision >= revision).await;
    }
}

impl StoreInner {
    fn touch(&mut self, mut names: BTreeSet<ExtensionId>) {
        // Joins two sets in one pass.
        self.touched.get_or_insert_default().append(&mut names);
    }
}
