//! Which archive a version had when it was first downloaded, and the digests of files whose backend
//! tells none: so that nothing changes under its version unnoticed.

mod bounds;
pub mod keeper;
mod stored;
mod told;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use crate::catalog::first_seen::bounds::Room;
pub(super) use crate::catalog::first_seen::told::Completed;
use crate::catalog::index::View;
use crate::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use crate::models::digest::Digest;
use crate::models::extension::{Change, Extension, Release, ReleaseVersion};
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

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

type Known = HashMap<Source, Seen>;

/// What was seen of one backend's archives.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Of files that the backend tells no digest of.
    digests: HashMap<ArtifactKey, Digest>,
    /// By extension and version.
    versions: HashMap<ExtensionId, HashMap<String, First>>,
    /// When what is known was last gone through to make room for digests, and for versions.
    digests_looked: Option<Instant>,
    versions_looked: Option<Instant>,
}

/// The archive that a version had when it was first downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct First {
    digest: Digest,
    size: u64,
    /// What it is now, if that is something else.
    now: Option<Digest>,
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
        // There is one catalogue, which says so once.
        let _ = self.views.set(views);
    }

    fn room(&self, source: Source) -> Room<'_> {
        Room { source, views: self.views.get() }
    }

    /// How many versions have another archive now than at first.
    #[must_use]
    pub fn changed(&self) -> usize {
        let known = self.known.lock();
        let versions = known.values().flat_map(|seen| seen.versions.values()).flatten();
        versions.filter(|(_, first)| first.now.is_some()).count()
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
        let mut known = self.known.lock();
        let seen = known.entry(release.source).or_default();
        let mut news = News::None;
        let room = self.room(release.source);
        if file.digest.is_none() && seen.learn(&file.key, digest, &room) {
            news = News::Shown;
        }
        if let Some(version) = pinned_version(release).filter(|_| is_archive) {
            match seen.versions.get_mut(id).and_then(|firsts| firsts.get_mut(version)) {
                None => {
                    let first = First { digest: digest.clone(), size: file.size, now: None };
                    seen.pin(id, version, first, &room);
                    news = if news == News::None { News::Kept } else { news };
                }
                Some(first) if first.digest != *digest && first.now.as_ref() != Some(digest) => {
                    first.becomes(id, version, digest);
                    news = News::Shown;
                }
                Some(_) => {}
            }
        }
        drop(known);
        if news != News::None {
            self.learned();
        }
        news
    }

    /// Completes what a backend just told of a release; answers whether that changed it.
    fn told(&self, id: &ExtensionId, release: &mut Release) -> bool {
        let mut known = self.known.lock();
        let seen = known.entry(release.source).or_default();
        let mut learned = seen.take_digest(release, &self.room(release.source));
        let completed = seen.complete(release);
        let Some(first) = seen.first_of(id, release) else {
            drop(known);
            if learned {
                self.learned();
            }
            return completed;
        };
        let now = release.artifact.chosen().and_then(|file| file.digest.clone());
        let now = now.filter(|now| *now != first.digest);
        if first.now != now {
            match &now {
                Some(now) => first.becomes(id, release.version.as_str(), now),
                None => first.now = None,
            }
            learned = true;
        }
        let shown = first.show(release, self.accept);
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
            let seen = known.get_mut(&release.source)?;
            let mut amended = release.clone();
            let completed = seen.complete(&mut amended);
            let shown = seen
                .first_of(extension.id(), release)
                .is_some_and(|first| first.show(&mut amended, self.accept));
            (completed || shown).then_some(amended)
        })
    }

    /// The first archive of a version whose present one nobody knows the digest of, so that it may
    /// be another one. `None`: there is nothing to doubt.
    pub(super) fn doubted(&self, id: &ExtensionId, release: &Release) -> Option<Artifact> {
        let file = release.artifact.chosen().filter(|file| file.digest.is_none())?;
        let mut known = self.known.lock();
        let first = known.get_mut(&release.source)?.first_of(id, release)?;
        let (digest, size) = (Some(first.digest.clone()), first.size);
        (!self.accept).then(|| Artifact { digest, size, ..Artifact::clone(file) })
    }

    fn learned(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

/// The version that a release stands for; `None` for a tag that moves as its publisher likes.
fn pinned_version(release: &Release) -> Option<&str> {
    match &release.version {
        ReleaseVersion::Version(version) => Some(version.as_str()),
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

    fn first_of(&mut self, id: &ExtensionId, release: &Release) -> Option<&mut First> {
        self.versions.get_mut(id)?.get_mut(pinned_version(release)?)
    }
}

impl First {
    fn becomes(&mut self, id: &ExtensionId, version: &str, now: &Digest) {
        warn!(
            extension = %id, version, first = %self.digest, %now,
            "the archive of a version is another one now than the one first downloaded"
        );
        self.now = Some(now.clone());
    }

    /// Shows a change in a release, and puts the first archive in the place of the present one
    /// unless changes are accepted. Answers whether that changed it.
    fn show(&self, release: &mut Release, accept: bool) -> bool {
        let change = self.now.clone().map(|now| Change { first: self.digest.clone(), now });
        let refused = change.is_some() && !accept;
        let mut shown = release.change.as_deref() != change.as_ref();
        release.change = change.map(Box::new);
        if refused && let ArtifactChoice::Chosen(file) = &mut release.artifact {
            shown |= file.size != self.size || file.digest.as_ref() != Some(&self.digest);
            let file = Arc::make_mut(file);
            file.size = self.size;
            file.digest = Some(self.digest.clone());
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ..Release::of_tag(Source::Gitea, tag.parse().unwrap())
        }
    }

    fn saw(seen: &FirstSeen, release: &Release, bytes: &[u8]) -> News {
        let file = release.artifact.chosen().unwrap();
        seen.saw(&id(), release, file, true, &Digest::sha256(bytes))
    }

    fn told(seen: &FirstSeen, mut release: Release) -> (Option<Digest>, Option<Change>) {
        seen.told(&id(), &mut release);
        (release.artifact.chosen().unwrap().digest.clone(), release.change.map(|change| *change))
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
            let change = Some(Change { first: first.clone(), now: now.clone() });
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
    fn a_file_put_in_the_place_of_the_first_is_doubted_until_it_was_seen() {
        let seen = FirstSeen::new(false);
        saw(&seen, &release("1.0.0", "k", None), b"a");
        let replaced = release("1.0.0", "l", None);
        let first = seen.doubted(&id(), &replaced).unwrap();
        assert_eq!(first.digest, Some(Digest::sha256(b"a")));
        assert_eq!(saw(&seen, &replaced, b"b"), News::Shown);
        let change = Change { first: Digest::sha256(b"a"), now: Digest::sha256(b"b") };
        let known = told(&seen, replaced);
        assert_eq!(known, (Some(change.first.clone()), Some(change)));
        assert_eq!(FirstSeen::new(false).doubted(&id(), &release("1.0.0", "l", None)), None);
    }
}
