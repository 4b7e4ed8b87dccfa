//! Limits on pins and learned digests. A backend that renames its files in every response must fill
//! neither the memory nor the disk, and the pin of a listed version is never dropped.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::catalog::index::View;
use crate::catalog::pins::BackendPins;
use crate::catalog::pins::pin::VersionPins;
use crate::catalog::unsaved::{RecordKey, Unsaved};
use crate::models::artifact::ArtifactKey;
use crate::models::backend_id::BackendId;
use crate::models::digest::Digest;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

/// Maximum number of learned digests of one backend.
pub(super) const DIGESTS_MAX: usize = 200_000;
/// Number of pinned versions of one backend beyond which pins of unlisted versions are dropped.
pub(super) const VERSIONS_MAX: usize = 500_000;
/// Maximum length of a file's key in bytes. Gitea's have 36, those from registries up to 135.
const KEY_MAX: usize = 512;
/// Minimum time between two searches for entries to drop.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

pub(super) struct PinBounds<'a> {
    pub(super) backend: BackendId,
    pub(super) views: Option<&'a watch::Receiver<Arc<View>>>,
    pub(super) unsaved: &'a Unsaved,
}

impl PinBounds<'_> {
    /// Returns every extension of the backend; `None` if it was not listed yet.
    fn extensions(&self) -> Option<Vec<Arc<Extension>>> {
        // Cloned, so that the channel is not locked while the caller goes through the entries.
        let view = Arc::clone(&self.views?.borrow());
        let entries = view.entries(self.backend.into()).iter();
        view.knows(self.backend).then(|| entries.map(|one| Arc::clone(&one.extension)).collect())
    }
}

impl BackendPins {
    /// Remembers the digest of a file. At the limit, digests of files of unknown releases are
    /// dropped first. Returns true if there is room.
    pub(super) fn learn(
        &mut self,
        key: &ArtifactKey,
        digest: &Digest,
        room: &PinBounds<'_>,
    ) -> bool {
        if let Some(before) = self.digests.get_mut(key) {
            before.clone_from(digest);
            room.unsaved.note(RecordKey::Digest(room.backend, key.clone()));
            return true;
        }
        // Each search visits every file, so a flood of new keys must not cause one per download.
        if self.digests.len() >= DIGESTS_MAX
            && may_look(&mut self.digests_looked)
            && let Some(extensions) = room.extensions()
        {
            let keys: HashSet<&ArtifactKey> = extensions.iter().flat_map(|all| keys(all)).collect();
            self.digests.retain(|key, _| keys.contains(key));
            room.unsaved.note_all();
        }
        // Files of known releases stay: dropping their digests would let them change unnoticed.
        let fits = self.digests.len() < DIGESTS_MAX && key.as_str().len() <= KEY_MAX;
        if fits {
            self.digests.insert(key.clone(), digest.clone());
            room.unsaved.note(RecordKey::Digest(room.backend, key.clone()));
        }
        fits
    }

    /// Beyond the limit, drops pins of versions that are not listed.
    pub(super) fn pin(
        &mut self,
        id: &ExtensionId,
        name: &str,
        pins: VersionPins,
        room: &PinBounds<'_>,
    ) {
        if self.pins() >= VERSIONS_MAX
            && may_look(&mut self.versions_looked)
            && let Some(extensions) = room.extensions()
        {
            let by_id = extensions.iter().map(|extension| (extension.id(), extension));
            self.give_up_pins(&by_id.collect());
            room.unsaved.note_all();
        }
        // Pinned in any case: a download without a pin could be replaced by other bytes.
        self.versions.entry(id.clone()).or_default().insert(name.to_owned(), pins);
        room.unsaved.note(RecordKey::Pins(room.backend, id.clone(), name.to_owned()));
    }

    /// Drops the pins of versions that their extension does not list. If that is not enough, drops
    /// those of unknown extensions, which may lie beyond the end of a listing that was cut short.
    fn give_up_pins(&mut self, known: &HashMap<&ExtensionId, &Arc<Extension>>) {
        self.versions.retain(|id, firsts| {
            let Some(extension) = known.get(id) else { return true };
            // A pin is named by version or by tag, see `pinned_name`.
            let versions = extension.releases().iter().map(|one| one.version.as_str());
            let tags = extension.all_releases().map(|one| one.tag.as_str());
            let named: HashSet<&str> = versions.chain(tags).collect();
            firsts.retain(|name, _| named.contains(name.as_str()));
            !firsts.is_empty()
        });
        if self.pins() >= VERSIONS_MAX {
            self.versions.retain(|id, _| known.contains_key(id));
        }
    }

    fn pins(&self) -> usize {
        self.versions.values().map(HashMap::len).sum()
    }
}

fn may_look(looked: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let may = looked.is_none_or(|at| now.duration_since(at) >= LOOK_AGAIN);
    if may {
        *looked = Some(now);
    }
    may
}

fn keys(extension: &Extension) -> impl Iterator<Item = &ArtifactKey> {
    extension.all_releases().flat_map(|release| {
        release.assets.iter().chain(release.artifact.chosen()).map(|file| &file.key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::index::Index;
    use crate::catalog::pins::pin::Pin;
    use crate::catalog::{Merge, Rules};
    use crate::models::artifact::{Artifact, ArtifactChoice};
    use crate::models::extension::Release;

    const RULES: Rules = Rules {
        merge: Merge::Owner,
        allow_takeover: false,
        ttl: LOOK_AGAIN,
        stale_while_revalidate: LOOK_AGAIN,
        stale_if_error: LOOK_AGAIN,
        full_sweep: LOOK_AGAIN,
        negative_ttl: LOOK_AGAIN,
        accept_changes: false,
        max_bytes: usize::MAX,
    };

    fn id(name: &str) -> ExtensionId {
        ExtensionId::from_oci_repository(&format!("{name}-provider")).unwrap()
    }

    fn first() -> VersionPins {
        VersionPins(vec![Pin {
            file_name: None,
            key: None,
            digest: Digest::sha256(b"a"),
            size: 1,
            replaced_by: None,
        }])
    }

    fn views(key: &str) -> watch::Sender<Arc<View>> {
        let archive = Artifact {
            key: ArtifactKey::new(key),
            file_name: "a.tar.gz".into(),
            size: 1,
            digest: None,
            url: None,
        };
        let release = Release {
            artifact: ArtifactChoice::Chosen(Arc::new(archive)),
            ..Release::of_tag(BackendId::GITEA, "1.0.0".parse().unwrap())
        };
        let mut index = Index::new(&[BackendId::GITEA], &RULES);
        index.put(BackendId::GITEA, Extension::new(id("a"), vec![release]), Instant::now());
        index.listed(BackendId::GITEA);
        watch::Sender::new(Arc::new(index.view(&View::default())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_in_each_answer_leaves_a_bounded_trace_and_no_known_file_is_forgotten() {
        let views = views("listed").subscribe();
        let unsaved = Unsaved::default();
        let room = PinBounds { backend: BackendId::GITEA, views: Some(&views), unsaved: &unsaved };
        let (mut seen, digest) = (BackendPins::default(), Digest::sha256(b"a"));
        assert!(seen.learn(&ArtifactKey::new("listed"), &digest, &room));
        assert!(!seen.learn(&ArtifactKey::new("k".repeat(KEY_MAX + 1)), &digest, &room));
        let mut learned = 0;
        for number in 0..2 * DIGESTS_MAX {
            let key = ArtifactKey::new(format!("uuid-{number}"));
            learned += usize::from(seen.learn(&key, &digest, &room));
            assert!(seen.digests.len() <= DIGESTS_MAX);
        }
        assert!(learned > DIGESTS_MAX, "room was made once: {learned}");
        assert!(seen.digests.contains_key(&ArtifactKey::new("listed")));
        // Of a backend that was not listed yet, every file may still be in use.
        let unknown = PinBounds { backend: BackendId::OCI, ..room };
        tokio::time::advance(LOOK_AGAIN).await;
        assert!(!seen.learn(&ArtifactKey::new("one more"), &digest, &unknown));
        tokio::time::advance(LOOK_AGAIN).await;
        assert!(seen.learn(&ArtifactKey::new("one more"), &digest, &room));
        assert_eq!(seen.digests.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pin_of_a_version_that_is_listed_is_never_given_up() {
        let views = views("listed").subscribe();
        let unsaved = Unsaved::default();
        let room = PinBounds { backend: BackendId::GITEA, views: Some(&views), unsaved: &unsaved };
        let mut seen = BackendPins::default();
        for version in ["1.0.0", "0.9.0"] {
            seen.pin(&id("a"), version, first(), &room);
        }
        seen.pin(&id("hidden"), "1.0.0", first(), &room);
        let pins =
            |seen: &BackendPins, of: &str| seen.versions.get(&id(of)).map_or(0, HashMap::len);
        let many = (0..VERSIONS_MAX).map(|number| (format!("2.0.{number}"), first()));
        seen.versions.entry(id("a")).or_default().extend(many);
        seen.pin(&id("b"), "1.0.0", first(), &room);
        assert_eq!((pins(&seen, "a"), pins(&seen, "b")), (1, 1));
        assert!(seen.versions[&id("a")].contains_key("1.0.0"));
        assert_eq!(pins(&seen, "hidden"), 1, "what the listed ones gave up was enough");
        tokio::time::advance(LOOK_AGAIN).await;
        let many = (0..VERSIONS_MAX).map(|number| (format!("2.0.{number}"), first()));
        seen.versions.entry(id("hidden")).or_default().extend(many);
        seen.pin(&id("c"), "1.0.0", first(), &room);
        assert_eq!((pins(&seen, "a"), pins(&seen, "hidden"), pins(&seen, "c")), (1, 0, 1));
    }
}
