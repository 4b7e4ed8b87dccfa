//! Tags that stand for another release when read by themselves: cached responses become invalid.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::index::Entry;
use crate::models::artifact::ArtifactChoice;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

impl Catalog {
    /// Takes over a tag as it was read just now; a difference makes cached responses invalid.
    pub(super) async fn stands_for(
        self: &Arc<Self>,
        id: &ExtensionId,
        known: &Release,
        read: &Release,
    ) {
        if !is_other(known, read) {
            return;
        }
        self.change(|index| {
            index.amend(read.backend, id, |extension| {
                extension.amended(|release| {
                    // Another read may have stored something newer in the meantime.
                    let is_as_known = release.manifest_digest == known.manifest_digest;
                    (is_as_known && release.tag == read.tag).then(|| retagged(release, read))
                })
            });
        });
        // The digest of an unread release was never shown, so no cached response is wrong. A wait
        // would slow down downloads of many versions, since views are paced.
        if known.manifest_digest.is_some() {
            self.shown().await;
        }
    }

    /// Returns the present entry if the read of the release is what changed it, else the one that
    /// the request found: a later change may be newer than the response.
    pub(super) fn entry_of(
        &self,
        entry: Arc<Entry>,
        known: &Release,
        read: &Release,
        scope: Scope,
    ) -> Arc<Entry> {
        let view = self.view();
        let now = view.get(entry.id(), scope).filter(|now| {
            let release = now.extension.all_releases().find(|release| release.tag == read.tag);
            release.is_some_and(|release| release.manifest_digest == read.manifest_digest)
        });
        match now.filter(|_| is_other(known, read)) {
            Some(now) => Arc::clone(now),
            None => entry,
        }
    }
}

fn is_other(known: &Release, read: &Release) -> bool {
    read.manifest_digest.is_some() && known.manifest_digest != read.manifest_digest
}

fn retagged(known: &Release, read: &Release) -> Release {
    match known.artifact {
        // Only the digest, which is small: the rest was not checked against the capacity.
        ArtifactChoice::Unread => {
            Release { manifest_digest: read.manifest_digest.clone(), ..known.clone() }
        }
        // Notes stay out of the index: they are large, and read with each response that shows them.
        _ => Release { notes: None, ..read.clone() },
    }
}
