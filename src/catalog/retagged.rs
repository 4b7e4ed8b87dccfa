//! What a release turned out to be when it was read by itself. Answers made of anything older end.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::catalog::index::Entry;
use crate::models::artifact::ArtifactChoice;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

impl Catalog {
    /// Takes over what the tag of a release stands for, as it was read just now. Where that is
    /// other than what was known, every answer about the extension is made anew.
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
                // What was learned meanwhile may be newer.
                let is_as_known = |release: &Release| {
                    release.tag == read.tag && release.manifest_digest == known.manifest_digest
                };
                extension.amended(|release| is_as_known(release).then(|| retagged(release, read)))
            });
        });
        // An unread release told no digest so far, so that no answer has to be taken back before this
        // one is given. Views follow each other slowly: downloads of many versions would wait in line.
        if known.manifest_digest.is_some() {
            self.shown().await;
        }
    }

    /// The entry that an answer about this release is made of: the one of now, if reading the
    /// release is what changed it. Any other change may be newer than the answer.
    pub(super) fn entry_of(
        &self,
        entry: Arc<Entry>,
        known: &Release,
        read: &Release,
        scope: Scope,
    ) -> Arc<Entry> {
        let is_as_read = |now: &&Arc<Entry>| {
            let release = now.extension.all_releases().find(|release| release.tag == read.tag);
            release.is_some_and(|release| release.manifest_digest == read.manifest_digest)
        };
        let view = self.view();
        let now = view.get(entry.id(), scope).filter(is_as_read);
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
        // The digest is enough to tell it from another one, and there is always room for it.
        ArtifactChoice::Unread => {
            Release { manifest_digest: read.manifest_digest.clone(), ..known.clone() }
        }
        _ => Release { notes: None, ..read.clone() },
    }
}
