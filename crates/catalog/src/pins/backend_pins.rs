//! Pins and learned digests of one backend, and their limits. A backend that renames its files in
//! every response must fill neither the memory nor the disk, and the pin of a listed version is never
//! dropped.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::digest::Digest;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;
use tracing::warn;

use crate::LOG_TARGET;
use crate::pins::bounds::PinBounds;
use crate::pins::digest_origin::{DigestOrigin, KnownDigest};
use crate::pins::pin::VersionPins;
use crate::pins::pinned_name;
use crate::unsaved::RecordKey;

/// Maximum number of learned digests of one backend.
const DIGESTS_MAX: usize = 200_000;
/// Number of pinned versions of one backend beyond which pins of unlisted versions are dropped.
const VERSIONS_MAX: usize = 500_000;
/// Maximum length of a file's key in bytes. Gitea's have 36, those from registries up to 135.
const KEY_MAX: usize = 512;
/// Minimum time between two searches for entries to drop.
const SEARCH_PAUSE: Duration = Duration::from_mins(1);

/// Pins by extension and version; by tag if another tag stands for the version.
pub(crate) type PinsByVersion = HashMap<ExtensionId, HashMap<String, VersionPins>>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BackendPins {
    pub(super) digests: HashMap<ArtifactKey, KnownDigest>,
    pub(super) versions: PinsByVersion,
    pub(super) digests_searched: Option<Instant>,
    pub(super) versions_searched: Option<Instant>,
}

impl BackendPins {
    /// Returns a release with known digests added; `None` if there is none to add.
    pub(super) fn completed(&self, release: &Release) -> Option<Release> {
        // Most releases lack no digest, and a copy takes far longer than this look.
        if !release.lacks_a_digest() {
            return None;
        }
        let mut completed = release.clone();
        let digest_of = |file: &Artifact| Some(self.digests.get(&file.key)?.digest.clone());
        completed.learn_digests(digest_of).then_some(completed)
    }

    pub(super) fn take_digest(&mut self, release: &Release, bounds: &PinBounds<'_>) {
        let Some(file) = release.artifact.chosen() else { return };
        let Some(digest) = &file.digest else { return };
        // An OCI registry's key of a file is its digest, so there is nothing to remember.
        let known = || self.digests.get(&file.key).map(|known| &known.digest);
        if !digest.is_text(file.key.as_str()) && known() != Some(digest) {
            let origin = DigestOrigin::reported_by(bounds.backend.kind());
            self.learn(&file.key, digest, origin, bounds);
        }
    }

    pub(super) fn record(
        &mut self,
        id: &ExtensionId,
        name: &str,
        release: &Release,
        file: &Artifact,
        digest: &Digest,
        bounds: &PinBounds<'_>,
    ) -> Recorded {
        let origin = self.origin_of(file, bounds);
        let Some(pins) = self.pins_of(id, name) else {
            let mut pins = VersionPins::default();
            pins.record(release, file, digest, origin);
            self.pin(id, name, pins, bounds);
            return Recorded::First;
        };
        if !pins.record(release, file, digest, origin) {
            return Recorded::Same;
        }
        bounds.note(RecordKey::Pins(bounds.backend, id.clone(), name.to_owned()));
        if pins.has_changed() {
            log_change(id, name, pins);
        }
        Recorded::Changed
    }

    /// Returns who stated the digest of a file; `None` if that was not recorded.
    fn origin_of(&self, file: &Artifact, bounds: &PinBounds<'_>) -> Option<DigestOrigin> {
        let Some(digest) = &file.digest else { return Some(DigestOrigin::FirstDownload) };
        match self.digests.get(&file.key) {
            Some(known) if known.digest == *digest => known.origin,
            _ => Some(DigestOrigin::reported_by(bounds.backend.kind())),
        }
    }

    pub(super) fn pins_of(&mut self, id: &ExtensionId, name: &str) -> Option<&mut VersionPins> {
        self.versions.get_mut(id)?.get_mut(name)
    }

    /// Returns the pins of a release with the name that has them. `among` is its extension.
    pub(super) fn pins_for<'a>(
        &mut self,
        id: &ExtensionId,
        release: &'a Release,
        among: Option<&Extension>,
    ) -> Option<(&'a str, &mut VersionPins)> {
        // Most extensions have no pins, and the name takes longer to find.
        let versions = self.versions.get_mut(id)?;
        let name = pinned_name(release, among)?;
        Some((name, versions.get_mut(name)?))
    }

    pub(crate) fn put_pins(&mut self, id: ExtensionId, name: String, pins: Option<VersionPins>) {
        let versions = self.versions.entry(id).or_default();
        match pins {
            Some(pins) => drop(versions.insert(name, pins)),
            None => drop(versions.remove(&name)),
        }
    }

    pub(crate) fn put_digest(&mut self, key: ArtifactKey, digest: Option<KnownDigest>) {
        match digest {
            Some(digest) => drop(self.digests.insert(key, digest)),
            None => drop(self.digests.remove(&key)),
        }
    }

    /// Pins by extension and version, and digests by file.
    pub(crate) fn into_parts(self) -> (PinsByVersion, HashMap<ArtifactKey, KnownDigest>) {
        (self.versions, self.digests)
    }

    /// Remembers the digest of a file. At the limit, digests of files of unknown releases are
    /// dropped first. Returns true if it fits.
    pub(super) fn learn(
        &mut self,
        key: &ArtifactKey,
        digest: &Digest,
        origin: DigestOrigin,
        bounds: &PinBounds<'_>,
    ) -> bool {
        let known = KnownDigest { digest: digest.clone(), origin: Some(origin) };
        if let Some(before) = self.digests.get_mut(key) {
            // The first statement of a digest counts, whoever repeats it.
            if before.digest != *digest {
                *before = known;
            }
            bounds.note(RecordKey::Digest(bounds.backend, key.clone()));
            return true;
        }
        // Each search visits every file, so a flood of new keys must not cause one per download.
        if self.digests.len() >= DIGESTS_MAX
            && may_search(&mut self.digests_searched)
            && let Some(extensions) = bounds.extensions()
        {
            let keys: HashSet<&ArtifactKey> = extensions.iter().flat_map(|all| keys(all)).collect();
            self.digests.retain(|key, _| keys.contains(key));
            bounds.note_all();
        }
        // Files of known releases stay: dropping their digests would let them change unnoticed.
        let fits = self.digests.len() < DIGESTS_MAX && key.as_str().len() <= KEY_MAX;
        if fits {
            self.digests.insert(key.clone(), known);
            bounds.note(RecordKey::Digest(bounds.backend, key.clone()));
        }
        fits
    }

    /// Beyond the limit, drops pins of versions that are not listed.
    pub(super) fn pin(
        &mut self,
        id: &ExtensionId,
        name: &str,
        pins: VersionPins,
        bounds: &PinBounds<'_>,
    ) {
        if self.pins() >= VERSIONS_MAX
            && may_search(&mut self.versions_searched)
            && let Some(extensions) = bounds.extensions()
        {
            let by_id = extensions.iter().map(|extension| (extension.id(), extension));
            self.give_up_pins(&by_id.collect());
            bounds.note_all();
        }
        // Pinned in any case: a download without a pin could be replaced by other bytes.
        self.versions.entry(id.clone()).or_default().insert(name.to_owned(), pins);
        bounds.note(RecordKey::Pins(bounds.backend, id.clone(), name.to_owned()));
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

pub(super) enum Recorded {
    Same,
    First,
    Changed,
}

pub(super) fn log_change(id: &ExtensionId, version: &str, pins: &VersionPins) {
    let first = pins.0.first().map(|pin| pin.digest.to_string()).unwrap_or_default();
    warn!(target: LOG_TARGET,
        extension = %id, version, first,
        "the archive of a version differs from its pinned digest"
    );
}

fn may_search(searched: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let may = searched.is_none_or(|at| now.duration_since(at) >= SEARCH_PAUSE);
    if may {
        *searched = Some(now);
    }
    may
}

pub(super) fn keys(extension: &Extension) -> impl Iterator<Item = &ArtifactKey> {
    extension.all_releases().flat_map(|release| {
        release.assets.iter().chain(release.artifact.chosen()).map(|file| &file.key)
    })
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::ArtifactChoice;
    use registry_core::models::backend_id::BackendId;

    use super::*;
    use crate::index::delta::{BackendDelta, Delta};
    use crate::pins::pin::Pin;
    use crate::rules::Rules;
    use crate::store::CatalogStore;

    const DOWNLOAD: DigestOrigin = DigestOrigin::FirstDownload;

    fn id(name: &str) -> ExtensionId {
        ExtensionId::from_oci_repository(&format!("{name}-provider")).unwrap()
    }

    fn first() -> VersionPins {
        VersionPins(vec![Pin {
            file_name: None,
            key: None,
            digest: Digest::sha256(b"a"),
            size: 1,
            origin: None,
            since: None,
            replaced_by: None,
            confirmed: false,
        }])
    }

    /// A store with one listed extension, whose archive has this key.
    fn store(key: &str) -> Arc<CatalogStore> {
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
        let store = CatalogStore::new(&[BackendId::GITEA], &Rules::for_tests());
        let extension = Arc::new(Extension::new(id("a"), vec![release]));
        let put = BackendDelta::Put(vec![(extension, Instant::now().into())]);
        store.apply(Delta::Backend(BackendId::GITEA, put));
        store.apply(Delta::Backend(BackendId::GITEA, BackendDelta::Listed));
        store
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_in_each_answer_leaves_a_bounded_trace_and_no_known_file_is_forgotten() {
        let store = store("listed");
        let (view, unsaved) = (store.view(), store.unsaved());
        let bounds = PinBounds { backend: BackendId::GITEA, view: &view, unsaved };
        let (mut seen, digest) = (BackendPins::default(), Digest::sha256(b"a"));
        assert!(seen.learn(&ArtifactKey::new("listed"), &digest, DOWNLOAD, &bounds));
        assert!(!seen.learn(
            &ArtifactKey::new("k".repeat(KEY_MAX + 1)),
            &digest,
            DOWNLOAD,
            &bounds
        ));
        let mut learned = 0;
        for number in 0..2 * DIGESTS_MAX {
            let key = ArtifactKey::new(format!("uuid-{number}"));
            learned += usize::from(seen.learn(&key, &digest, DOWNLOAD, &bounds));
            assert!(seen.digests.len() <= DIGESTS_MAX);
        }
        assert!(learned > DIGESTS_MAX, "they were searched once: {learned}");
        assert!(seen.digests.contains_key(&ArtifactKey::new("listed")));
        // Of a backend that was not listed yet, every file may still be in use.
        let unknown = PinBounds { backend: BackendId::OCI, ..bounds };
        tokio::time::advance(SEARCH_PAUSE).await;
        assert!(!seen.learn(&ArtifactKey::new("one more"), &digest, DOWNLOAD, &unknown));
        tokio::time::advance(SEARCH_PAUSE).await;
        assert!(seen.learn(&ArtifactKey::new("one more"), &digest, DOWNLOAD, &bounds));
        assert_eq!(seen.digests.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pin_of_a_version_that_is_listed_is_never_given_up() {
        let store = store("listed");
        let (view, unsaved) = (store.view(), store.unsaved());
        let bounds = PinBounds { backend: BackendId::GITEA, view: &view, unsaved };
        let mut seen = BackendPins::default();
        for version in ["1.0.0", "0.9.0"] {
            seen.pin(&id("a"), version, first(), &bounds);
        }
        seen.pin(&id("hidden"), "1.0.0", first(), &bounds);
        let pins =
            |seen: &BackendPins, of: &str| seen.versions.get(&id(of)).map_or(0, HashMap::len);
        let many = (0..VERSIONS_MAX).map(|number| (format!("2.0.{number}"), first()));
        seen.versions.entry(id("a")).or_default().extend(many);
        seen.pin(&id("b"), "1.0.0", first(), &bounds);
        assert_eq!((pins(&seen, "a"), pins(&seen, "b")), (1, 1));
        assert!(seen.versions[&id("a")].contains_key("1.0.0"));
        assert_eq!(pins(&seen, "hidden"), 1, "what the listed ones gave up was enough");
        tokio::time::advance(SEARCH_PAUSE).await;
        let many = (0..VERSIONS_MAX).map(|number| (format!("2.0.{number}"), first()));
        seen.versions.entry(id("hidden")).or_default().extend(many);
        seen.pin(&id("c"), "1.0.0", first(), &bounds);
        assert_eq!((pins(&seen, "a"), pins(&seen, "hidden"), pins(&seen, "c")), (1, 0, 1));
    }
}
