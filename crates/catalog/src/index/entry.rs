//! Entries: one extension as readers of a scope see it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;

use crate::ownership::Ownership;
use crate::persistent_instant::PersistentInstant;

/// One extension as readers see it.
#[derive(Debug)]
pub struct Entry {
    /// The releases of the owner, or those of all backends pooled.
    pub extension: Arc<Extension>,
    /// The backend that answers for it.
    pub ownership: Ownership,
    pub(super) copies: Copies,
}

/// The copy of each backend that has a name, in order; never empty.
pub(super) type Copies = Box<[BackendCopy]>;

/// An extension as one backend has it.
#[derive(Clone, Debug)]
pub struct BackendCopy {
    /// The backend.
    pub backend: BackendId,
    /// The extension as readers see it: with pins and learned digests.
    pub extension: Arc<Extension>,
    /// The extension as the backend reported it. Often the same `Arc`.
    pub(crate) reported: Arc<Extension>,
    /// Approximate size in bytes.
    pub(super) weight: usize,
    /// Shared with the entries of views: a read without a difference makes no new view.
    read: Arc<Mutex<PersistentInstant>>,
}

impl BackendCopy {
    pub(super) fn new(
        backend: BackendId,
        reported: Arc<Extension>,
        read: PersistentInstant,
    ) -> Self {
        let (weight, read) = (reported.weight(), Arc::new(Mutex::new(read)));
        Self { backend, extension: Arc::clone(&reported), reported, weight, read }
    }

    /// Returns the copy as readers are to see it, with the same report and time.
    pub(super) fn shown_as(self, extension: Arc<Extension>) -> Self {
        if Arc::ptr_eq(&self.extension, &extension) {
            return self;
        }
        let amended = self.reported.all_releases().zip(extension.all_releases());
        let amended = amended.filter(|(reported, shown)| !Arc::ptr_eq(reported, shown));
        let beside: usize = amended.map(|(_, shown)| shown.bare_weight()).sum();
        let weight = self.reported.weight() + beside;
        Self { extension, weight, ..self }
    }

    /// Returns the time of the last read.
    #[must_use]
    pub fn read_at(&self) -> PersistentInstant {
        *self.read.lock()
    }

    pub(super) fn set_read_at(&self, read: PersistentInstant) {
        *self.read.lock() = read;
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        // Pointers suffice: an extension that was read again unchanged stays the same `Arc`.
        self.backend == other.backend && Arc::ptr_eq(&self.extension, &other.extension)
    }
}

impl Entry {
    /// Returns type and name.
    #[must_use]
    pub fn id(&self) -> &ExtensionId {
        self.extension.id()
    }

    /// Returns every backend that has this extension, in order.
    pub fn backends(&self) -> impl Iterator<Item = &BackendId> {
        self.copies.iter().map(|copy| &copy.backend)
    }

    /// Returns true if this backend has releases of the extension.
    #[must_use]
    pub fn is_of(&self, backend: BackendId) -> bool {
        self.extension.releases().iter().any(|release| release.backend == backend)
    }

    /// The backends from which it was last read this long ago or longer.
    pub fn older_than(&self, age: Duration) -> impl Iterator<Item = BackendId> {
        let old = self.copies.iter().filter(move |copy| copy.read_at().elapsed() >= age);
        old.map(|copy| copy.backend)
    }

    pub(super) fn is_orphan(&self) -> bool {
        matches!(self.ownership, Ownership::Orphaned(_))
    }

    pub(super) fn is_made_of(&self, copies: &Copies, ownership: Ownership) -> bool {
        self.ownership == ownership
            && self.copies.len() == copies.len()
            && self.copies.iter().zip(copies).all(|(mine, theirs)| mine.is_same(theirs))
    }
}

impl AsRef<Arc<Extension>> for Entry {
    fn as_ref(&self) -> &Arc<Extension> {
        &self.extension
    }
}
