//! The extensions of one backend, including those that were reported as gone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::catalog::index::Part;
use crate::catalog::index::capacity::Capacity;
use crate::catalog::persistent_instant::PersistentInstant;
use crate::models::backend_id::BackendId;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

/// Minimum time between two reports of absence that make it certain.
const CERTAIN_AFTER: Duration = Duration::from_secs(10);

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

#[derive(Debug, PartialEq, Eq)]
pub(super) enum PutOutcome {
    Same,
    News,
    /// It does not fit. The previous state stays.
    Refused,
    /// Its list of releases is suddenly empty. The previous state stays.
    Emptied(Absence, Extension),
}

pub(super) struct BackendState {
    pub(super) backend: BackendId,
    pub(super) known: bool,
    pub(super) extensions: BTreeMap<ExtensionId, Part>,
    pub(super) absent: HashMap<ExtensionId, Instant>,
    pub(super) capacity: Capacity,
}

impl BackendState {
    pub(super) fn new(backend: BackendId, max_bytes: usize) -> Self {
        let (extensions, absent) = (BTreeMap::new(), HashMap::new());
        Self { backend, known: false, extensions, absent, capacity: Capacity::new(max_bytes) }
    }

    /// Returns true if a name that is not here is not at the backend: it was listed, and all fits.
    pub(super) const fn is_completely_listed(&self) -> bool {
        self.known && self.capacity.refused() == 0
    }

    pub(super) fn listed(&self, id: &ExtensionId) -> Option<Part> {
        let part = self.extensions.get(id)?;
        (!part.extension.releases().is_empty()).then(|| part.clone())
    }

    /// Decides which releases are removed: an incomplete list removes no release, and a suddenly
    /// empty one waits for a second list.
    pub(super) fn read(&mut self, mut extension: Extension, now: Instant) -> PutOutcome {
        let id = extension.id().clone();
        let known = self.extensions.get(&id);
        if let Some(known) = known {
            // Set even if it does not fit: reading it again at once would not help.
            *known.read.lock() = now.into();
            let had_releases = !known.extension.releases().is_empty();
            // A server that starts or restores a backup may list a repository without releases.
            if extension.coverage().is_complete() && extension.releases().is_empty() && had_releases
            {
                return PutOutcome::Emptied(self.missed(&id, now), extension);
            }
            if !extension.coverage().proves_the_newest() {
                // A part of the list is missing, so a release that it lacks may still be there.
                extension = extension.with_known(&known.extension);
            }
        }
        self.absent.remove(&id);
        let known = self.extensions.get(&id);
        if known.is_some_and(|known| *known.extension == extension) {
            return PutOutcome::Same;
        }
        let part = self.part(Arc::new(extension), now.into());
        if !self.capacity.fits(known.map_or(0, |known| known.weight), part.weight) {
            // A refusal leaves the known extension in place: older data is better than a gap.
            self.capacity.exceed();
            return PutOutcome::Refused;
        }
        self.put(part);
        PutOutcome::News
    }

    /// Replaces an extension, even beyond the limit: the addition does not come from the backend.
    pub(super) fn amend(&mut self, extension: Extension, read: PersistentInstant) {
        let part = self.part(Arc::new(extension), read);
        self.put(part);
    }

    fn put(&mut self, part: Part) {
        let id = part.extension.id().clone();
        // The old key must go: it may have another spelling, and `insert` would keep it.
        let before = self.extensions.remove(&id);
        self.capacity.replace(before.map_or(0, |before| before.weight), part.weight);
        self.extensions.insert(id, part);
    }

    /// Restores extensions from before a restart as far as they fit, and returns the names of the
    /// others. One that was read since then stays. Takes many at once: `BTreeMap::append` joins maps
    /// in one pass.
    pub(super) fn restore(
        &mut self,
        extensions: Vec<(Arc<Extension>, PersistentInstant)>,
    ) -> Vec<ExtensionId> {
        let mut refused = Vec::new();
        let mut before: Vec<(ExtensionId, Part)> = Vec::with_capacity(extensions.len());
        for (extension, read) in extensions {
            let part = self.part(extension, read);
            let id = part.extension.id().clone();
            if self.extensions.contains_key(&id) {
                continue;
            }
            if self.capacity.fits(0, part.weight) {
                self.capacity.replace(0, part.weight);
                before.push((id, part));
            } else {
                refused.push(id);
            }
        }
        let mut before: BTreeMap<ExtensionId, Part> = before.into_iter().collect();
        before.append(&mut self.extensions);
        self.extensions = before;
        refused
    }

    fn part(&self, extension: Arc<Extension>, read: PersistentInstant) -> Part {
        let (weight, read) = (extension.weight(), Arc::new(Mutex::new(read)));
        Part { backend: self.backend, extension, weight, read }
    }

    pub(super) fn missed(&mut self, id: &ExtensionId, now: Instant) -> Absence {
        if !self.extensions.contains_key(id) {
            return Absence::Unknown;
        }
        // Only the first report starts the waiting time; later ones do not prolong it.
        let first = *self.absent.entry(id.clone()).or_insert(now);
        let confirmed_from = first + CERTAIN_AFTER;
        if now >= confirmed_from { Absence::Certain } else { Absence::Doubted(confirmed_from) }
    }

    /// Replaces the known extension unless it was seen since. Returns true if it was replaced.
    pub(super) fn empty(&mut self, extension: Extension, now: Instant) -> bool {
        let was_missed = self.absent.remove(extension.id()).is_some();
        if was_missed {
            self.amend(extension, now.into());
        }
        was_missed
    }

    /// Removes an extension unless it was seen since. Returns true if it was removed.
    pub(super) fn remove(&mut self, id: &ExtensionId) -> bool {
        // A read in between has cleared the doubt, so the removal no longer applies.
        let doubted = self.absent.remove(id).is_some();
        let removed = doubted.then(|| self.extensions.remove(id)).flatten();
        if let Some(part) = &removed {
            self.capacity.replace(part.weight, 0);
        }
        removed.is_some()
    }
}
