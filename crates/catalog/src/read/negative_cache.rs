//! Negative cache: names and versions that every backend recently reported as missing.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;
use tokio::time::Instant;

use crate::store::CatalogStore;

/// Capacity; the least recently used entry is evicted first.
const NEGATIVE_ENTRIES_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LookupKey {
    pub(super) id: ExtensionId,
    pub(super) subject: LookupSubject,
    pub(super) scope: Scope,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LookupSubject {
    Extension,
    Version(Tag),
    Range(String),
    Tag(Tag),
}

/// Names and versions that were reported as missing.
pub(super) struct NegativeCache {
    entries: Mutex<BoundedLru<LookupKey, NegativeEntry>>,
    store: Arc<CatalogStore>,
    ttl: Duration,
}

/// Time of a negative response, and the revision of the view for which it holds.
#[derive(Clone, Copy)]
struct NegativeEntry {
    at: Instant,
    revision: u64,
}

impl NegativeCache {
    pub(super) fn new(store: Arc<CatalogStore>, ttl: Duration) -> Self {
        let entries = BoundedLru::new(LruBounds::entries(NEGATIVE_ENTRIES_MAX));
        Self { entries: Mutex::new(entries), store, ttl }
    }

    /// Returns true if every backend reported the absence within the time to live, in this view.
    pub(super) fn has(&self, key: &LookupKey) -> bool {
        // Any change ends a negative entry, so a new extension is found as soon as it shows.
        let revision = self.store.view().revision;
        let entry = self.entries.lock().get(key).copied();
        entry.is_some_and(|entry| entry.revision == revision && entry.at.elapsed() < self.ttl)
    }

    pub(super) fn put(&self, key: LookupKey) {
        let entry = NegativeEntry { at: Instant::now(), revision: self.store.view().revision };
        self.entries.lock().put(key, 0, entry);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use registry_core::models::backend_id::BackendId;
    use registry_testing::memory::MemoryBackend;

    use super::*;
    use crate::{Catalog, Rules};

    #[tokio::test]
    async fn made_up_names_leave_a_bounded_trace() {
        let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
        let catalog = Catalog::new(vec![backend], Rules::for_tests());
        catalog.syncer.sync(Scope::All).await.unwrap();
        for number in 0..3 * NEGATIVE_ENTRIES_MAX {
            let made_up = format!("made-up-{number}-provider");
            let id = ExtensionId::from_oci_repository(&made_up).unwrap();
            assert!(catalog.reader.find(&id, Scope::All).await.unwrap_err().is_not_found());
        }
        assert_eq!(catalog.reader.negative.entries.lock().count(), NEGATIVE_ENTRIES_MAX);
        assert!(catalog.store.read(|index| index.owners().is_empty()));
        assert!(catalog.store.published().now_or_never().is_some(), "no view is due");
    }
}
