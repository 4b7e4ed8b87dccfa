//! Keys of the records that changed since the last write.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use tokio::sync::Notify;

/// Maximum number of keys; beyond it the next write is a full one.
const KEYS_MAX: usize = 100_000;

/// Key of a record, except those of backends: these are compared as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKey {
    Extension(BackendId, ExtensionId),
    Owner(ExtensionId),
    Pins(BackendId, ExtensionId, String),
    Digest(BackendId, ArtifactKey),
}

/// `None` if everything has to be written, which stays so without a state directory.
#[derive(Debug, Default)]
pub struct Unsaved {
    keys: Mutex<Option<BTreeSet<RecordKey>>>,
    changes: Notify,
}

impl Unsaved {
    pub(crate) fn note(&self, key: RecordKey) {
        self.note_each([key]);
    }

    pub(crate) fn note_each(&self, added: impl IntoIterator<Item = RecordKey>) {
        let mut unsaved = self.keys.lock();
        let Some(keys) = unsaved.as_mut() else { return };
        for key in added {
            keys.insert(key);
            if keys.len() > KEYS_MAX {
                *unsaved = None;
                break;
            }
        }
        self.changes.notify_one();
    }

    pub(crate) fn note_all(&self) {
        *self.keys.lock() = None;
        self.changes.notify_one();
    }

    pub(super) fn take(&self) -> Option<BTreeSet<RecordKey>> {
        self.keys.lock().replace(BTreeSet::new())
    }

    pub(super) fn put_back(&self, before: Option<BTreeSet<RecordKey>>) {
        match before {
            Some(keys) => self.note_each(keys),
            None => self.note_all(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.lock().as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Waits until a key is added, or returns at once if one was added since the last call.
    pub(super) async fn changed(&self) {
        self.changes.notified().await;
    }
}
