//! The newest releases of all extensions, for home pages and feeds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use jiff::Timestamp;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionType;
use registry_core::models::scope::Scope;

use crate::index::entry::Entry;
use crate::index::view::View;

/// A release, and its extension.
#[derive(Clone, Debug)]
pub struct NewRelease {
    /// The extension.
    pub entry: Arc<Entry>,
    /// The release, which names its backend.
    pub release: Arc<Release>,
    /// Time of publication.
    pub published_at: Timestamp,
}

/// The greatest of many values: no more than `count` are held.
struct Greatest<T> {
    /// The least of the greatest is on top, so most values cost one comparison.
    heap: BinaryHeap<Reverse<T>>,
    count: usize,
}

impl<T: Ord> Greatest<T> {
    const fn new(count: usize) -> Self {
        Self { heap: BinaryHeap::new(), count }
    }

    fn offer(&mut self, one: T) {
        if self.heap.len() < self.count {
            self.heap.push(Reverse(one));
        } else if let Some(mut least) = self.heap.peek_mut()
            && one > least.0
        {
            *least = Reverse(one);
        }
    }

    /// Returns them in descending order.
    fn into_sorted(self) -> impl Iterator<Item = T> {
        // Ascending in `Reverse` is descending.
        self.heap.into_sorted_vec().into_iter().map(|Reverse(one)| one)
    }
}

/// Returns the releases of a scope, and of one type where one is given, that were published last,
/// newest first: at most `count`, none without a time of publication. Compares the newest time of
/// every extension, and the releases of at most `count` extensions.
#[must_use]
pub fn newest(
    view: &View,
    extension_type: Option<ExtensionType>,
    scope: Scope,
    count: usize,
) -> Vec<NewRelease> {
    let entries = view.entries(scope);
    // Of equal times those of the first extension and release are preferred.
    let mut extensions = Greatest::new(count);
    for (at, (_, row)) in view.rows(scope).enumerate() {
        let is_wanted = extension_type.is_none_or(|wanted| wanted == row.extension_type);
        if let Some(newest_at) = row.newest_at.filter(|_| is_wanted) {
            extensions.offer((newest_at, Reverse(at)));
        }
    }
    let mut releases = Greatest::new(count);
    for (_, Reverse(at)) in extensions.into_sorted() {
        let of = entries.get(at).map_or(&[][..], |entry| entry.extension.releases());
        for (of, release) in of.iter().enumerate() {
            if let Some(published_at) = release.published_at {
                releases.offer((published_at, Reverse(at), Reverse(of)));
            }
        }
    }
    let found = releases.into_sorted().filter_map(|(published_at, Reverse(at), Reverse(of))| {
        let entry = Arc::clone(entries.get(at)?);
        let release = Arc::clone(entry.extension.releases().get(of)?);
        Some(NewRelease { entry, release, published_at })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use registry_core::models::backend_id::BackendId;
    use registry_testing::ids::{about, id, tag};
    use registry_testing::memory::MemoryBackend;

    use super::*;
    use crate::{Catalog, Rules};

    #[tokio::test]
    async fn the_newest_of_all_releases_come_first_and_no_more_than_asked_for() {
        let backend = MemoryBackend::new(BackendId::LOCAL);
        for (name, version, day) in [
            ("provider/b", "1.0.0", Some("2025-01-05")),
            ("provider/b", "2.0.0", Some("2025-01-01")),
            ("provider/b", "3.0.0", None),
            ("provider/a", "1.0.0", Some("2025-01-03")),
            ("provider/a", "1.1.0", Some("2025-01-03")),
            ("taskserv/a", "1.0.0", Some("2025-01-03")),
            ("cluster/c", "nightly", Some("2025-01-04")),
        ] {
            backend.publish(&id(name), tag(version), about("d", &[]), "x");
            let at = day.map(|day| format!("{day}T00:00:00Z").parse().unwrap());
            backend.date(&id(name), &tag(version), at);
        }
        let catalog = Catalog::new(vec![Arc::new(backend)], Rules::for_tests());
        catalog.syncer.sync(Scope::All).await.unwrap();
        let view = catalog.store.view();
        let found = |extension_type, scope, count| {
            let newest = newest(&view, extension_type, scope, count).into_iter();
            let texts =
                newest.map(|one| format!("{} {}", one.entry.id(), one.release.version.as_str()));
            texts.collect::<Vec<_>>()
        };
        let all = [
            "provider/b 1.0.0",
            "cluster/c nightly",
            "provider/a 1.1.0",
            "provider/a 1.0.0",
            "taskserv/a 1.0.0",
            "provider/b 2.0.0",
        ];
        for count in 0..=all.len() {
            assert_eq!(found(None, Scope::All, count), all[..count], "{count}");
        }
        assert_eq!(found(None, Scope::All, 50), all, "what has no date is left out");
        assert_eq!(found(Some(ExtensionType::Taskserv), Scope::All, 10), ["taskserv/a 1.0.0"]);
        assert_eq!(found(None, BackendId::OCI.into(), 10), [""; 0]);
    }
}
