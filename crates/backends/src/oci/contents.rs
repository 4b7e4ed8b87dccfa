//! Manifests and config blobs of a registry. Short content is cached by its digest.

use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use registry_core::models::tag::Tag;
use tokio::task::yield_now;

use crate::http::json;
use crate::oci::artifact::{CONFIG_MAX, HEAD_MAX};
use crate::oci::client::{Client, Manifest, Reference, parse};
use crate::oci::failures::is_lasting;
use crate::oci::models::{ConfigBlob, Descriptor, Document, EMPTY};
use crate::oci::repository::OciRepository;

/// Bounds of the cache of manifests and config blobs by digest.
const CONTENTS: LruBounds = LruBounds::new(64 * 1024, 8 * 1024 * 1024);
/// Fixed memory per cached manifest, in bytes, beside its content.
const CONTENT_COST: usize = 256;

/// Reader of the content of one registry. Content by digest is read only once.
pub(super) struct ContentReader {
    client: Client,
    contents: Mutex<BoundedLru<Digest, Bytes>>,
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
        self.manifest(repository, Reference::Tag(tag)).await
    }

    /// Reads a manifest or index by digest.
    pub(super) async fn document(
        &self,
        repository: &OciRepository,
        digest: &Digest,
    ) -> Result<Document> {
        if let Some(bytes) = self.remembered(digest) {
            // Cached documents need no I/O; the yield keeps a long chain from blocking the thread.
            yield_now().await;
            return parse(digest, &bytes);
        }
        Ok(self.manifest(repository, Reference::Digest(digest)).await?.document)
    }

    async fn manifest(
        &self,
        repository: &OciRepository,
        reference: Reference<'_>,
    ) -> Result<Manifest> {
        let manifest = self.client.manifests().read(repository, reference).await?;
        if let Some(bytes) = &manifest.bytes {
            self.remember(&manifest.digest, bytes);
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
        let bytes = if let Some(bytes) = self.remembered(&digest) {
            bytes
        } else {
            let max = usize::try_from(CONFIG_MAX).unwrap_or(usize::MAX);
            let bytes = self.client.blobs().read(repository, &digest, max).await?;
            self.remember(&digest, &bytes);
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

    fn remembered(&self, digest: &Digest) -> Option<Bytes> {
        self.contents.lock().get(digest).cloned()
    }

    fn remember(&self, digest: &Digest, content: &Bytes) {
        let weight = content.len() + CONTENT_COST;
        self.contents.lock().put(digest.clone(), weight as u64, content.clone());
    }
}

/// Returns the digest of a descriptor. `BackendFaulty` if it has none.
pub(super) fn digest_of(descriptor: &Descriptor) -> Result<Digest> {
    let parsed = descriptor.digest.parse();
    parsed.map_err(|error| Error::faulty("A descriptor has no digest").because(error))
}
