//! Manifests and config blobs of a registry. Short content is cached by its digest.

use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::backend::oci_content::StoredManifest;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use registry_core::models::tag::Tag;
use tokio::task::yield_now;

use crate::http::json;
use crate::oci::artifact::{CONFIG_MAX, HEAD_MAX};
use crate::oci::client::{Client, Manifest, ManifestReference, parse};
use crate::oci::failures::is_lasting;
use crate::oci::models::{ConfigBlob, Descriptor, Document, EMPTY};
use crate::oci::repository::OciRepository;

/// Bounds of the cache of manifests and config blobs by repository and digest.
const CONTENTS: LruBounds = LruBounds::new(64 * 1024, 8 * 1024 * 1024);
/// Maximum size of content that is cached, in bytes.
const CONTENT_MAX: usize = 64 * 1024;
/// Fixed memory per cached content, in bytes, beside the content itself.
const CONTENT_COST: usize = 384;

/// Reader of the content of one registry. Content by digest is read only once.
pub(super) struct ContentReader {
    client: Client,
    /// By repository, because the content of one must not be had under the name of another.
    contents: Mutex<BoundedLru<(OciRepository, Digest), CachedContent>>,
}

#[derive(Clone)]
struct CachedContent {
    bytes: Bytes,
    /// `None` for a config blob, which is no manifest.
    media_type: Option<String>,
}

impl ContentReader {
    pub(super) fn new(client: Client) -> Self {
        Self { client, contents: Mutex::new(BoundedLru::new(CONTENTS)) }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Reads the manifest or index of a tag.
    pub(super) async fn tagged(&self, repository: &OciRepository, tag: &Tag) -> Result<Manifest> {
        self.manifest(repository, ManifestReference::Tag(tag)).await
    }

    /// Reads a manifest or index by digest.
    pub(super) async fn document(
        &self,
        repository: &OciRepository,
        digest: &Digest,
    ) -> Result<Document> {
        if let Some(CachedContent { bytes, .. }) = self.remembered(repository, digest) {
            // Cached documents need no I/O; the yield keeps a long chain from blocking the thread.
            yield_now().await;
            return parse(digest, &bytes);
        }
        Ok(self.manifest(repository, ManifestReference::Digest(digest)).await?.document)
    }

    /// Reads a manifest or index as it is stored. One that a sweep has read costs no request.
    pub(super) async fn stored(
        &self,
        repository: &OciRepository,
        reference: ManifestReference<'_>,
    ) -> Result<StoredManifest> {
        if let ManifestReference::Digest(digest) = reference
            && let Some(CachedContent { bytes, media_type: Some(media_type) }) =
                self.remembered(repository, digest)
        {
            return Ok(StoredManifest { bytes, media_type, digest: digest.clone() });
        }
        let stored = self.client.manifests().stored(repository, reference).await?;
        if stored.bytes.len() <= CONTENT_MAX {
            let media_type = Some(stored.media_type.clone());
            self.remember(repository, &stored.digest, &stored.bytes, media_type);
        }
        Ok(stored)
    }

    async fn manifest(
        &self,
        repository: &OciRepository,
        reference: ManifestReference<'_>,
    ) -> Result<Manifest> {
        let manifest = self.client.manifests().read(repository, reference).await?;
        if let Some(bytes) = &manifest.bytes {
            let media_type = Some(manifest.media_type.clone());
            self.remember(repository, &manifest.digest, bytes, media_type);
        }
        Ok(manifest)
    }

    /// Reads the config blob of a manifest. `None` without a usable one.
    pub(super) async fn config(
        &self,
        repository: &OciRepository,
        manifest: &Document,
    ) -> Result<Option<ConfigBlob>> {
        let Some(config) = &manifest.config else { return Ok(None) };
        // Two bytes are `{}`.
        if config.media_type == EMPTY || config.size > CONFIG_MAX || config.size <= 2 {
            return Ok(None);
        }
        let digest = digest_of(config)?;
        let bytes = if let Some(cached) = self.remembered(repository, &digest) {
            cached.bytes
        } else {
            let max = usize::try_from(CONFIG_MAX).unwrap_or(usize::MAX);
            let bytes = self.client.blobs().read(repository, &digest, max).await?;
            self.remember(repository, &digest, &bytes, None);
            bytes
        };
        Ok(json::object(&bytes).ok())
    }

    /// Reads the leading bytes of a layer. Empty if the layer is missing or unreadable.
    pub(super) async fn head_of(
        &self,
        repository: &OciRepository,
        layer: &Descriptor,
    ) -> Result<Bytes> {
        let (digest, part) = (digest_of(layer)?, 0..layer.size.min(HEAD_MAX));
        let blobs = self.client.blobs();
        let read = async {
            blobs.open(repository, &digest, layer.size, Some(part)).await?.collect().await
        };
        match read.await {
            Err(error) if is_lasting(&error) => Ok(Bytes::new()),
            read => read,
        }
    }

    fn remembered(&self, repository: &OciRepository, digest: &Digest) -> Option<CachedContent> {
        self.contents.lock().get(&(repository.clone(), digest.clone())).cloned()
    }

    fn remember(
        &self,
        repository: &OciRepository,
        digest: &Digest,
        bytes: &Bytes,
        media_type: Option<String>,
    ) {
        let named = repository.as_str().len() + media_type.as_ref().map_or(0, String::len);
        let weight = bytes.len() + named + CONTENT_COST;
        let content = CachedContent { bytes: bytes.clone(), media_type };
        let key = (repository.clone(), digest.clone());
        self.contents.lock().put(key, weight as u64, content);
    }
}

/// Returns the digest of a descriptor. `BackendFaulty` if it has none.
pub(super) fn digest_of(descriptor: &Descriptor) -> Result<Digest> {
    let parsed = descriptor.digest.parse();
    parsed.map_err(|error| Error::faulty("A descriptor has no digest").because(error))
}
