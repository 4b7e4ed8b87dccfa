//! The pins and learned digests of all backends, and extensions as they make them look.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;

use crate::index::view::View;
use crate::pins::backend_pins::{BackendPins, log_change};
use crate::pins::bounds::PinBounds;
use crate::unsaved::{RecordKey, Unsaved};

/// Lock order: the index first, then the book.
pub(crate) struct PinBook {
    backends: Mutex<HashMap<BackendId, BackendPins>>,
    accept: bool,
    unsaved: Arc<Unsaved>,
}

impl PinBook {
    /// With `accept`, the archive of a version may be replaced.
    pub(crate) fn new(accept: bool, unsaved: Arc<Unsaved>) -> Self {
        Self { backends: Mutex::default(), accept, unsaved }
    }

    pub(super) const fn accepts_changes(&self) -> bool {
        self.accept
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<BackendId, BackendPins>> {
        self.backends.lock()
    }

    /// The catalog decides which pins and digests to keep when space is short.
    pub(super) fn bounds<'a>(&'a self, backend: BackendId, view: &'a View) -> PinBounds<'a> {
        PinBounds { backend, view, unsaved: &self.unsaved }
    }

    /// Compares a reported extension with its pins. Returns it as readers are to see it.
    pub(crate) fn compared(
        &self,
        of: BackendId,
        reported: &Arc<Extension>,
        view: &View,
    ) -> Arc<Extension> {
        let bounds = self.bounds(of, view);
        let mut backends = self.lock();
        let pins = backends.entry(of).or_default();
        let shown = reported.amended(|release| {
            self.complete(pins, reported.id(), release, Some(reported), &bounds)
        });
        drop(backends);
        shown.map_or_else(|| Arc::clone(reported), Arc::new)
    }

    /// Completes a release that was read by itself. `known` is its extension.
    pub(crate) fn completed_alone(
        &self,
        id: &ExtensionId,
        release: Release,
        known: Option<&Extension>,
        view: &View,
    ) -> Release {
        let bounds = self.bounds(release.backend, view);
        let mut backends = self.lock();
        let pins = backends.entry(release.backend).or_default();
        self.complete(pins, id, &release, known, &bounds).unwrap_or(release)
    }

    /// Returns an extension with what was learned since it was compared.
    pub(crate) fn amended(&self, reported: &Arc<Extension>) -> Arc<Extension> {
        let mut backends = self.lock();
        // Most deployments start without pins: this saves a pass over all releases.
        if backends.is_empty() {
            return Arc::clone(reported);
        }
        let shown = reported.amended(|release| {
            let pins = backends.get_mut(&release.backend)?;
            let completed = pins.completed(release);
            let Some((_, pins)) = pins.pins_for(reported.id(), release, Some(reported)) else {
                return completed;
            };
            let is_completed = completed.is_some();
            let mut shown = completed.unwrap_or_else(|| release.clone());
            let changed = pins.show(&mut shown, self.accept);
            (is_completed || changed).then_some(shown)
        });
        shown.map_or_else(|| Arc::clone(reported), Arc::new)
    }

    /// Returns the release with pins and digests; `None` if they do not change it.
    fn complete(
        &self,
        pins: &mut BackendPins,
        id: &ExtensionId,
        release: &Release,
        among: Option<&Extension>,
        bounds: &PinBounds<'_>,
    ) -> Option<Release> {
        pins.take_digest(release, bounds);
        let completed = pins.completed(release);
        let Some((name, pins)) = pins.pins_for(id, release, among) else { return completed };
        let is_completed = completed.is_some();
        let mut shown = completed.unwrap_or_else(|| release.clone());
        let changed_before = pins.has_changed();
        if pins.compare(&shown) {
            bounds.note(RecordKey::Pins(bounds.backend, id.clone(), name.to_owned()));
            // Logged on the transition only: a replaced archive must not log at each read.
            if pins.has_changed() && !changed_before {
                log_change(id, release.version.as_str(), pins);
            }
        }
        let changed = pins.show(&mut shown, self.accept);
        (is_completed || changed).then_some(shown)
    }
}

#[cfg(test)]
mod tests {
    use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
    use registry_core::models::digest::Digest;
    use registry_core::models::extension::Change;
    use tokio::time::Instant;

    use super::*;
    use crate::index::delta::{BackendDelta, Delta};
    use crate::pins::Pins;
    use crate::rules::Rules;
    use crate::store::CatalogStore;

    const OF: BackendId = BackendId::GITEA;

    fn id() -> ExtensionId {
        ExtensionId::from_oci_repository("aws-provider").unwrap()
    }

    fn release(key: &str, digest: Option<&[u8]>) -> Release {
        let file = Artifact {
            key: ArtifactKey::new(key),
            file_name: "a.tar.gz".into(),
            size: 5,
            digest: digest.map(Digest::sha256),
            url: None,
        };
        let artifact = ArtifactChoice::Chosen(Arc::new(file));
        Release { artifact, ..Release::of_tag(OF, "1.0.0".parse().unwrap()) }
    }

    fn put(store: &Arc<CatalogStore>, release: Release) {
        let extension = Arc::new(Extension::new(id(), vec![release]));
        store
            .apply(Delta::Backend(OF, BackendDelta::Put(vec![(extension, Instant::now().into())])));
    }

    fn read_again(store: &Arc<CatalogStore>) {
        store.apply(Delta::Backend(OF, BackendDelta::Read(id(), Instant::now().into())));
    }

    /// Digest and change of the release: as it was reported, and as it is shown.
    fn known(store: &CatalogStore) -> [(Option<Digest>, Option<Change>); 2] {
        let of = |extension: &Extension| {
            let release = &extension.releases()[0];
            let digest = release.artifact.chosen().unwrap().digest.clone();
            (digest, release.change.as_deref().cloned())
        };
        let copies = store.read_backend(OF, |known| {
            let copy = known.get(&id()).unwrap();
            [of(&copy.reported), of(&copy.extension)]
        });
        copies.unwrap()
    }

    async fn downloaded(pins: &Pins, release: &Release, bytes: &[u8]) -> bool {
        let file = release.artifact.chosen().unwrap();
        pins.decide(&id(), release, file, true, &Digest::sha256(bytes)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learned_is_shown_and_not_reported() {
        let store = CatalogStore::new(&[OF], &Rules::for_tests());
        let pins = Pins::new(Arc::clone(&store), None, Vec::new());
        put(&store, release("k", None));
        assert!(downloaded(&pins, &release("k", None), b"a").await);
        let first = Some(Digest::sha256(b"a"));
        assert_eq!(known(&store), [(None, None), (first.clone(), None)]);
        // An unchanged report and a new one of the same file are shown with the digest, too.
        read_again(&store);
        put(&store, release("k", None));
        assert_eq!(known(&store), [(None, None), (first, None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pin_that_is_new_marks_a_report_that_is_not() {
        let store = CatalogStore::new(&[OF], &Rules::for_tests());
        let pins = Pins::new(Arc::clone(&store), None, Vec::new());
        // The archive was replaced while it was downloaded.
        put(&store, release("l", Some(b"b")));
        assert!(downloaded(&pins, &release("k", Some(b"a")), b"a").await);
        read_again(&store);
        let [reported, (shown, change)] = known(&store);
        assert_eq!(reported, (Some(Digest::sha256(b"b")), None));
        assert_eq!(shown, Some(Digest::sha256(b"a")));
        assert!(change.is_some_and(|change| change.in_place));
        assert!(!downloaded(&pins, &release("l", Some(b"b")), b"b").await);
        put(&store, release("m", Some(b"a")));
        assert_eq!(known(&store)[1], (Some(Digest::sha256(b"a")), None));
    }

    #[tokio::test(start_paused = true)]
    async fn only_releases_that_differ_weigh_twice() {
        let store = CatalogStore::new(&[OF], &Rules::for_tests());
        let pins = Pins::new(Arc::clone(&store), None, Vec::new());
        put(&store, release("k", None));
        let before = store.capacity_use(OF).bytes;
        downloaded(&pins, &release("k", None), b"a").await;
        let shown = store.read_backend(OF, |known| {
            known.get(&id()).unwrap().extension.releases()[0].bare_weight()
        });
        assert_eq!(store.capacity_use(OF).bytes, before + shown.unwrap());
        put(&store, release("l", Some(b"a")));
        let fresh = CatalogStore::new(&[OF], &Rules::for_tests());
        put(&fresh, release("l", Some(b"a")));
        assert_eq!(store.capacity_use(OF).bytes, fresh.capacity_use(OF).bytes);
    }
}
