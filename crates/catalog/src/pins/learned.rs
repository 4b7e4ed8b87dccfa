//! Digests that one replica computed from a first download, and that all replicas show.

use std::sync::Arc;

use registry_core::models::artifact::ArtifactKey;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;

use crate::index::view::View;
use crate::pins::Pins;
use crate::pins::backend_pins::{BackendPins, keys};
use crate::pins::digest_origin::DigestOrigin;
use crate::pins::pin_book::PinBook;
use crate::share::requests::RequestSubject;

/// The digest of a file for which its backend reports none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LearnedDigest {
    pub(crate) file: ArtifactKey,
    pub(crate) digest: Digest,
}

impl Pins {
    /// Asks the writer to tell all replicas the digest of a file, if this replica computed it.
    pub(super) fn share_learned(&self, backend: BackendId, id: &ExtensionId, file: &ArtifactKey) {
        let Some((_, share)) = self.shares.iter().find(|(of, _)| *of == backend) else { return };
        let backends = self.book.lock();
        let learned = backends.get(&backend).and_then(|pins| pins.computed(file));
        drop(backends);
        if let Some(learned) = learned {
            share.requests.hint(RequestSubject::Learned(id.clone(), learned));
        }
    }
}

impl PinBook {
    /// Returns every digest of a backend that was computed from a download.
    pub(crate) fn learned(&self, of: BackendId) -> Vec<LearnedDigest> {
        let backends = self.lock();
        let Some(pins) = backends.get(&of) else { return Vec::new() };
        pins.digests.keys().filter_map(|file| pins.computed(file)).collect()
    }

    /// Returns those of the files of some extensions.
    pub(crate) fn learned_of<'a>(
        &self,
        of: BackendId,
        extensions: impl IntoIterator<Item = &'a Arc<Extension>>,
    ) -> Vec<LearnedDigest> {
        let backends = self.lock();
        let Some(pins) = backends.get(&of).filter(|pins| !pins.digests.is_empty()) else {
            return Vec::new();
        };
        let files = extensions.into_iter().flat_map(|extension| keys(extension));
        let mut learned: Vec<_> = files.filter_map(|file| pins.computed(file)).collect();
        // An archive is an asset, too.
        learned.sort_unstable();
        learned.dedup();
        learned
    }

    /// Takes over digests that the log has. They replace those that this replica computed itself.
    pub(crate) fn follow_learned(&self, of: BackendId, learned: &[LearnedDigest], view: &View) {
        let bounds = self.bounds(of, view);
        let mut backends = self.lock();
        let pins = backends.entry(of).or_default();
        for LearnedDigest { file, digest } in learned {
            if pins.digests.get(file).is_none_or(|known| known.digest != *digest) {
                pins.learn(file, digest, DigestOrigin::FirstDownload, &bounds);
            }
        }
    }

    /// Takes a digest that another replica computed, unless one is known: the first one stands.
    pub(crate) fn take_learned(&self, of: BackendId, learned: &LearnedDigest, view: &View) {
        let known =
            self.lock().get(&of).is_some_and(|pins| pins.digests.contains_key(&learned.file));
        if !known {
            self.follow_learned(of, std::slice::from_ref(learned), view);
        }
    }
}

impl BackendPins {
    /// Returns the digest of a file if it was computed from a download.
    fn computed(&self, file: &ArtifactKey) -> Option<LearnedDigest> {
        let known = self.digests.get(file)?;
        let is_computed = known.origin == Some(DigestOrigin::FirstDownload);
        is_computed.then(|| LearnedDigest { file: file.clone(), digest: known.digest.clone() })
    }
}
