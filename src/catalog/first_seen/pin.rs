//! The pins of one version: the digest that each archive had when it was first downloaded.

use std::sync::Arc;

use crate::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use crate::models::digest::Digest;
use crate::models::extension::{Change, Release};

/// Pinned files of one version. A publisher who needs more renames the archive with each release.
const FILES_MAX: usize = 16;

/// The digest of one file, pinned by its first download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    /// The name of the file; `None` for a pin of version 0.1, which holds for any file.
    pub(super) file_name: Option<Box<str>>,
    /// The backend's identity of the file; `None` for a pin of version 0.1.
    pub(super) key: Option<ArtifactKey>,
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The file that the backend has in its place now.
    pub(super) replaced_by: Option<Replacement>,
}

/// A file in the place of a pinned one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    /// `None` in state of version 0.1.
    pub(super) key: Option<ArtifactKey>,
    pub(super) size: u64,
    /// Unknown until it was downloaded, where the backend tells none.
    pub(super) digest: Option<Digest>,
}

/// The pins of one version, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct VersionPins(pub(super) Vec<Pin>);

/// How the archive that a backend tells relates to the pins of its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// It is the file of this pin, or stands in its place.
    Pinned(usize),
    /// It is another file, and a pinned one is still in the release.
    Beside,
    /// It is another file, and the pinned ones are gone.
    InsteadOf(usize),
}

impl Pin {
    fn of(file: &Artifact, digest: &Digest) -> Self {
        Self {
            file_name: Some(file.file_name.clone()),
            key: Some(file.key.clone()),
            digest: digest.clone(),
            size: file.size,
            replaced_by: None,
        }
    }

    /// Whether this file is the pinned one or bears its name.
    fn names(&self, file: &Artifact) -> bool {
        let same_name = self.file_name.as_ref().is_none_or(|name| *name == file.file_name);
        same_name || self.key.as_ref() == Some(&file.key)
    }

    /// Compares the pin with the file that the backend has now. `digest` is the backend's word, or
    /// the result of a download. Returns whether the pin changed.
    fn compare(&mut self, file: &Artifact, digest: Option<&Digest>) -> bool {
        let before = self.clone();
        let same_bytes = digest == Some(&self.digest);
        let same_file = digest.is_none() && self.key.as_ref().is_none_or(|key| *key == file.key);
        let same_size = file.known_size().is_none_or(|size| size == self.size);
        if same_bytes || same_file && same_size {
            self.file_name = Some(file.file_name.clone());
            self.key = Some(file.key.clone());
            self.replaced_by = None;
        } else {
            let known = self.replaced_by.take().filter(|known| {
                known.key.as_ref().is_none_or(|key| *key == file.key) && known.size == file.size
            });
            let digest = digest.cloned().or_else(|| known.and_then(|known| known.digest));
            let key = Some(file.key.clone());
            self.replaced_by = Some(Replacement { key, size: file.size, digest });
        }
        *self != before
    }
}

impl VersionPins {
    /// A verified download of the archive. Returns whether the pins changed.
    pub(super) fn record(&mut self, release: &Release, file: &Artifact, digest: &Digest) -> bool {
        match self.relation(release, file) {
            Some(Relation::Pinned(at) | Relation::InsteadOf(at)) => {
                self.0.get_mut(at).is_some_and(|pin| pin.compare(file, Some(digest)))
            }
            Some(Relation::Beside) | None => {
                if self.0.len() >= FILES_MAX {
                    self.0.pop();
                }
                self.0.push(Pin::of(file, digest));
                true
            }
        }
    }

    /// Compares the pins with what the backend tells now. Returns whether they changed.
    pub(super) fn compare(&mut self, release: &Release) -> bool {
        let Some(file) = release.artifact.chosen() else { return false };
        match self.relation(release, file) {
            Some(Relation::Pinned(at) | Relation::InsteadOf(at)) => {
                self.0.get_mut(at).is_some_and(|pin| pin.compare(file, file.digest.as_ref()))
            }
            Some(Relation::Beside) | None => false,
        }
    }

    /// Shows in a release what the pins say: the digest of a pinned file, a change, and unless
    /// changes are accepted the pinned file in the place of its replacement. Returns whether that
    /// changed the release.
    pub(super) fn show(&self, release: &mut Release, accept: bool) -> bool {
        let Some(file) = release.artifact.chosen().cloned() else { return false };
        let change = self.change(release, &file);
        let refused = change.as_ref().is_some_and(|change| change.in_place) && !accept;
        let mut shown = release.change.as_deref() != change.as_ref();
        let pinned = change.as_ref().map(|change| (change.first.clone(), change.first_size));
        release.change = change.map(Box::new);
        if let Some(pin) = self.0.iter().find(|pin| pin.key.as_ref() == Some(&file.key)) {
            shown |= release.learn_size(&file.key, pin.size);
        }
        if let Some((digest, size)) = pinned.filter(|_| refused)
            && let ArtifactChoice::Chosen(file) = &mut release.artifact
        {
            shown |= file.size != size || file.digest.as_ref() != Some(&digest);
            let file = Arc::make_mut(file);
            (file.size, file.digest) = (size, Some(digest));
        }
        shown
    }

    /// The change of a version whose archive is this file now.
    fn change(&self, release: &Release, file: &Artifact) -> Option<Change> {
        let change = |pin: &Pin, now: Option<Digest>, now_size, in_place| Change {
            first: pin.digest.clone(),
            first_size: pin.size,
            now,
            now_size,
            in_place,
        };
        match self.relation(release, file)? {
            Relation::Pinned(at) | Relation::InsteadOf(at) => {
                let pin = self.0.get(at)?;
                match &pin.replaced_by {
                    Some(now) => Some(change(pin, now.digest.clone(), now.size, true)),
                    // A file that was chosen later than the first one stands beside it.
                    None if at > 0 => self
                        .0
                        .first()
                        .map(|first| change(first, Some(pin.digest.clone()), pin.size, false)),
                    None => None,
                }
            }
            Relation::Beside => {
                self.0.first().map(|first| change(first, file.digest.clone(), file.size, false))
            }
        }
    }

    /// Whether the version changed since its first download.
    pub(super) fn has_changed(&self) -> bool {
        self.0.len() > 1 || self.0.iter().any(|pin| pin.replaced_by.is_some())
    }

    fn relation(&self, release: &Release, file: &Artifact) -> Option<Relation> {
        if let Some(at) = self.0.iter().position(|pin| pin.names(file)) {
            return Some(Relation::Pinned(at));
        }
        let is_there = |pin: &Pin| {
            let key = pin.key.as_ref();
            release.assets.iter().any(|asset| key == Some(&asset.key))
        };
        let last = self.0.len().checked_sub(1)?;
        if self.0.iter().any(is_there) {
            Some(Relation::Beside)
        } else {
            Some(Relation::InsteadOf(last))
        }
    }
}
