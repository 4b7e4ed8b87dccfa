//! Keys of the records that changed since the last write.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::models::artifact::ArtifactKey;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;

/// Maximum number of keys. Beyond it the next write is a full one, so that a disk that stays full
/// does not fill the memory too.
const KEYS_MAX: usize = 100_000;

/// Key of a record, except those of backends: these are compared as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::catalog) enum RecordKey {
    Extension(BackendId, ExtensionId),
    Owner(ExtensionId),
    /// Pins of an extension, by version or tag.
    Pins(BackendId, ExtensionId, String),
    /// Digest of a file that was learned.
    Digest(BackendId, ArtifactKey),
}

/// Keys to write next; `None` if everything has to be written, as before the first write. A service
/// without a state directory stays there and collects nothing.
#[derive(Debug, Default)]
pub(in crate::catalog) struct Unsaved {
    keys: Mutex<Option<BTreeSet<RecordKey>>>,
    news: Notify,
}

impl Unsaved {
    /// Adds a record that changed or was removed.
    pub(in crate::catalog) fn note(&self, key: RecordKey) {
        let mut unsaved = self.keys.lock();
        let Some(keys) = unsaved.as_mut() else { return };
        keys.insert(key);
        if keys.len() > KEYS_MAX {
            *unsaved = None;
        }
        self.news.notify_one();
    }

    /// Requests a full write, after a change of countless records.
    pub(in crate::catalog) fn note_all(&self) {
        *self.keys.lock() = None;
        self.news.notify_one();
    }

    /// Returns the keys, and collects anew.
    pub(super) fn take(&self) -> Option<BTreeSet<RecordKey>> {
        self.keys.lock().replace(BTreeSet::new())
    }

    /// Adds keys that could not be written.
    pub(super) fn put_back(&self, before: Option<BTreeSet<RecordKey>>) {
        match before {
            Some(keys) => keys.into_iter().for_each(|key| self.note(key)),
            None => self.note_all(),
        }
    }

    /// Returns true if there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.lock().as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Waits until a key is added, or returns at once if one was added since the last call.
    pub(super) async fn changed(&self) {
        self.news.notified().await;
    }
}
