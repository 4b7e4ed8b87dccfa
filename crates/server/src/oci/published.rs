//! Manifests that publishers stored as files of their releases.

use std::sync::Arc;

use parking_lot::Mutex;
use registry_catalog::sync::content::BackendContent;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::error::Result;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;

use crate::oci::manifest::PullManifest;

const MIB: usize = 1024 * 1024;
/// Maximum memory use, in bytes.
pub const BYTES_MAX: usize = 16 * MIB;
const BOUNDS: LruBounds = LruBounds::new(50_000, BYTES_MAX);

/// Whether a release has a publisher's manifest. Read once for the files that a release has, so
/// that a tag does not move between two digests.
pub struct PublishedManifests {
    read: Mutex<BoundedLru<String, Option<Arc<PullManifest>>>>,
}

/// What is known of the manifest of a release's publisher.
#[derive(Clone, Debug)]
pub enum Published {
    /// It was not read yet.
    Unread,
    /// There is none, or it says another digest of the archive than is known.
    Absent,
    /// The manifest.
    Present(Arc<PullManifest>),
}

impl Default for PublishedManifests {
    fn default() -> Self {
        Self { read: Mutex::new(BoundedLru::new(BOUNDS)) }
    }
}

impl PublishedManifests {
    /// Returns what is known, without a request.
    #[must_use]
    pub fn known(&self, id: &ExtensionId, release: &Release) -> Published {
        // A single file is the archive itself.
        if release.assets.len() < 2 {
            return Published::Absent;
        }
        match self.read.lock().get(&key(id, release)) {
            Some(Some(manifest)) if agrees(manifest, release) => {
                Published::Present(Arc::clone(manifest))
            }
            Some(_) => Published::Absent,
            None => Published::Unread,
        }
    }

    /// Reads the manifest; `None` if the release has no valid one.
    ///
    /// # Errors
    ///
    /// The backend's errors: there may be one.
    pub async fn read(
        &self,
        content: &BackendContent,
        id: &ExtensionId,
        release: &Release,
    ) -> Result<Option<Arc<PullManifest>>> {
        match self.known(id, release) {
            Published::Present(manifest) => return Ok(Some(manifest)),
            Published::Absent => return Ok(None),
            Published::Unread => {}
        }
        let found = content.published_manifest(id, release).await?;
        let manifest = found.map(|stored| Arc::new(PullManifest::from(stored)));
        let (key, weight) = (key(id, release), manifest.as_ref().map_or(0, |one| one.weight()));
        let weight = (weight + 2 * key.len()) as u64;
        self.read.lock().put(key, weight, manifest.clone());
        Ok(manifest.filter(|manifest| agrees(manifest, release)))
    }
}

/// Identifies a release with its files. Texts that are edited do not count, and digests neither,
/// which may become known later.
fn key(id: &ExtensionId, release: &Release) -> String {
    let mut key = format!("{} {id} {}", release.backend, release.tag);
    for file in &release.assets {
        key.push(' ');
        key.push_str(file.key.as_str());
    }
    key
}

/// Returns false if the archive is known to have another digest than the manifest says.
fn agrees(manifest: &PullManifest, release: &Release) -> bool {
    let digest = release.artifact.chosen().and_then(|archive| archive.digest.as_ref());
    digest.is_none_or(|digest| manifest.part(digest).is_some())
}
