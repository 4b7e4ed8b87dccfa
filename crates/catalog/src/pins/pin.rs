//! Pins of one version: the digest of each archive at its first download.

use std::sync::Arc;

use jiff::Timestamp;
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::digest::Digest;
use registry_core::models::extension::{Change, Release};
use registry_fleet::pins::SharedPin;

use crate::persistent_instant::now_in_seconds;
use crate::pins::digest_origin::DigestOrigin;

/// Maximum number of pinned files of one version; more means a new name in every release.
const FILES_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// File name; `None` for a pin written by version 0.1, which holds for any file.
    pub(super) file_name: Option<Box<str>>,
    /// The backend's identity of the file; `None` for a pin written by version 0.1.
    pub(super) key: Option<ArtifactKey>,
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// `None` in state that was written before origins were recorded.
    pub(super) origin: Option<DigestOrigin>,
    /// Time of the first download, in whole seconds; `None` like `origin`.
    pub(super) since: Option<Timestamp>,
    pub(super) replaced_by: Option<Replacement>,
    /// True once the ledger of a fleet has named this digest.
    pub(super) confirmed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    /// `None` in state written by version 0.1.
    pub(super) key: Option<ArtifactKey>,
    pub(super) size: u64,
    /// `None` until the file was downloaded, if the backend reports no digest.
    pub(super) digest: Option<Digest>,
}

/// The pins of one version, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VersionPins(pub(super) Vec<Pin>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// The file of this pin, or one with its name.
    Pinned(usize),
    /// Another file; a pinned one is still in the release.
    Beside,
    /// Another file; the pinned ones are gone from the release.
    InsteadOf(usize),
}

impl Pin {
    fn of(file: &Artifact, digest: &Digest, origin: Option<DigestOrigin>) -> Self {
        Self {
            file_name: Some(file.file_name.clone()),
            key: Some(file.key.clone()),
            digest: digest.clone(),
            size: file.size,
            origin,
            since: Some(now_in_seconds()),
            replaced_by: None,
            confirmed: false,
        }
    }

    /// Returns the pin as the ledger has it.
    pub(super) fn shared(&self) -> SharedPin {
        SharedPin { digest: self.digest.clone(), size: self.size, confirmed: self.confirmed }
    }

    fn names(&self, file: &Artifact) -> bool {
        let same_name = self.file_name.as_ref().is_none_or(|name| *name == file.file_name);
        same_name || self.key.as_ref() == Some(&file.key)
    }

    /// `digest` is reported or computed from a download. Returns true if the pin changed.
    fn compare(&mut self, file: &Artifact, digest: Option<&Digest>) -> bool {
        let before = self.clone();
        let same_bytes = digest == Some(&self.digest);
        // Without a digest, identity and size decide: Gitea gives every attachment a new identity.
        let same_file = digest.is_none() && self.key.as_ref().is_none_or(|key| *key == file.key);
        let same_size = file.known_size().is_none_or(|size| size == self.size);
        if same_bytes || same_file && same_size {
            self.file_name = Some(file.file_name.clone());
            self.key = Some(file.key.clone());
            self.replaced_by = None;
        } else {
            // A digest that a download of the replacement has shown stays valid for the same file.
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
    /// Compares a downloaded file with its pin, or pins it. Returns true if the pins changed.
    pub(super) fn record(
        &mut self,
        release: &Release,
        file: &Artifact,
        digest: &Digest,
        origin: Option<DigestOrigin>,
    ) -> bool {
        match self.relation(release, file) {
            Some(Relation::Pinned(at) | Relation::InsteadOf(at)) => {
                self.0.get_mut(at).is_some_and(|pin| pin.compare(file, Some(digest)))
            }
            Some(Relation::Beside) | None => {
                // The first pin must stay, since changes are shown against it.
                if self.0.len() >= FILES_MAX {
                    self.0.pop();
                }
                self.0.push(Pin::of(file, digest, origin));
                true
            }
        }
    }

    /// Returns the pin of the release's archive; `None` if it has none yet.
    pub(super) fn of_archive(&self, release: &Release) -> Option<&Pin> {
        let file = release.artifact.chosen()?;
        match self.relation(release, file)? {
            Relation::Pinned(at) | Relation::InsteadOf(at) => self.0.get(at),
            Relation::Beside => None,
        }
    }

    /// Takes over the first bytes of a file from the ledger. What this replica has pinned instead
    /// becomes their replacement.
    pub(super) fn adopt(&mut self, file_name: &str, first: &SharedPin) {
        let named = self.0.iter().position(|pin| pin.file_name.as_deref() == Some(file_name));
        let any = || self.0.iter().position(|pin| pin.file_name.is_none());
        let Some(pin) = named.or_else(any).and_then(|at| self.0.get_mut(at)) else {
            // Like in `record`.
            if self.0.len() >= FILES_MAX {
                self.0.pop();
            }
            self.0.push(Pin {
                file_name: Some(file_name.into()),
                // No file at hand has these bytes. In a registry this is the key of the one that had.
                key: Some(ArtifactKey::new(first.digest.to_string())),
                digest: first.digest.clone(),
                size: first.size,
                origin: None,
                since: Some(now_in_seconds()),
                replaced_by: None,
                confirmed: true,
            });
            return;
        };
        pin.confirmed = true;
        if pin.digest != first.digest {
            let digest = std::mem::replace(&mut pin.digest, first.digest.clone());
            let size = std::mem::replace(&mut pin.size, first.size);
            let key = pin.key.replace(ArtifactKey::new(first.digest.to_string()));
            pin.origin = None;
            pin.replaced_by = Some(Replacement { key, size, digest: Some(digest) });
        }
    }

    /// Returns the key of the file that has this name and digest.
    pub(super) fn file_of(&self, file_name: &str, digest: &Digest) -> Option<&ArtifactKey> {
        let is_it =
            |pin: &&Pin| pin.file_name.as_deref() == Some(file_name) && pin.digest == *digest;
        self.0.iter().find(is_it)?.key.as_ref()
    }

    pub(super) fn compare(&mut self, release: &Release) -> bool {
        let Some(file) = release.artifact.chosen() else { return false };
        match self.relation(release, file) {
            Some(Relation::Pinned(at) | Relation::InsteadOf(at)) => {
                self.0.get_mut(at).is_some_and(|pin| pin.compare(file, file.digest.as_ref()))
            }
            Some(Relation::Beside) | None => false,
        }
    }

    /// Applies digest and change to a release, and, unless changes are accepted, the pinned archive
    /// in place of the replacement. Returns true if that changed it.
    pub(super) fn show(&self, release: &mut Release, accept: bool) -> bool {
        let Some(file) = release.artifact.chosen().cloned() else { return false };
        let change = self.change(release, &file);
        let refused = change.as_ref().is_some_and(|change| change.in_place) && !accept;
        let mut changed = release.change.as_deref() != change.as_ref();
        let pinned = change.as_ref().map(|change| (change.first.clone(), change.first_size));
        release.change = change.map(Box::new);
        if let Some(pin) = self.0.iter().find(|pin| pin.key.as_ref() == Some(&file.key)) {
            changed |= release.learn_size(&file.key, pin.size);
        }
        // The store serves by digest: the pinned archive if it is there, and never its replacement.
        if let Some((digest, size)) = pinned.filter(|_| refused)
            && let ArtifactChoice::Chosen(file) = &mut release.artifact
        {
            changed |= file.size != size || file.digest.as_ref() != Some(&digest);
            let file = Arc::make_mut(file);
            (file.size, file.digest) = (size, Some(digest));
        }
        changed
    }

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
                    // A file that was chosen after the first one, and not in its place.
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

    pub(super) fn has_changed(&self) -> bool {
        self.0.len() > 1 || self.0.iter().any(|pin| pin.replaced_by.is_some())
    }

    fn relation(&self, release: &Release, file: &Artifact) -> Option<Relation> {
        if let Some(at) = self.0.iter().position(|pin| pin.names(file)) {
            return Some(Relation::Pinned(at));
        }
        // A file without a key is a pin of version 0.1, which `names` has matched already.
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
