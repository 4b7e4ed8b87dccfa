//! Digests that one replica computed from a first download, and that all replicas show.

use std::sync::Arc;

use registry_core::models::artifact::ArtifactKey;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;

use crate::index::view::View;
use crate::pins::backend_pins::{BackendPins, keys};
use crate::pins::digest_origin::DigestOrigin;
use crate::pins::learned_digest::LearnedDigest;
use crate::pins::pin_book::PinBook;
use crate::share::Shares;
use crate::share::requests::RequestSubject;

/// Asks the writer to tell all replicas the digest of a file, if this replica computed it.
pub(super) fn share_learned(
    shares: &Shares,
    book: &PinBook,
    backend: BackendId,
    id: &ExtensionId,
    file: &ArtifactKey,
) {
    let Some((_, share)) = shares.iter().find(|(of, _)| *of == backend) else { return };
    let learned = book.lock().get(&backend).and_then(|pins| pins.computed(file));
    if let Some(learned) = learned {
        share.requests.hint(RequestSubject::Learned(id.clone(), learned));
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

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::{Artifact, ArtifactChoice};
    use registry_core::models::digest::Digest;
    use registry_core::models::extension::Release;
    use registry_fleet::state::EngineState;
    use registry_fleet::topic::Topic;
    use registry_testing::fleet::pins::MemoryPins;

    use super::*;
    use crate::pins::Pins;
    use crate::pins::policy::{PinPolicy, PinSharing};
    use crate::rules::Rules;
    use crate::share::BackendShare;
    use crate::store::CatalogStore;

    const OF: BackendId = BackendId::GITEA;

    fn id() -> ExtensionId {
        "provider/aws".parse().unwrap()
    }

    fn release(key: &str) -> Release {
        let file = Artifact {
            key: ArtifactKey::new(key),
            file_name: "a.tar.gz".into(),
            size: 1,
            digest: None,
            url: None,
        };
        let artifact = ArtifactChoice::Chosen(Arc::new(file));
        Release { artifact, ..Release::of_tag(OF, "1.0.0".parse().unwrap()) }
    }

    fn learned(key: &str, bytes: &[u8]) -> LearnedDigest {
        LearnedDigest { file: ArtifactKey::new(key), digest: Digest::sha256(bytes) }
    }

    /// The pins of one replica, and its requests to the writer.
    struct Replica {
        pins: Pins,
        share: Arc<BackendShare>,
    }

    impl Replica {
        fn of(shared: &Arc<MemoryPins>) -> Self {
            let sharing = PinSharing { ledger: shared.connect(), policy: PinPolicy::Soon };
            let store = CatalogStore::new(&[OF], &Rules::for_tests());
            let topic = Topic::of(OF, "configuration");
            let share = Arc::new(BackendShare::new(topic, EngineState::default()));
            let shares = vec![(OF, Arc::clone(&share))];
            Self { pins: Pins::new(store, Some(sharing), shares), share }
        }

        async fn gives_out(&self, key: &str, bytes: &[u8]) -> bool {
            let release = release(key);
            let file = release.artifact.chosen().unwrap();
            self.pins.decide(&id(), &release, file, true, &Digest::sha256(bytes)).await.is_ok()
        }

        fn told(&self) -> Vec<LearnedDigest> {
            let due = self.share.requests.due().into_iter();
            let told = due.filter_map(|(_, subject)| match subject {
                RequestSubject::Learned(_, learned) => Some(learned),
                _ => None,
            });
            told.collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_digest_of_the_first_archive_is_told() {
        let shared = MemoryPins::new();
        let [one, other] = [(); 2].map(|()| Replica::of(&shared));
        assert!(one.gives_out("1", b"first").await);
        assert!(one.gives_out("1", b"first").await);
        assert_eq!(one.told(), [learned("1", b"first")]);
        assert!(!other.gives_out("1", b"other").await);
        assert_eq!(other.told(), []);
        // The same bytes in another file.
        assert!(one.gives_out("2", b"first").await);
        let mut told = one.told();
        told.sort_unstable();
        assert_eq!(told, [learned("1", b"first"), learned("2", b"first")]);
    }

    #[test]
    fn a_writer_keeps_the_first_digest_and_a_follower_takes_that_of_the_log() {
        let [writer, follower] = [(); 2].map(|()| CatalogStore::new(&[OF], &Rules::for_tests()));
        for bytes in [b"first", b"other"] {
            writer.pins().take_learned(OF, &learned("1", bytes), &writer.view());
            follower.pins().follow_learned(OF, &[learned("1", bytes)], &follower.view());
        }
        assert_eq!(writer.pins().learned(OF), [learned("1", b"first")]);
        assert_eq!(follower.pins().learned(OF), [learned("1", b"other")]);
        let extension = Arc::new(Extension::new(id(), vec![release("1")]));
        assert_eq!(writer.pins().learned_of(OF, [&extension]), [learned("1", b"first")]);
        assert_eq!(writer.pins().learned_of(BackendId::OCI, [&extension]), []);
    }
}
