//! Which archive a version had when it was first downloaded, and the digests of files whose backend
//! tells none: so that nothing changes under its version unnoticed.

mod bounds;
pub mod keeper;
mod pin;
mod stored;
mod told;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use crate::catalog::first_seen::bounds::Room;
use crate::catalog::first_seen::pin::VersionPins;
pub(super) use crate::catalog::first_seen::told::Completed;
use crate::catalog::index::{Entry, View};
use crate::models::artifact::{Artifact, ArtifactKey};
use crate::models::backend_id::BackendId;
use crate::models::digest::Digest;
use crate::models::extension::{Extension, Release, ReleaseVersion};
use crate::models::naming::ExtensionId;

/// What was seen of archives.
pub struct FirstSeen {
    known: Mutex<Known>,
    /// Whether a version's archive may become another one.
    accept: bool,
    /// Counts what was learned.
    news: watch::Sender<u64>,
    /// What is known of the backends, which decides what is worth remembering.
    views: OnceLock<watch::Receiver<Arc<View>>>,
}

type Known = HashMap<BackendId, Seen>;

/// What was seen of one backend's archives.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Of files that the backend tells no digest of.
    digests: HashMap<ArtifactKey, Digest>,
    /// By extension and version; by tag where another tag stands for the version.
    versions: HashMap<ExtensionId, HashMap<String, VersionPins>>,
    /// When what is known was last gone through to make room for digests, and for versions.
    digests_looked: Option<Instant>,
    versions_looked: Option<Instant>,
}

/// What a verified download told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing new.
    None,
    /// Something to remember.
    Kept,
    /// Something that answers show.
    Shown,
}

impl FirstSeen {
    /// Nothing seen yet. `accept`: a version's archive may become another one.
    #[must_use]
    pub fn new(accept: bool) -> Self {
        Self {
            known: Mutex::default(),
            accept,
            news: watch::Sender::new(0),
            views: OnceLock::new(),
        }
    }

    /// From now on what is remembered of archives is what these views have, where room is scarce.
    pub(super) fn follows(&self, views: watch::Receiver<Arc<View>>) {
        // There is one catalog, which says so once.
        let _ = self.views.set(views);
    }

    fn room(&self, backend: BackendId) -> Room<'_> {
        Room { backend, views: self.views.get() }
    }

    /// How many versions have another archive now than at first.
    #[must_use]
    pub fn changed(&self) -> usize {
        let known = self.known.lock();
        let versions = known.values().flat_map(|seen| seen.versions.values()).flatten();
        versions.filter(|(_, pins)| pins.has_changed()).count()
    }

    /// What is known of the other releases of an extension.
    fn known_of(&self, backend: BackendId, id: &ExtensionId) -> Option<Arc<Entry>> {
        self.views.get()?.borrow().get(id, backend.into()).cloned()
    }

    /// A whole file of a release was verified and has this digest. Only of its archive is the
    /// first one remembered, and only under a version: other tags follow their backend.
    pub(super) fn saw(
        &self,
        id: &ExtensionId,
        release: &Release,
        file: &Artifact,
        is_archive: bool,
        digest: &Digest,
    ) -> News {
        // The pinned archive, from the store, says nothing about the file in its place.
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
        if let Some(name) = name.filter(|_| is_archive) {
            let recorded = seen.record(id, name, release, file, digest, &room);
            news = match recorded {
                Recorded::Same => news,
                Recorded::First if news == News::None => News::Kept,
                Recorded::First => news,
                Recorded::Changed => News::Shown,
            };
        }
        drop(known);
        if news != News::None {
            self.learned();
        }
        news
    }

    /// Completes what a backend just told of one release; answers whether that changed it.
    fn told_alone(&self, id: &ExtensionId, release: &mut Release) -> bool {
        let entry = self.known_of(release.backend, id);
        self.told(id, release, entry.as_ref().map(|entry| &*entry.extension))
    }

    /// The same of a release among these of its extension.
    fn told(&self, id: &ExtensionId, release: &mut Release, among: Option<&Extension>) -> bool {
        let name = pinned_name(release, among).map(str::to_owned);
        let mut known = self.known.lock();
        let seen = known.entry(release.backend).or_default();
        let mut learned = seen.take_digest(release, &self.room(release.backend));
        let completed = seen.complete(release);
        let Some(pins) = name.and_then(|name| seen.pins_of(id, &name)) else {
            drop(known);
            if learned {
                self.learned();
            }
            return completed;
        };
        let changed_before = pins.has_changed();
        if pins.compare(release) {
            learned = true;
            if pins.has_changed() && !changed_before {
                log_change(id, release.version.as_str(), pins);
            }
        }
        let shown = pins.show(release, self.accept);
        drop(known);
        if learned {
            self.learned();
        }
        completed || shown
    }

    /// An extension that is known, with what was learned since; `None` if that is nothing.
    pub(super) fn amended(&self, extension: &Extension) -> Option<Extension> {
        let mut known = self.known.lock();
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

    /// The file in the place of a pinned archive whose digest is not known, so that only its bytes
    /// tell whether it is another one. `None`: there is nothing to find out.
    pub(super) fn unverified(&self, release: &Release) -> Option<Artifact> {
        let file = release.artifact.chosen()?;
        let change = release.change.as_deref()?;
        let unknown = !self.accept && change.in_place && change.now.is_none();
        unknown.then(|| Artifact { digest: None, size: change.now_size, ..Artifact::clone(file) })
    }

    fn learned(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

/// The name that the archive of a release is pinned by: its version, or its tag where another tag of the extension
/// stands for that version; `None` for a tag that moves as its publisher likes.
fn pinned_name<'a>(release: &'a Release, among: Option<&Extension>) -> Option<&'a str> {
    match &release.version {
        ReleaseVersion::Version(version) => {
            Some(among.map_or(version.as_str(), |all| all.name_of(release)))
        }
        ReleaseVersion::Unversioned(_) => None,
    }
}

impl Seen {
    /// Gives files the digests that are known of them.
    fn complete(&self, release: &mut Release) -> bool {
        release.learn_digests(|file| self.digests.get(&file.key).cloned())
    }

    /// Takes the digest that a checksum beside the archive tells. One that is the file's own
    /// identity need not be remembered.
    fn take_digest(&mut self, release: &Release, room: &Room<'_>) -> bool {
        let Some(file) = release.artifact.chosen() else { return false };
        let Some(digest) = &file.digest else { return false };
        if file.key.as_str() == digest.to_string() || self.digests.get(&file.key) == Some(digest) {
            return false;
        }
        self.learn(&file.key, digest, room)
    }

    /// Notes the digest of an archive that was downloaded.
    fn record(
        &mut self,
        id: &ExtensionId,
        name: &str,
        release: &Release,
        file: &Artifact,
        digest: &Digest,
        room: &Room<'_>,
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
        if pins.has_changed() {
            log_change(id, name, pins);
        }
        Recorded::Changed
    }

    fn pins_of(&mut self, id: &ExtensionId, name: &str) -> Option<&mut VersionPins> {
        self.versions.get_mut(id)?.get_mut(name)
    }
}

/// The result of recording a download.
enum Recorded {
    /// It was known.
    Same,
    /// It is the first of its version.
    First,
    /// It is not the file that was downloaded first.
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

    fn saw(seen: &FirstSeen, release: &Release, bytes: &[u8]) -> News {
        let file = release.artifact.chosen().unwrap();
        seen.saw(&id(), release, file, true, &Digest::sha256(bytes))
    }

    fn told(seen: &FirstSeen, mut release: Release) -> (Option<Digest>, Option<Change>) {
        seen.told(&id(), &mut release, None);
        (release.artifact.chosen().unwrap().digest.clone(), release.change.map(|change| *change))
    }

    /// A change between two files of five bytes each.
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
        let seen = FirstSeen::new(false);
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
            let seen = FirstSeen::new(accept);
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
        let seen = FirstSeen::new(false);
        assert_eq!(saw(&seen, &release("nightly", "k", Some(b"a")), b"a"), News::None);
        let moved = told(&seen, release("nightly", "l", Some(b"b")));
        assert_eq!(moved, (Some(Digest::sha256(b"b")), None));
    }

    #[test]
    fn a_file_in_the_place_of_the_first_is_a_change_before_its_bytes_are_known() {
        let seen = FirstSeen::new(false);
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
        let seen = FirstSeen::new(false);
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
