//! What one backend has, and what of it was said to be gone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::catalog::index::Part;
use crate::catalog::moment::Moment;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

/// Two answers of "no such repository" at least this far apart make it certain.
const CERTAIN_AFTER: Duration = Duration::from_secs(10);

/// What is to be thought of a "no" to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Nothing was known of it anyway.
    Unknown,
    /// It was there; a second "no" is needed, some time after the first.
    Doubted,
    /// This is the second one.
    Certain,
}

/// What one backend has.
pub(super) struct Shelf {
    pub(super) source: Source,
    /// Whether it was ever listed.
    pub(super) known: bool,
    pub(super) extensions: BTreeMap<ExtensionId, Part>,
    /// When a repository was first said to be gone.
    pub(super) absent: HashMap<ExtensionId, Instant>,
}

impl Shelf {
    pub(super) fn new(source: Source) -> Self {
        Self { source, known: false, extensions: BTreeMap::new(), absent: HashMap::new() }
    }

    /// Takes in an extension as it was read; answers whether that is news.
    pub(super) fn read(&mut self, extension: Extension, now: Instant) -> bool {
        self.absent.remove(extension.id());
        match self.extensions.get(extension.id()) {
            Some(known) if *known.extension == extension => {
                *known.read.lock() = now.into();
                false
            }
            _ => {
                self.put(Arc::new(extension), now.into());
                true
            }
        }
    }

    pub(super) fn put(&mut self, extension: Arc<Extension>, read: Moment) {
        let (id, part) = self.part(extension, read);
        // The name may be spelled otherwise now, and the key is what keeps the spelling.
        self.extensions.remove(&id);
        self.extensions.insert(id, part);
    }

    /// Takes over what was known before a restart, unless it was read since. Many at once: maps are
    /// joined in one pass.
    pub(super) fn restore(&mut self, extensions: Vec<(Arc<Extension>, Moment)>) {
        let parts = extensions.into_iter().map(|(extension, read)| self.part(extension, read));
        let mut before: BTreeMap<ExtensionId, Part> = parts.collect();
        before.append(&mut self.extensions);
        self.extensions = before;
    }

    fn part(&self, extension: Arc<Extension>, read: Moment) -> (ExtensionId, Part) {
        let (id, read) = (extension.id().clone(), Arc::new(Mutex::new(read)));
        (id, Part { source: self.source, extension, read })
    }

    /// Takes in that the backend said "no such repository".
    pub(super) fn missed(&mut self, id: &ExtensionId, now: Instant) -> Absence {
        if !self.extensions.contains_key(id) {
            return Absence::Unknown;
        }
        let first = *self.absent.entry(id.clone()).or_insert(now);
        if now.duration_since(first) >= CERTAIN_AFTER { Absence::Certain } else { Absence::Doubted }
    }

    /// Removes an extension unless it was seen again since it was missed; answers whether it did.
    pub(super) fn remove(&mut self, id: &ExtensionId) -> bool {
        self.absent.remove(id).is_some() && self.extensions.remove(id).is_some()
    }
}
