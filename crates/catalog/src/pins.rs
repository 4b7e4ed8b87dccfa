//! Digest pinning: the archive that each version had at its first download, and digests of files
//! for which the backend reports none. No version changes its bytes unnoticed.

pub(super) mod backend_pins;
mod bounds;
pub mod digest_origin;
mod learned;
pub(super) mod learned_digest;
pub(super) mod pin;
pub(super) mod pin_book;
pub mod pinned_file;
pub mod policy;
pub(super) mod sharing;
pub(super) mod stored;

use std::collections::HashMap;
use std::sync::Arc;

use registry_core::error::{Error, Result};
use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::{Extension, Release, ReleaseVersion};
use registry_core::models::naming::ExtensionId;
use registry_fleet::pins::{PinKey, PinLedger, SharedPin};

use crate::index::entry::Entry;
use crate::pins::backend_pins::{BackendPins, Recorded};
use crate::pins::digest_origin::{DigestOrigin, KnownDigest};
use crate::pins::learned::share_learned;
use crate::pins::pin::{Pin, VersionPins};
use crate::pins::pin_book::PinBook;
use crate::pins::pinned_file::{PinnedFile, newest_first};
use crate::pins::policy::{PinSharing, undecided};
use crate::pins::sharing::{Agreement, agree, key_of};
use crate::share::Shares;
use crate::store::CatalogStore;
use crate::unsaved::RecordKey;

/// Pins and learned digests of all backends.
pub struct Pins {
    book: Arc<PinBook>,
    store: Arc<CatalogStore>,
    sharing: Option<PinSharing>,
    /// Those of the backends whose learned digests all replicas show.
    shares: Shares,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learned {
    Nothing,
    /// A new pin or digest, which responses do not show.
    Unshown,
    Shown,
}

impl Pins {
    /// Pairs the pins of a store with it. With `sharing`, they are those of all replicas. Other replicas
    /// are told the digests that this one learns of the backends in `shares`.
    #[must_use]
    pub(super) fn new(
        store: Arc<CatalogStore>,
        sharing: Option<PinSharing>,
        shares: Shares,
    ) -> Self {
        Self { book: Arc::clone(store.pins()), store, sharing, shares }
    }

    /// Returns the ledger that replicas share; `None` if this process is alone.
    pub(super) fn ledger(&self) -> Option<&Arc<dyn PinLedger>> {
        self.sharing.as_ref().map(|sharing| &sharing.ledger)
    }

    pub(super) fn restore(&self, backend: BackendId, pins: BackendPins) {
        self.book.lock().insert(backend, pins);
    }

    pub(super) fn all(&self) -> HashMap<BackendId, BackendPins> {
        self.book.lock().clone()
    }

    pub(super) fn pins_of(
        &self,
        backend: BackendId,
        id: &ExtensionId,
        name: &str,
    ) -> Option<VersionPins> {
        self.book.lock().get(&backend)?.versions.get(id)?.get(name).cloned()
    }

    pub(super) fn digest_of(&self, backend: BackendId, key: &ArtifactKey) -> Option<KnownDigest> {
        self.book.lock().get(&backend)?.digests.get(key).cloned()
    }

    /// Returns the number of versions whose archive differs from the pinned one.
    #[must_use]
    pub fn changed(&self) -> usize {
        let backends = self.book.lock();
        let versions = backends.values().flat_map(|pins| pins.versions.values()).flatten();
        versions.filter(|(_, pins)| pins.has_changed()).count()
    }

    /// Returns the pin of a release's archive; `None` before its first download, and for a tag that
    /// is not a version.
    #[must_use]
    pub fn of_archive(&self, id: &ExtensionId, release: &Release) -> Option<PinnedFile> {
        let (name, pin) = self.pin_of(id, release)?;
        Some(PinnedFile::new(release.backend, &name, &pin?))
    }

    /// Returns the name that the archive of a release is pinned under, and its pin; `None` for a tag
    /// that is not a version.
    fn pin_of(&self, id: &ExtensionId, release: &Release) -> Option<(String, Option<Pin>)> {
        let entry = self.known_of(release.backend, id);
        let name = pinned_name(release, entry.as_ref().map(|entry| &*entry.extension))?;
        let pins = self.pins_of(release.backend, id, name);
        let pin = pins.and_then(|pins| pins.of_archive(release).cloned());
        Some((name.to_owned(), pin))
    }

    /// Returns every pin of an extension's versions at one backend, newest version first.
    #[must_use]
    pub fn of_extension(&self, backend: BackendId, id: &ExtensionId) -> Vec<PinnedFile> {
        let backends = self.book.lock();
        let versions = backends.get(&backend).and_then(|pins| pins.versions.get(id));
        let mut files: Vec<PinnedFile> = versions
            .into_iter()
            .flatten()
            .flat_map(|(name, pins)| pins.0.iter().map(|pin| PinnedFile::new(backend, name, pin)))
            .collect();
        drop(backends);
        newest_first(&mut files);
        files
    }

    fn known_of(&self, backend: BackendId, id: &ExtensionId) -> Option<Arc<Entry>> {
        self.store.view().get(id, backend.into()).cloned()
    }

    /// Checks, before its bytes are fetched, that the archive of a release can be given out.
    ///
    /// # Errors
    ///
    /// `BackendUnavailable` if the ledger has to name the first archive and is away.
    pub fn check_decidable(&self, id: &ExtensionId, release: &Release) -> Result<()> {
        let obstacle = self.sharing.as_ref().and_then(PinSharing::obstacle);
        let Some(why) = obstacle else { return Ok(()) };
        let Some((_, pin)) = self.pin_of(id, release) else { return Ok(()) };
        if pin.is_some_and(|pin| pin.confirmed) {
            return Ok(());
        }
        Err(undecided(id, release.version.as_str(), why))
    }

    /// Records the digest of a whole file of a release, before its last byte is passed on. The first
    /// archive of a version is pinned; the ledger is asked which one is the first.
    ///
    /// # Errors
    ///
    /// `BackendFaulty` if another archive is pinned, unless changes are accepted or the release shows
    /// the change: its replacement is then read to be compared, not for a caller. `BackendUnavailable`
    /// if the ledger has to name the first archive and is away.
    pub async fn decide(
        &self,
        id: &ExtensionId,
        release: &Release,
        file: &Artifact,
        is_archive: bool,
        digest: &Digest,
    ) -> Result<()> {
        let is_known_change = release.change.as_deref().is_some_and(|change| change.in_place);
        let agreement = if is_archive && !is_known_change {
            self.agree(id, release, file, digest).await
        } else {
            Agreement::Unopposed
        };
        match &agreement {
            Agreement::Opposed(key, first) => self.adopt(key, first),
            Agreement::Undecided(why)
                if self.sharing.as_ref().is_some_and(PinSharing::is_certain) =>
            {
                return Err(undecided(id, release.version.as_str(), why.clone()));
            }
            // Without an answer the pin is proposed again later.
            Agreement::Undecided(_) | Agreement::Unopposed | Agreement::Confirmed(_) => {}
        }
        // Only what responses show makes a new view; a pin alone changes no response.
        if self.learn(id, release, file, is_archive, digest) == Learned::Shown {
            self.amend(release.backend, id);
        }
        // The ledger has named these bytes before, maybe in another file.
        if matches!(agreement, Agreement::Unopposed) && is_archive && file.digest.is_none() {
            share_learned(&self.shares, &self.book, release.backend, id, &file.key);
        }
        if let Agreement::Confirmed(key) = &agreement {
            let size = file.size;
            self.adopt(key, &SharedPin { digest: digest.clone(), size, confirmed: true });
        }
        if self.book.accepts_changes() || !is_archive || is_known_change {
            return Ok(());
        }
        match self.of_archive(id, release) {
            Some(pin) if pin.digest != *digest => {
                let now = digest.to_string();
                Err(archive_replaced(id, release.version.as_str(), &pin.digest, &now))
            }
            _ => Ok(()),
        }
    }

    async fn agree(
        &self,
        id: &ExtensionId,
        release: &Release,
        file: &Artifact,
        digest: &Digest,
    ) -> Agreement {
        let Some(ledger) = self.ledger() else { return Agreement::Unopposed };
        let Some((name, mine)) = self.pin_of(id, release) else { return Agreement::Unopposed };
        let mut key = key_of(id, release, &name, file);
        // The file may lie in the place of a pinned one with another name.
        if let Some(file_name) = mine.as_ref().and_then(|pin| pin.file_name.as_deref()) {
            file_name.clone_into(&mut key.file_name);
        }
        agree(&**ledger, key, mine.as_ref().map(Pin::shared), digest, file.size).await
    }

    /// Takes over the first bytes of a file from the ledger.
    pub(super) fn adopt(&self, key: &PinKey, first: &SharedPin) {
        let mut backends = self.book.lock();
        let pins = backends.entry(key.backend).or_default();
        let versions = pins.versions.entry(key.extension.clone()).or_default();
        let pins = versions.entry(key.version.clone()).or_default();
        pins.adopt(&key.file_name, first);
        let file = pins.file_of(&key.file_name, &first.digest).cloned();
        drop(backends);
        let record = RecordKey::Pins(key.backend, key.extension.clone(), key.version.clone());
        self.store.unsaved().note(record);
        self.amend(key.backend, &key.extension);
        if let Some(file) = file {
            share_learned(&self.shares, &self.book, key.backend, &key.extension, &file);
        }
    }

    /// Returns the pins to propose to the ledger: all, or those that it has not confirmed.
    pub(super) fn proposals(&self, all: bool) -> Vec<(PinKey, SharedPin)> {
        let backends = self.book.lock();
        let mut proposals = Vec::new();
        for (backend, pins) in backends.iter() {
            let named = pins.versions.iter();
            let named =
                named.flat_map(|(id, all)| all.iter().map(move |(name, it)| (id, name, it)));
            for (extension, version, pins) in named {
                for pin in pins.0.iter().filter(|pin| all || !pin.confirmed) {
                    let Some(file_name) = pin.file_name.as_deref() else { continue };
                    let key = PinKey {
                        backend: *backend,
                        extension: extension.clone(),
                        version: version.clone(),
                        file_name: file_name.to_owned(),
                    };
                    proposals.push((key, pin.shared()));
                }
            }
        }
        proposals
    }

    /// Adds what was learned of an extension to the catalog, so that a later download need not learn
    /// it again.
    pub(super) fn amend(&self, backend: BackendId, id: &ExtensionId) {
        self.store.change(|change| change.show_learned(backend, id));
    }

    /// Only the archive is pinned, and only under a version: other tags follow their backend.
    fn learn(
        &self,
        id: &ExtensionId,
        release: &Release,
        file: &Artifact,
        is_archive: bool,
        digest: &Digest,
    ) -> Learned {
        // A download of the pinned archive proves nothing about the file in its place.
        let change = release
            .change
            .as_deref()
            .filter(|change| change.in_place && !self.book.accepts_changes());
        if change.is_some_and(|change| file.digest.as_ref() == Some(&change.first)) {
            return Learned::Nothing;
        }
        let entry = self.known_of(release.backend, id);
        let view = self.store.view();
        let bounds = self.book.bounds(release.backend, &view);
        let mut backends = self.book.lock();
        let pins = backends.entry(release.backend).or_default();
        let mut learned = Learned::Nothing;
        let computed = DigestOrigin::FirstDownload;
        if file.digest.is_none() && pins.learn(&file.key, digest, computed, &bounds) {
            learned = Learned::Shown;
        }
        let name = pinned_name(release, entry.as_ref().map(|entry| &*entry.extension));
        // An asset requested by name is verified, but it does not stand for the version.
        if let Some(name) = name.filter(|_| is_archive) {
            let recorded = pins.record(id, name, release, file, digest, &bounds);
            learned = match recorded {
                Recorded::Same => learned,
                Recorded::First if learned == Learned::Nothing => Learned::Unshown,
                Recorded::First => learned,
                Recorded::Changed => Learned::Shown,
            };
        }
        learned
    }

    /// Completes a release that was read by itself.
    pub(super) fn completed(&self, id: &ExtensionId, release: Release) -> Release {
        let view = self.store.view();
        let entry = view.get(id, release.backend.into()).map(|entry| &*entry.extension);
        self.book.completed_alone(id, release, entry, &view)
    }

    /// Returns the file in place of a pinned archive if only its bytes can show whether it changed.
    #[must_use]
    pub fn unverified(&self, release: &Release) -> Option<Artifact> {
        let file = release.artifact.chosen()?;
        let change = release.change.as_deref()?;
        let unknown = !self.book.accepts_changes() && change.in_place && change.now.is_none();
        unknown.then(|| Artifact { digest: None, size: change.now_size, ..Artifact::clone(file) })
    }
}

/// Returns the error of a download whose archive differs from the pinned one. `now` tells what the
/// backend has in its place.
#[must_use]
pub fn archive_replaced(id: &ExtensionId, version: &str, first: &Digest, now: &str) -> Error {
    let message = format!(
        "The archive of {id} {version} was replaced: {first} was downloaded first, the backend \
         has {now} now; publish a new version, or set downloads.on_change = \"accept\""
    );
    Error::faulty(message)
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

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::ArtifactChoice;
    use registry_core::models::extension::Change;

    use super::*;
    use crate::rules::Rules;

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

    fn pins(accept: bool) -> Pins {
        let rules = Rules { accept_changes: accept, ..Rules::for_tests() };
        Pins::new(CatalogStore::new(&[BackendId::GITEA], &rules), None, Vec::new())
    }

    fn learn(pins: &Pins, release: &Release, bytes: &[u8]) -> Learned {
        let file = release.artifact.chosen().unwrap();
        pins.learn(&id(), release, file, true, &Digest::sha256(bytes))
    }

    fn completed(seen: &Pins, release: Release) -> (Option<Digest>, Option<Change>) {
        let release = seen.completed(&id(), release);
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
        let seen = pins(false);
        assert_eq!(completed(&seen, release("1.0.0", "k", None)), (None, None));
        assert_eq!(learn(&seen, &release("1.0.0", "k", None), b"a"), Learned::Shown);
        let known = Some(Digest::sha256(b"a"));
        assert_eq!(completed(&seen, release("1.0.0", "k", None)), (known.clone(), None));
        let extension = Arc::new(Extension::new(id(), vec![release("1.0.0", "k", None)]));
        let amended = seen.book.amended(&extension);
        assert_eq!(amended.releases()[0].artifact.chosen().unwrap().digest, known);
        assert!(Arc::ptr_eq(&seen.book.amended(&amended), &amended), "it has it already");
    }

    #[test]
    fn a_version_keeps_its_first_archive_unless_changes_are_accepted() {
        for accept in [false, true] {
            let seen = pins(accept);
            assert_eq!(learn(&seen, &release("1.0.0", "k", Some(b"a")), b"a"), Learned::Unshown);
            let (first, now) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
            let change = Some(change(b"a", Some(b"b")));
            let served = if accept { now } else { first };
            assert_eq!(completed(&seen, release("1.0.0", "l", Some(b"b"))), (Some(served), change));
            assert_eq!(seen.changed(), 1);
            let back = completed(&seen, release("1.0.0", "k", Some(b"a")));
            assert_eq!(back, (Some(Digest::sha256(b"a")), None));
            assert_eq!(seen.changed(), 0);
        }
    }

    #[tokio::test]
    async fn of_two_downloads_that_differ_only_the_first_is_given_out() {
        // Both began before either digest was known.
        let (one, other) = (release("1.0.0", "k", None), release("1.0.0", "l", None));
        for accept in [false, true] {
            let seen = pins(accept);
            let decide = async |release: &Release, is_archive, bytes: &[u8]| {
                let file = release.artifact.chosen().unwrap();
                seen.decide(&id(), release, file, is_archive, &Digest::sha256(bytes)).await
            };
            decide(&one, true, b"a").await.unwrap();
            for _ in 0..2 {
                let second = decide(&other, true, b"b").await;
                assert_eq!(second.is_ok(), accept);
                if let Err(error) = second {
                    let first = Digest::sha256(b"a").to_string();
                    assert!(error.to_string().contains(&first), "{error}");
                }
                decide(&other, false, b"b").await.unwrap();
            }
            decide(&other, true, b"a").await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_file_in_place_of_a_pinned_archive_can_be_read_to_be_compared() {
        let seen = pins(false);
        learn(&seen, &release("1.0.0", "k", None), b"a");
        let replaced = seen.completed(&id(), release("1.0.0", "l", None));
        let file = seen.unverified(&replaced).unwrap();
        seen.decide(&id(), &replaced, &file, true, &Digest::sha256(b"b")).await.unwrap();
        assert_eq!(seen.changed(), 1);
    }

    #[test]
    fn tags_that_are_no_versions_follow_their_backend() {
        let seen = pins(false);
        assert_eq!(learn(&seen, &release("nightly", "k", Some(b"a")), b"a"), Learned::Nothing);
        let moved = completed(&seen, release("nightly", "l", Some(b"b")));
        assert_eq!(moved, (Some(Digest::sha256(b"b")), None));
    }

    #[test]
    fn a_file_in_the_place_of_the_first_is_a_change_before_its_bytes_are_known() {
        let seen = pins(false);
        learn(&seen, &release("1.0.0", "k", None), b"a");
        let first = Some(Digest::sha256(b"a"));
        let replaced = seen.completed(&id(), release("1.0.0", "l", None));
        assert_eq!(replaced.artifact.chosen().unwrap().digest, first);
        assert_eq!(replaced.change.as_deref(), Some(&change(b"a", None)));
        let file = seen.unverified(&replaced).unwrap();
        assert_eq!((file.key.as_str(), &file.digest), ("l", &None));
        let learn_file =
            |bytes: &[u8]| seen.learn(&id(), &replaced, &file, true, &Digest::sha256(bytes));
        assert_eq!(learn_file(b"b"), Learned::Shown);
        let known = completed(&seen, release("1.0.0", "l", None));
        assert_eq!(known, (first.clone(), Some(change(b"a", Some(b"b")))));
        assert_eq!(seen.changed(), 1);
        assert_eq!(learn_file(b"a"), Learned::Shown, "the same bytes were uploaded again");
        assert_eq!(seen.changed(), 0);
    }

    #[test]
    fn another_file_of_the_release_has_a_pin_of_its_own() {
        let seen = pins(false);
        let docs = release("1.0.0", "docs", Some(b"d"));
        learn(&seen, &docs, b"d");
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
        let (digest, beside) = completed(&seen, both(vec![pinned.clone(), archive.clone()]));
        assert_eq!(digest, Some(Digest::sha256(b"x")), "served as it is");
        assert!(!beside.unwrap().in_place);
        let (digest, instead) = completed(&seen, both(vec![archive.clone()]));
        assert_eq!(digest, Some(Digest::sha256(b"d")), "the pinned file is gone: a change");
        assert!(instead.unwrap().in_place);
        learn(&seen, &both(vec![pinned, archive.clone()]), b"x");
        assert_eq!(seen.changed(), 1);
        let evil = Artifact { digest: Some(Digest::sha256(b"y")), ..archive.clone() };
        let evil = Release { artifact: ArtifactChoice::Chosen(Arc::new(evil)), ..both(Vec::new()) };
        let (digest, _) = completed(&seen, evil);
        assert_eq!(digest, Some(Digest::sha256(b"x")), "its own first bytes");
    }

    #[test]
    fn a_pin_says_who_stated_its_digest_and_since_when_it_holds() {
        let seen = pins(false);
        let origin = |version: &str| {
            let file = seen.of_archive(&id(), &release(version, version, None)).unwrap();
            assert!(file.since.is_some(), "{version}");
            file.origin
        };
        // A checksum file stated it before the download.
        completed(&seen, release("1.0.0", "1.0.0", Some(b"a")));
        learn(&seen, &release("1.0.0", "1.0.0", Some(b"a")), b"a");
        assert_eq!(origin("1.0.0"), Some(DigestOrigin::Checksum));
        learn(&seen, &release("2.0.0", "2.0.0", None), b"a");
        assert_eq!(origin("2.0.0"), Some(DigestOrigin::FirstDownload));
        // The file was downloaded by its name first, which pins nothing.
        let by_name = release("3.0.0", "3.0.0", None);
        let file = by_name.artifact.chosen().unwrap();
        seen.learn(&id(), &by_name, file, false, &Digest::sha256(b"a"));
        assert_eq!(seen.of_archive(&id(), &by_name), None);
        learn(&seen, &release("3.0.0", "3.0.0", Some(b"a")), b"a");
        assert_eq!(origin("3.0.0"), Some(DigestOrigin::FirstDownload));
        let versions: Vec<String> =
            seen.of_extension(BackendId::GITEA, &id()).into_iter().map(|pin| pin.version).collect();
        assert_eq!(versions, ["3.0.0", "2.0.0", "1.0.0"]);
        assert_eq!(seen.of_extension(BackendId::OCI, &id()), []);
    }

    #[test]
    fn a_file_beside_the_pinned_one_has_no_pin_before_its_download() {
        let seen = pins(false);
        let docs = release("1.0.0", "docs", Some(b"d"));
        learn(&seen, &docs, b"d");
        let pinned = docs.artifact.chosen().unwrap();
        let other = Artifact {
            file_name: "x.tar.gz".into(),
            key: ArtifactKey::new("x"),
            ..Artifact::clone(pinned)
        };
        let beside = Release {
            artifact: ArtifactChoice::Chosen(Arc::new(other)),
            assets: [Arc::clone(pinned)].into(),
            ..docs.clone()
        };
        assert_eq!(seen.of_archive(&id(), &beside), None);
        let instead = Release { assets: Box::default(), ..beside };
        assert_eq!(seen.of_archive(&id(), &instead).unwrap().digest, Digest::sha256(b"d"));
    }
}
