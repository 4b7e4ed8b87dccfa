//! A tag that turned out to stand for another release when it was read by itself. Cached responses
//! made from the old one become invalid.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::index::Entry;
use crate::models::artifact::ArtifactChoice;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

impl Catalog {
    /// Takes over the content of a tag as it was read just now. If it differs from the cached
    /// release, the extension changes, and cached responses about it become invalid.
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
        // The digest of an unread release was never shown, so no cached response has to become
        // invalid before this one is sent. A wait here would slow down downloads of many versions,
        // since views are paced.
        if known.manifest_digest.is_some() {
            self.shown().await;
        }
    }

    /// Returns the entry for a response about this release: the present one if the read of the
    /// release is what changed it, else the one that the request found. A later change may be newer
    /// than the response.
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
        // Only the digest is taken over: it identifies the content and needs no room. The rest
        // would grow the extension beyond what its room was checked for.
        ArtifactChoice::Unread => {
            Release { manifest_digest: read.manifest_digest.clone(), ..known.clone() }
        }
        // Notes stay out of the index: they are large, and read with each response that shows them.
        _ => Release { notes: None, ..read.clone() },
    }
}
