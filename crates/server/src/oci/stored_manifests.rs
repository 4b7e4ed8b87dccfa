//! Manifests that a backend stores, passed through byte for byte and kept by digest.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_catalog::index::entry::Entry;
use registry_catalog::sync::content::BackendContent;
use registry_core::backend::oci_content::Reference;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use tokio::time::Instant;

use crate::oci::manifest::PullManifest;

const MIB: usize = 1024 * 1024;
const KEPT: LruBounds = LruBounds::new(10_000, 28 * MIB);
const NAMED: LruBounds = LruBounds::new(50_000, 16 * MIB);
const ABSENT: LruBounds = LruBounds::new(10_000, 4 * MIB);
const TAGGED: LruBounds = LruBounds::new(1_000, 4 * MIB);
/// Approximate memory use of a key, in bytes.
const KEY_BYTES: u64 = 320;
/// Maximum memory use of kept manifests and of what they name, in bytes.
pub const BYTES_MAX: usize = (28 + 16 + 4 + 4) * MIB;

/// An object in the repository of an extension at one backend.
pub type StoredKey = (BackendId, ExtensionId, Digest);

/// Manifests that backends store.
pub struct StoredManifests {
    kept: Arc<Mutex<Kept>>,
    flights: SingleFlight<(BackendId, ExtensionId, Reference), Arc<PullManifest>>,
    rules: StoredRules,
}

/// How long answers about manifests are believed.
#[derive(Clone, Copy, Debug)]
pub struct StoredRules {
    /// Time for which a manifest that no release points at is kept.
    pub ttl: Duration,
    /// Time for which an absence is kept.
    pub negative_ttl: Duration,
}

struct Kept {
    manifests: BoundedLru<StoredKey, (Arc<PullManifest>, Instant)>,
    /// Sizes of the objects that kept manifests name.
    named: BoundedLru<StoredKey, u64>,
    absent: BoundedLru<StoredKey, Instant>,
    /// Manifests of tags whose digest the catalog does not have.
    tagged: BoundedLru<(BackendId, ExtensionId, String), (Arc<PullManifest>, Instant)>,
}

impl StoredManifests {
    /// Creates an empty collection.
    #[must_use]
    pub fn new(rules: StoredRules) -> Self {
        let kept = Kept {
            manifests: BoundedLru::new(KEPT),
            named: BoundedLru::new(NAMED),
            absent: BoundedLru::new(ABSENT),
            tagged: BoundedLru::new(TAGGED),
        };
        Self { kept: Arc::new(Mutex::new(kept)), flights: SingleFlight::default(), rules }
    }

    /// Returns the manifest that the tag of a release points at. Sends no request for one that is kept.
    ///
    /// # Errors
    ///
    /// `NotFound` if the backend does not have it; the backend's errors.
    pub async fn of_release(
        &self,
        content: &BackendContent,
        id: &ExtensionId,
        release: &Release,
    ) -> Result<Arc<PullManifest>> {
        let by_tag = Reference::Tag(release.tag.to_string());
        let Some(digest) = &release.manifest_digest else {
            return self.ask(content, id, by_tag).await;
        };
        if let Some((manifest, _)) = self.get(&(content.backend(), id.clone(), digest.clone())) {
            return Ok(manifest);
        }
        match self.ask(content, id, Reference::Digest(digest.clone())).await {
            // The tag was moved since the catalog read it, and the old manifest was deleted.
            Err(error) if error.is_not_found() => self.ask(content, id, by_tag).await,
            found => found,
        }
    }

    /// Returns the manifest with this digest. One that no known manifest names costs a lookup.
    ///
    /// # Errors
    ///
    /// `NotFound` if the backend does not have it; `BackendUnavailable` beyond the lookup budget; the
    /// backend's errors.
    pub async fn by_digest(
        &self,
        content: &BackendContent,
        id: &ExtensionId,
        digest: &Digest,
    ) -> Result<Arc<PullManifest>> {
        let key = (content.backend(), id.clone(), digest.clone());
        if let Some((manifest, _)) = self.get(&key).filter(|(_, at)| at.elapsed() < self.rules.ttl)
        {
            return Ok(manifest);
        }
        self.may_ask(content, &key)?;
        let found = self.ask(content, id, Reference::Digest(digest.clone())).await;
        self.note(key, &found);
        found
    }

    /// Returns the manifest of a tag that the catalog hides, such as those of signatures.
    ///
    /// # Errors
    ///
    /// Those of [`StoredManifests::by_digest`].
    pub async fn by_tag(
        &self,
        content: &BackendContent,
        id: &ExtensionId,
        tag: &str,
    ) -> Result<Arc<PullManifest>> {
        content.take_lookup()?;
        self.ask(content, id, Reference::Tag(tag.to_owned())).await
    }

    /// Fails for a digest that the backend has only in hidden versions, whose place another backend of a
    /// union has.
    ///
    /// # Errors
    ///
    /// `NotFound`; those of [`StoredManifests::by_tag`] if only a manifest can tell.
    pub async fn check_shown(
        &self,
        content: &BackendContent,
        entry: &Entry,
        hidden: &[Arc<Release>],
        digest: &Digest,
    ) -> Result<()> {
        let id = entry.id();
        if !self.any_names(content, id, hidden.iter(), digest).await? {
            return Ok(());
        }
        let shown = entry.extension.all_releases();
        let shown = shown.filter(|release| release.backend == content.backend());
        if self.any_names(content, id, shown, digest).await? {
            return Ok(());
        }
        Err(Error::not_found(format!("The repository of {id} has no {digest}")))
    }

    /// Returns true if one of the versions has this digest: its manifest, or an object named by it.
    async fn any_names(
        &self,
        content: &BackendContent,
        id: &ExtensionId,
        releases: impl Iterator<Item = &Arc<Release>>,
        digest: &Digest,
    ) -> Result<bool> {
        for release in releases {
            match self.tagged(content, id, release).await {
                Ok(manifest) if manifest.digest == *digest || manifest.part(digest).is_some() => {
                    return Ok(true);
                }
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(false)
    }

    /// Returns the manifest of a release, which is read by its tag at most once in the time to live.
    async fn tagged(
        &self,
        content: &BackendContent,
        id: &ExtensionId,
        release: &Release,
    ) -> Result<Arc<PullManifest>> {
        if release.manifest_digest.is_some() {
            return self.of_release(content, id, release).await;
        }
        let key = (content.backend(), id.clone(), release.tag.to_string());
        let known = self.kept.lock().tagged.get(&key).cloned();
        if let Some((manifest, _)) = known.filter(|(_, at)| at.elapsed() < self.rules.ttl) {
            return Ok(manifest);
        }
        let manifest = self.by_tag(content, id, &key.2).await?;
        let weight = manifest.weight() as u64 + KEY_BYTES;
        self.kept.lock().tagged.put(key, weight, (Arc::clone(&manifest), Instant::now()));
        Ok(manifest)
    }

    /// Returns the size of an object that a kept manifest names.
    #[must_use]
    pub fn size_of(&self, key: &StoredKey) -> Option<u64> {
        self.kept.lock().named.get(key).copied()
    }

    /// Fails if an object was absent just now, or if a question about it is beyond the lookup budget. An
    /// object that a known manifest names needs none: a caller has not made it up.
    ///
    /// # Errors
    ///
    /// `NotFound`, or `BackendUnavailable` beyond the budget.
    pub fn may_ask(&self, content: &BackendContent, key: &StoredKey) -> Result<()> {
        let (was_absent, is_named) = {
            let mut kept = self.kept.lock();
            let absent = kept.absent.get(key).copied();
            let is_named = kept.named.get(key).is_some() || kept.manifests.get(key).is_some();
            (absent.is_some_and(|at| at.elapsed() < self.rules.negative_ttl), is_named)
        };
        if was_absent {
            let (_, id, digest) = key;
            return Err(Error::not_found(format!("The repository of {id} has no {digest}")));
        }
        if is_named { Ok(()) } else { content.take_lookup() }
    }

    /// Remembers an absence.
    pub fn note<T>(&self, key: StoredKey, found: &Result<T>) {
        if found.as_ref().is_err_and(Error::is_not_found) {
            self.kept.lock().absent.put(key, KEY_BYTES, Instant::now());
        }
    }

    fn get(&self, key: &StoredKey) -> Option<(Arc<PullManifest>, Instant)> {
        self.kept.lock().manifests.get(key).cloned()
    }

    async fn ask(
        &self,
        content: &BackendContent,
        id: &ExtensionId,
        reference: Reference,
    ) -> Result<Arc<PullManifest>> {
        let key = (content.backend(), id.clone(), reference);
        self.flights
            .ask(&key, || {
                let (content, kept) = (content.clone(), Arc::clone(&self.kept));
                let (backend, id, reference) = key.clone();
                async move {
                    let manifest = PullManifest::from(content.manifest(&id, &reference).await?);
                    let manifest = Arc::new(manifest);
                    kept.lock().keep(backend, &id, &manifest);
                    Ok(manifest)
                }
            })
            .await
    }
}

impl Kept {
    fn keep(&mut self, backend: BackendId, id: &ExtensionId, manifest: &Arc<PullManifest>) {
        for part in &manifest.parts {
            self.named.put((backend, id.clone(), part.digest.clone()), KEY_BYTES, part.size);
        }
        let key = (backend, id.clone(), manifest.digest.clone());
        self.absent.remove(&key);
        let weight = manifest.weight() as u64 + KEY_BYTES;
        self.manifests.put(key, weight, (Arc::clone(manifest), Instant::now()));
    }
}
