//! Digest pinning: the archive that each version had at its first download, and digests of files
//! for which the backend reports none. No version changes its bytes unnoticed.

mod bounds;
pub(super) mod pin;
mod pinned_backend;
pub(super) mod stored;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use crate::catalog::index::{Entry, View};
use crate::catalog::pins::bounds::PinBounds;
use crate::catalog::pins::pin::VersionPins;
pub(super) use crate::catalog::pins::pinned_backend::PinnedBackend;
use crate::catalog::unsaved::{RecordKey, Unsaved};
use crate::models::artifact::{Artifact, ArtifactKey};
use crate::models::backend_id::BackendId;
use crate::models::digest::Digest;
use crate::models::extension::{Extension, Release, ReleaseVersion};
use crate::models::naming::ExtensionId;

/// Pins and learned digests of all backends.
pub struct Pins {
    known: Mutex<HashMap<BackendId, BackendPins>>,
    accept: bool,
    unsaved: Arc<Unsaved>,
    views: OnceLock<watch::Receiver<Arc<View>>>,
}

/// Pins by extension and version; by tag if another tag stands for the version.
pub(super) type PinsByVersion = HashMap<ExtensionId, HashMap<String, VersionPins>>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BackendPins {
    digests: HashMap<ArtifactKey, Digest>,
    versions: PinsByVersion,
    digests_looked: Option<Instant>,
    versions_looked: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    None,
    /// A new pin or digest, which responses do not show.
    Kept,
    Shown,
}

impl Pins {
    /// Creates an empty store. With `accept`, the archive of a version may be replaced.
    #[must_use]
    pub fn new(accept: bool) -> Self {
        Self { known: Mutex::default(), accept, unsaved: Arc::default(), views: OnceLock::new() }
    }

    /// Uses these views to decide which pins and digests to keep when space is short.
    pub(super) fn follows(&self, views: watch::Receiver<Arc<View>>) {
        // Set once: there is one catalog per store, and it calls this when it is created.
        let _ = self.views.set(views);
    }

    pub(super) const fn unsaved(&self) -> &Arc<Unsaved> {
        &self.unsaved
    }

    pub(super) fn restore(&self, backend: BackendId, seen: BackendPins) {
        self.known.lock().insert(backend, seen);
    }

    pub(super) fn all(&self) -> HashMap<BackendId, BackendPins> {
        self.known.lock().clone()
    }

    pub(super) fn pins_of(
        &self,
        backend: BackendId,
        id: &ExtensionId,
        name: &str,
    ) -> Option<VersionPins> {
        self.known.lock().get(&backend)?.versions.get(id)?.get(name).cloned()
    }

    pub(super) fn digest_of(&self, backend: BackendId, key: &ArtifactKey) -> Option<Digest> {
        self.known.lock().get(&backend)?.digests.get(key).cloned()
    }

    fn room(&self, backend: BackendId) -> PinBounds<'_> {
        PinBounds { backend, views: self.views.get(), unsaved: &self.unsaved }
    }

    /// Returns the number of versions whose archive differs from the pinned one.
    #[must_use]
    pub fn changed(&self) -> usize {
        let known = self.known.lock();
        let versions = known.values().flat_map(|seen| seen.versions.values()).flatten();
        versions.filter(|(_, pins)| pins.has_changed()).count()
    }

    fn known_of(&self, backend: BackendId, id: &ExtensionId) -> Option<Arc<Entry>> {
        self.views.get()?.borrow().get(id, backend.into()).cloned()
    }

    /// Only the archive is pinned, and only under a version: other tags follow their backend.
    pub(super) fn saw(
        &self,
        id: &ExtensionId,
        release: &Release,
        file: &Artifact,
        is_archive: bool,
        digest: &Digest,
    ) -> News {
        // A download of the pinned archive proves nothing about the file in its place.
        let change = release.change.as_deref().filter(|change| change.in_place && !self.accept);
        if change.is_some_and(|change| file.digest.as_ref() == Some(&change.first)) {
            return News::None;
        }
        let entry = self.known_of(release.backend, id);
        let mut known = self.known.lock();
        let seen = known.entry(release.backend).or_default();
        let mut news = News::None;
        let room = self.room(release.backend);
        if file.digest.is_none() && seen.learn(&file.key, digest, &room) {
            news = News::Shown;
        }
        let name = pinned_name(release, entry.as_ref().map(|entry| &*entry.extension));
        // An asset requested by name is verified, but it does not stand for the version.
        if let Some(name) = name.filter(|_| is_archive) {
            let recorded = seen.record(id, name, release, file, digest, &room);
            news = match recorded {
                Recorded::Same => news,
                Recorded::First if news == News::None => News::Kept,
                Recorded::First => news,
                Recorded::Changed => News::Shown,
            };
        }
        news
    }

    fn told_alone(&self, id: &ExtensionId, release: &mut Release) -> bool {
        let entry = self.known_of(release.backend, id);
        self.told(id, release, entry.as_ref().map(|entry| &*entry.extension))
    }

    /// Completes a release with pins and digests. Returns true if that changed it.
    fn told(&self, id: &ExtensionId, release: &mut Release, among: Option<&Extension>) -> bool {
        let name = pinned_name(release, among).map(str::to_owned);
        let mut known = self.known.lock();
        let seen = known.entry(release.backend).or_default();
        seen.take_digest(release, &self.room(release.backend));
        let completed = seen.complete(release);
        let Some(name) = name else { return completed };
        let Some(pins) = seen.pins_of(id, &name) else { return completed };
        let changed_before = pins.has_changed();
        if pins.compare(release) {
            self.unsaved.note(RecordKey::Pins(release.backend, id.clone(), name));
            // Logged on the transition only: a replaced archive must not log at each read.
            if pins.has_changed() && !changed_before {
                log_change(id, release.version.as_str(), pins);
            }
        }
        let shown = pins.show(release, self.accept);
        completed || shown
    }

    /// Returns an extension with what was learned since it was read; `None` without a change.
    pub(super) fn amended(&self, extension: &Extension) -> Option<Extension> {
        let mut known = self.known.lock();
        // Most deployments start without pins: this saves a pass over all releases.
        if known.is_empty() {
            return None;
        }
        extension.amended(|release| {
            let seen = known.get_mut(&release.backend)?;
            let mut amended = release.clone();
            let completed = seen.complete(&mut amended);
            let pins = pinned_name(release, Some(extension))
                .and_then(|name| seen.pins_of(extension.id(), name));
            let shown = pins.is_some_and(|pins| pins.show(&mut amended, self.accept));
            (completed || shown).then_some(amended)
        })
    }

    /// Returns the file in place of a pinned archive if only its bytes can show whether it changed.
    pub(super) fn unverified(&self, release: &Release) -> Option<Artifact> {
        let file = release.artifact.chosen()?;
        let change = release.change.as_deref()?;
        let unknown = !self.accept && change.in_place && change.now.is_none();
        unknown.then(|| Artifact { digest: None, size: change.now_size, ..Artifact::clone(file) })
    }
}

/// Returns the version, or the tag if another tag stands for that version. `None` for a tag that is
/// not a version: publishers move it.
fn pinned_name<'a>(release: &'a Release, among: Option<&Extension>) -> Option<&'a str> {
    match &release.version {
        ReleaseVersion::Version(version) => {
            Some(among.map_or(version.as_str(), |all| all.name_of(release)))
        }
        ReleaseVersion::Unversioned(_) => None,
    }
}

impl BackendPins {
    fn complete(&self, release: &mut Release) -> bool {
        release.learn_digests(|file| self.digests.get(&file.key).cloned())
    }

    fn take_digest(&mut self, release: &Release, room: &PinBounds<'_>) {
        let Some(file) = release.artifact.chosen() else { return };
        let Some(digest) = &file.digest else { return };
        // An OCI registry's key of a file is its digest, so there is nothing to remember.
        if file.key.as_str() != digest.to_string() && self.digests.get(&file.key) != Some(digest) {
            self.learn(&file.key, digest, room);
        }
    }

    fn record(
        &mut self,
        id: &ExtensionId,
        name: &str,
        release: &Release,
        file: &Artifact,
        digest: &Digest,
        room: &PinBounds<'_>,
    ) -> Recorded {
        let Some(pins) = self.pins_of(id, name) else {
            let mut pins = VersionPins::default();
            pins.record(release, file, digest);
            self.pin(id, name, pins, room);
            return Recorded::First;
        };
        if !pins.record(release, file, digest) {
            return Recorded::Same;
        }
        room.unsaved.note(RecordKey::Pins(room.backend, id.clone(), name.to_owned()));
        if pins.has_changed() {
            log_change(id, name, pins);
        }
        Recorded::Changed
    }

    fn pins_of(&mut self, id: &ExtensionId, name: &str) -> Option<&mut VersionPins> {
        self.versions.get_mut(id)?.get_mut(name)
    }
}

enum Recorded {
    Same,
    First,
    Changed,
}

fn log_change(id: &ExtensionId, version: &str, pins: &VersionPins) {
    let first = pins.0.first().map(|pin| pin.digest.to_string()).unwrap_or_default();
    warn!(
        extension = %id, version, first,
        "the archive of a version differs from its pinned digest"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::artifact::ArtifactChoice;
    use crate::models::extension::Change;

    fn id() -> ExtensionId {
        ExtensionId::from_oci_repository("aws-provider").unwrap()
    }

    fn release(tag: &str, key: &str, digest: Option<&[u8]>) -> Release {
        let artifact = Artifact {
            key: ArtifactKey::new(key),
            file_name: "a.tar.gz".into(),
            size: 5,
            digest: digest.map(Digest::sha256),
            url: None,
        };
        Release {
            artifact: ArtifactChoice::Chosen(Arc::new(artifact)),
            ..Release::of_tag(BackendId::GITEA, tag.parse().unwrap())
        }
    }

    fn saw(seen: &Pins, release: &Release, bytes: &[u8]) -> News {
        let file = release.artifact.chosen().unwrap();
        seen.saw(&id(), release, file, true, &Digest::sha256(bytes))
    }

    fn told(seen: &Pins, mut release: Release) -> (Option<Digest>, Option<Change>) {
        seen.told(&id(), &mut release, None);
        (release.artifact.chosen().unwrap().digest.clone(), release.change.map(|change| *change))
    }

    fn change(first: &[u8], now: Option<&[u8]>) -> Change {
        Change {
            first: Digest::sha256(first),
            first_size: 5,
            now: now.map(Digest::sha256),
            now_size: 5,
            in_place: true,
        }
    }

    #[test]
    fn the_digest_of_a_file_is_known_from_its_first_download() {
        let seen = Pins::new(false);
        assert_eq!(told(&seen, release("1.0.0", "k", None)), (None, None));
        assert_eq!(saw(&seen, &release("1.0.0", "k", None), b"a"), News::Shown);
        let known = Some(Digest::sha256(b"a"));
        assert_eq!(told(&seen, release("1.0.0", "k", None)), (known.clone(), None));
        let extension = Extension::new(id(), vec![release("1.0.0", "k", None)]);
        let amended = seen.amended(&extension).unwrap();
        assert_eq!(amended.releases()[0].artifact.chosen().unwrap().digest, known);
        assert_eq!(seen.amended(&amended), None, "it has it already");
    }

    #[test]
    fn a_version_keeps_its_first_archive_unless_changes_are_accepted() {
        for accept in [false, true] {
            let seen = Pins::new(accept);
            assert_eq!(saw(&seen, &release("1.0.0", "k", Some(b"a")), b"a"), News::Kept);
            let (first, now) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
            let change = Some(change(b"a", Some(b"b")));
            let served = if accept { now } else { first };
            assert_eq!(told(&seen, release("1.0.0", "l", Some(b"b"))), (Some(served), change));
            assert_eq!(seen.changed(), 1);
            let back = told(&seen, release("1.0.0", "k", Some(b"a")));
            assert_eq!(back, (Some(Digest::sha256(b"a")), None));
            assert_eq!(seen.changed(), 0);
        }
    }

    #[test]
    fn tags_that_are_no_versions_follow_their_backend() {
        let seen = Pins::new(false);
        assert_eq!(saw(&seen, &release("nightly", "k", Some(b"a")), b"a"), News::None);
        let moved = told(&seen, release("nightly", "l", Some(b"b")));
        assert_eq!(moved, (Some(Digest::sha256(b"b")), None));
    }

    #[test]
    fn a_file_in_the_place_of_the_first_is_a_change_before_its_bytes_are_known() {
        let seen = Pins::new(false);
        saw(&seen, &release("1.0.0", "k", None), b"a");
        let first = Some(Digest::sha256(b"a"));
        let mut replaced = release("1.0.0", "l", None);
        seen.told(&id(), &mut replaced, None);
        assert_eq!(replaced.artifact.chosen().unwrap().digest, first);
        assert_eq!(replaced.change.as_deref(), Some(&change(b"a", None)));
        let file = seen.unverified(&replaced).unwrap();
        assert_eq!((file.key.as_str(), &file.digest), ("l", &None));
        let saw_file =
            |bytes: &[u8]| seen.saw(&id(), &replaced, &file, true, &Digest::sha256(bytes));
        assert_eq!(saw_file(b"b"), News::Shown);
        let known = told(&seen, release("1.0.0", "l", None));
        assert_eq!(known, (first.clone(), Some(change(b"a", Some(b"b")))));
        assert_eq!(seen.changed(), 1);
        assert_eq!(saw_file(b"a"), News::Shown, "the same bytes were uploaded again");
        assert_eq!(seen.changed(), 0);
    }

    #[test]
    fn another_file_of_the_release_has_a_pin_of_its_own() {
        let seen = Pins::new(false);
        let docs = release("1.0.0", "docs", Some(b"d"));
        saw(&seen, &docs, b"d");
        let archive = Artifact {
            key: ArtifactKey::new("x"),
            file_name: "x.tar.gz".into(),
            size: 7,
            digest: Some(Digest::sha256(b"x")),
            url: None,
        };
        let both = |assets: Vec<Artifact>| Release {
            artifact: ArtifactChoice::Chosen(Arc::new(archive.clone())),
            assets: assets.into_iter().map(Arc::new).collect(),
            ..release("1.0.0", "x", None)
        };
        let pinned = Artifact::clone(docs.artifact.chosen().unwrap());
        let (digest, beside) = told(&seen, both(vec![pinned.clone(), archive.clone()]));
        assert_eq!(digest, Some(Digest::sha256(b"x")), "served as it is");
        assert!(!beside.unwrap().in_place);
        let (digest, instead) = told(&seen, both(vec![archive.clone()]));
        assert_eq!(digest, Some(Digest::sha256(b"d")), "the pinned file is gone: a change");
        assert!(instead.unwrap().in_place);
        saw(&seen, &both(vec![pinned, archive.clone()]), b"x");
        assert_eq!(seen.changed(), 1);
        let evil = Artifact { digest: Some(Digest::sha256(b"y")), ..archive.clone() };
        let evil = Release { artifact: ArtifactChoice::Chosen(Arc::new(evil)), ..both(Vec::new()) };
        let (digest, _) = told(&seen, evil);
        assert_eq!(digest, Some(Digest::sha256(b"x")), "its own first bytes");
    }
}
