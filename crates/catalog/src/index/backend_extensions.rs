//! The extensions of one backend, including those that were reported as gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

use crate::index::capacity::{Capacity, CapacityUse, Refusals};
use crate::index::delta::BackendDelta;
use crate::index::entry::BackendCopy;
use crate::persistent_instant::PersistentInstant;

/// Minimum time between two reports of absence that make it certain.
const CERTAIN_AFTER: Duration = Duration::from_secs(10);

/// An extension, and when it was last read.
pub type ReadCopy = (Arc<Extension>, PersistentInstant);

/// Weight of a response that reports a known extension, or all its releases, as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The extension was not known.
    Unknown,
    /// The extension was known. A second report from this moment on confirms the absence.
    Doubted(Instant),
    /// A second report confirms the first one.
    Certain,
}

/// A read extension compared with the index.
#[derive(Debug, PartialEq, Eq)]
pub enum Assessment {
    /// It is as it was.
    Same,
    /// It differs, and this is to be stored.
    Changed(Extension),
    /// It does not fit. The previous state stays: older data is better than a gap.
    OverCapacity,
    /// Its list of releases is suddenly empty. The previous state stays until that is confirmed.
    Emptied(Absence, Extension),
}

/// The extensions of one backend.
pub struct BackendExtensions {
    backend: BackendId,
    listed: bool,
    extensions: BTreeMap<ExtensionId, BackendCopy>,
    /// Extensions that were reported as gone, with the time of the first report.
    doubted: HashMap<ExtensionId, Instant>,
    capacity: Capacity,
    refusals: Refusals,
}

impl BackendExtensions {
    pub(super) fn new(backend: BackendId, max_bytes: usize) -> Self {
        Self {
            backend,
            listed: false,
            extensions: BTreeMap::new(),
            doubted: HashMap::new(),
            capacity: Capacity::new(max_bytes),
            refusals: Refusals::default(),
        }
    }

    pub(crate) const fn id(&self) -> BackendId {
        self.backend
    }

    /// Returns true if the backend was listed.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        self.listed
    }

    /// Returns true if a name that is not here is not at the backend: it was listed, and all fits.
    #[must_use]
    pub const fn is_completely_listed(&self) -> bool {
        self.listed && self.refusals.count() == 0
    }

    /// Returns one extension.
    #[must_use]
    pub fn get(&self, id: &ExtensionId) -> Option<&BackendCopy> {
        self.extensions.get(id)
    }

    /// Returns every extension, by name.
    pub fn all(&self) -> impl Iterator<Item = &BackendCopy> {
        self.extensions.values()
    }

    /// Returns the names of all extensions, in order.
    pub fn names(&self) -> impl Iterator<Item = &ExtensionId> {
        self.extensions.keys()
    }

    /// Returns the names of extensions with releases, in order.
    pub fn with_releases(&self) -> impl Iterator<Item = &ExtensionId> {
        let known = self.extensions.iter();
        known.filter(|(_, copy)| !copy.extension.releases().is_empty()).map(|(id, _)| id)
    }

    pub(super) fn visible(&self, id: &ExtensionId) -> Option<&BackendCopy> {
        self.extensions.get(id).filter(|copy| !copy.extension.releases().is_empty())
    }

    /// Returns the names that were reported as gone once, without confirmation; ordered.
    #[must_use]
    pub fn doubted(&self) -> BTreeSet<ExtensionId> {
        self.doubted.keys().cloned().collect()
    }

    /// Returns true if the extension was reported as gone and not read since.
    #[must_use]
    pub fn is_doubted(&self, id: &ExtensionId) -> bool {
        self.doubted.contains_key(id)
    }

    /// Returns the memory use and the number of refused extensions.
    #[must_use]
    pub const fn capacity_use(&self) -> CapacityUse {
        CapacityUse { bytes: self.capacity.used(), refused: self.refusals.count() }
    }

    /// Returns the extensions that did not fit.
    #[must_use]
    pub const fn refusals(&self) -> Refusals {
        self.refusals
    }

    /// Returns the weight of a report of absence at this instant.
    #[must_use]
    pub fn absence(&self, id: &ExtensionId, now: Instant) -> Absence {
        if !self.extensions.contains_key(id) {
            return Absence::Unknown;
        }
        // Only the first report starts the waiting time; later ones do not prolong it.
        let confirmed_from = self.doubted.get(id).copied().unwrap_or(now) + CERTAIN_AFTER;
        if now >= confirmed_from { Absence::Certain } else { Absence::Doubted(confirmed_from) }
    }

    /// Compares an extension that was read at this instant. Decides which releases are removed: an
    /// incomplete list removes no release, and a suddenly empty one waits for a second list.
    #[must_use]
    pub fn assess(&self, mut extension: Extension, now: Instant) -> Assessment {
        let known = self.extensions.get(extension.id());
        if let Some(known) = known {
            let had_releases = !known.extension.releases().is_empty();
            // A server that starts or restores a backup may list a repository without releases.
            if extension.coverage().is_complete() && extension.releases().is_empty() && had_releases
            {
                return Assessment::Emptied(self.absence(extension.id(), now), extension);
            }
            if !extension.coverage().proves_the_newest() {
                // A part of the list is missing, so a release that it lacks may still be there.
                extension = extension.with_known(&known.reported);
            }
            if *known.reported == extension {
                return Assessment::Same;
            }
        }
        let weight = known.map_or(0, |known| known.weight);
        if self.capacity.fits(weight, extension.weight()) {
            Assessment::Changed(extension)
        } else {
            Assessment::OverCapacity
        }
    }

    /// Splits extensions from before a restart into those that fit and the names of the others. One
    /// that was read since then stays, and is in neither part.
    #[must_use]
    pub fn fitting(&self, extensions: Vec<ReadCopy>) -> (Vec<ReadCopy>, Vec<ExtensionId>) {
        let (mut capacity, mut refused) = (self.capacity, Vec::new());
        let mut fitting = Vec::with_capacity(extensions.len());
        for (extension, read) in extensions {
            if self.extensions.contains_key(extension.id()) {
                continue;
            }
            let weight = extension.weight();
            if capacity.fits(0, weight) {
                capacity.replace(0, weight);
                fitting.push((extension, read));
            } else {
                refused.push(extension.id().clone());
            }
        }
        (fitting, refused)
    }

    /// Returns the names that may have changed; `None` if a view shows no difference.
    pub(super) fn apply(
        &mut self,
        delta: BackendDelta,
        shown: &dyn Fn(&Arc<Extension>) -> Arc<Extension>,
    ) -> Option<BTreeSet<ExtensionId>> {
        match delta {
            BackendDelta::Listed => {
                let was_listed = std::mem::replace(&mut self.listed, true);
                return (!was_listed).then(BTreeSet::new);
            }
            BackendDelta::Put(extensions) => return Some(self.put(extensions, shown)),
            BackendDelta::Amended(extension) => {
                // Nothing was read from the backend, so the extension must not look fresher.
                let read = self.extensions.get(extension.id())?.read_at();
                let id = extension.id().clone();
                let shown = shown(&extension);
                self.replace(BackendCopy::new(self.backend, extension, read).shown_as(shown));
                return Some([id].into());
            }
            BackendDelta::Removed(id) => {
                self.doubted.remove(&id);
                let removed = self.extensions.remove(&id)?;
                self.capacity.replace(removed.weight, 0);
                return Some([id].into());
            }
            BackendDelta::Read(id, at) => {
                self.doubted.remove(&id);
                let copy = self.extensions.get(&id)?;
                copy.set_read_at(at);
                // The report is as before, but pins may be new.
                return self.show(shown(&copy.reported));
            }
            BackendDelta::Missing(id, now) => {
                if self.extensions.contains_key(&id) {
                    self.doubted.entry(id).or_insert(now);
                }
            }
            BackendDelta::Refused(refusals) => self.refusals = refusals,
        }
        None
    }

    fn put(
        &mut self,
        extensions: Vec<ReadCopy>,
        shown: &dyn Fn(&Arc<Extension>) -> Arc<Extension>,
    ) -> BTreeSet<ExtensionId> {
        let copies = extensions.into_iter().map(|(one, read)| {
            let shown = shown(&one);
            BackendCopy::new(self.backend, one, read).shown_as(shown)
        });
        if self.extensions.is_empty() {
            // Many at once: a map is made of ordered entries in one pass.
            let copies = copies.map(|copy| (copy.extension.id().clone(), copy));
            self.extensions = copies.collect();
            let weights = self.extensions.values().map(|copy| copy.weight);
            weights.for_each(|weight| self.capacity.replace(0, weight));
            return self.extensions.keys().cloned().collect();
        }
        let copies: Vec<BackendCopy> = copies.collect();
        let names = copies.iter().map(|copy| copy.extension.id().clone()).collect();
        for copy in copies {
            self.doubted.remove(copy.extension.id());
            self.replace(copy);
        }
        names
    }

    /// Changes what readers see of an extension. Returns the name unless that stays as it is.
    pub(super) fn show(&mut self, extension: Arc<Extension>) -> Option<BTreeSet<ExtensionId>> {
        let known = self.extensions.get(extension.id())?;
        if Arc::ptr_eq(&known.extension, &extension) || known.extension == extension {
            return None;
        }
        let copy = known.clone().shown_as(extension);
        let id = copy.extension.id().clone();
        self.replace(copy);
        Some([id].into())
    }

    /// Replaces an extension, even beyond the limit: what an amendment adds is small.
    fn replace(&mut self, copy: BackendCopy) {
        let id = copy.extension.id().clone();
        // The old key must go: it may have another spelling, and `insert` would keep it.
        let before = self.extensions.remove(&id);
        self.capacity.replace(before.map_or(0, |before| before.weight), copy.weight);
        self.extensions.insert(id, copy);
    }
}
