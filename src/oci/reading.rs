//! Conversion of a tag to a release, from its manifest, the indexes above and the config blob.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::task::yield_now;

use crate::caching::bounded_lru::{BoundedLru, Bounds};
use crate::error::{Error, ErrorKind, Result};
use crate::http::memory_budget::MemoryBudget;
use crate::models::artifact::ArtifactChoice;
use crate::models::backend_id::BackendId;
use crate::models::digest::Digest;
use crate::models::extension::Release;
use crate::models::fault::ExtensionFault;
use crate::models::naming::ExtensionId;
use crate::models::readme::{README_MAX, Readme};
use crate::models::tag::Tag;
use crate::oci::artifact::{
    CONFIG_MAX, Claims, DOCUMENTS_MAX, HEAD_MAX, INDEX_DEPTH_MAX, children, choose_by_bytes,
    choose_layer, files, has_archive, lack_of_archive, untold_layer,
};
use crate::oci::client::{Client, Manifest, Reference, object};
use crate::oci::documents::{ReadmeAt, notes, readme_of};
use crate::oci::models::{Annotations, ConfigBlob, Descriptor, Document, EMPTY};
use crate::oci::repository::OciRepository;

/// Bounds of the cache of releases by tag. Most of their data is shared with the catalog.
const READINGS: Bounds = Bounds::new(64 * 1024, 64 * 1024 * 1024);
/// Bounds of the cache of manifests and config blobs by digest.
const CONTENTS: Bounds = Bounds::new(64 * 1024, 8 * 1024 * 1024);
/// Maximum size of a cached manifest, in bytes.
const CONTENT_MAX: usize = 64 * 1024;
/// Fixed memory per cached manifest, in bytes, beside its content.
const CONTENT_COST: usize = 256;

/// An extension and its repository.
#[derive(Clone, Debug)]
pub struct RepositoryRef {
    /// The backend that reads the registry.
    pub backend: BackendId,
    /// Extension, spelled like the repository.
    pub id: ExtensionId,
    /// Repository of the extension.
    pub repository: OciRepository,
}

/// A release with the faults found while reading.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The release.
    pub release: Release,
    /// Faults of the release.
    pub faults: Vec<ExtensionFault>,
}

impl Reading {
    fn weight(&self) -> usize {
        self.release.weight() + self.faults.iter().map(|fault| fault.reason.len()).sum::<usize>()
    }
}

/// Last reading per tag, with the tag's digest. A failed one has no digest, and is repeated.
type Readings = BoundedLru<(OciRepository, Tag), (Option<Digest>, Reading)>;

/// Reader of releases. Content by digest is read only once.
pub struct ManifestReader {
    client: Client,
    contents: Mutex<BoundedLru<Digest, Bytes>>,
    readings: Mutex<Readings>,
}

/// A manifest, and the annotations of the indexes above it, the nearest first.
struct FoundManifest {
    manifest: Document,
    above: Vec<Annotations>,
}

struct Descent<'a> {
    place: &'a RepositoryRef,
    room: MemoryBudget,
    /// Number of documents that may still be read; indexes can refer to the same repeatedly.
    left: usize,
}

impl<'a> Descent<'a> {
    const fn new(place: &'a RepositoryRef, room: MemoryBudget) -> Self {
        Self { place, room, left: DOCUMENTS_MAX }
    }
}

impl ManifestReader {
    /// Creates a reader with empty caches.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let readings = Mutex::new(BoundedLru::new(READINGS));
        Self { client, contents: Mutex::new(BoundedLru::new(CONTENTS)), readings }
    }

    /// Returns the last reading of a tag without checking that the tag has not moved.
    #[must_use]
    pub fn remembered(&self, place: &RepositoryRef, tag: &Tag) -> Option<Reading> {
        let key = (place.repository.clone(), tag.clone());
        self.readings.lock().get(&key).map(|(_, reading)| reading.clone())
    }

    /// Reads the release of a tag. A repeated read costs one `HEAD` if the tag has not moved.
    ///
    /// # Errors
    /// `NotFound` for an unknown tag, `BackendFaulty` if it leads to no valid manifest, and the
    /// errors of sending.
    pub async fn read(
        &self,
        place: &RepositoryRef,
        tag: &Tag,
        room: MemoryBudget,
    ) -> Result<Reading> {
        let key = (place.repository.clone(), tag.clone());
        let known = self.readings.lock().get(&key).cloned();
        if let Some((Some(digest), reading)) = known
            && self.client.digest_of(&place.repository, tag).await? == Some(digest)
        {
            return Ok(reading);
        }
        let outcome = self.read_anew(place, tag, room).await;
        let kept = match &outcome {
            Ok(reading) => (reading.release.manifest_digest.clone(), reading.clone()),
            // A permanent fault is cached too, so that a sweep can report it for tags that it does
            // not read again.
            Err(error) if is_lasting(error) => (None, broken(place.backend, tag, error)),
            Err(_) => return outcome,
        };
        let weight = kept.1.weight() as u64;
        self.readings.lock().put(key, weight, kept);
        outcome
    }

    async fn read_anew(
        &self,
        place: &RepositoryRef,
        tag: &Tag,
        room: MemoryBudget,
    ) -> Result<Reading> {
        let reference = Reference::Tag(tag);
        let manifest = self.client.manifest(&place.repository, reference, room).await;
        let manifest = manifest.map_err(|error| {
            let message = format!("Extension {} has no tag {tag}", place.id);
            if error.is_not_found() { Error::not_found(message).because(error) } else { error }
        })?;
        self.remember(&manifest.digest, &manifest.bytes);
        self.release(Descent::new(place, room), tag, manifest).await
    }

    /// Returns the digest of a tag if the registry reports it without the manifest.
    pub async fn digest_of(&self, place: &RepositoryRef, tag: &Tag) -> Result<Option<Digest>> {
        self.client.digest_of(&place.repository, tag).await
    }

    /// Reads a release with its notes, which a [`Reading`] lacks: thousands are cached.
    pub async fn version(&self, place: &RepositoryRef, tag: &Tag) -> Result<Release> {
        self.client.roomy(|room| self.version_in(place, tag, room)).await
    }

    async fn version_in(
        &self,
        place: &RepositoryRef,
        tag: &Tag,
        room: MemoryBudget,
    ) -> Result<Release> {
        let release = self.read(place, tag, room).await?.release;
        let Some(digest) = &release.manifest_digest else { return Ok(release) };
        let FoundManifest { manifest, above } =
            self.found(Descent::new(place, room), digest).await?;
        Ok(Release { notes: notes(&claims_of(&manifest, &above, None)), ..release })
    }

    /// Reads the README of a release. `None` if there is no README within the size limit.
    pub async fn readme(&self, place: &RepositoryRef, release: &Release) -> Result<Option<Readme>> {
        self.client.roomy(|room| self.readme_in(place, release, room)).await
    }

    async fn readme_in(
        &self,
        place: &RepositoryRef,
        release: &Release,
        room: MemoryBudget,
    ) -> Result<Option<Readme>> {
        let Some(digest) = &release.manifest_digest else { return Ok(None) };
        let FoundManifest { manifest, above } =
            self.found(Descent::new(place, room), digest).await?;
        match readme_of(&manifest, &above) {
            None => Ok(None),
            Some(ReadmeAt::Text(text)) => {
                let digest = Digest::sha256(text.as_bytes());
                Ok(Some(Readme::new(digest.to_string(), text.as_bytes())))
            }
            Some(ReadmeAt::Layer(layer)) => {
                let digest = digest_of(layer)?;
                let max = usize::try_from(README_MAX).unwrap_or(usize::MAX);
                let bytes = self.client.blob(&place.repository, &digest, max).await?;
                Ok(Some(Readme::new(digest.to_string(), &bytes)))
            }
        }
    }

    async fn found(&self, mut way: Descent<'_>, digest: &Digest) -> Result<FoundManifest> {
        let document = self.document(&mut way, digest).await?;
        self.descend(&mut way, document, 0).await
    }

    async fn release(&self, mut way: Descent<'_>, tag: &Tag, top: Manifest) -> Result<Reading> {
        let place = way.place;
        let FoundManifest { manifest, above } = self.descend(&mut way, top.document, 0).await?;
        let (config, mut faults) = match self.config(place, &manifest).await {
            Ok(config) => (config, Vec::new()),
            Err(error) if is_lasting(&error) => {
                (None, vec![ExtensionFault::unreadable_tag(tag, &error)])
            }
            Err(error) => return Err(error),
        };
        let claims = claims_of(&manifest, &above, config.as_ref());
        let mut about = claims.about();
        let registry = self.client.registry();
        about.repository.get_or_insert_with(|| registry.page(place.repository.as_str()).into());
        let release = Release::of_tag(place.backend, tag.clone());
        let version = release.version.as_str();
        let url = |digest: &Digest| {
            let path = format!("{}/blobs/{digest}", place.repository);
            Some(registry.endpoint(&path).into())
        };
        let mut artifact = choose_layer(&place.id, version, &manifest.layers, url)?;
        // Some tools set no useful media type or title; only then are the leading bytes worth a
        // request.
        if let (ArtifactChoice::Nothing, Some(layer)) = (&artifact, untold_layer(&manifest)) {
            let head = self.head_of(place, layer).await?;
            artifact = choose_by_bytes(&place.id, version, layer, &head, url)?;
        }
        if !artifact.is_usable() {
            faults.push(ExtensionFault::unusable_tag(tag, lack_of_archive(&manifest)));
        }
        let release = Release {
            published_at: claims.published_at(Timestamp::now()),
            about: Arc::new(about),
            artifact,
            assets: files(&manifest.layers, url),
            manifest_digest: Some(top.digest),
            ..release
        };
        Ok(Reading { release, faults })
    }

    /// Reads the leading bytes of a layer. Empty if the layer is missing or unreadable.
    async fn head_of(&self, place: &RepositoryRef, layer: &Descriptor) -> Result<Bytes> {
        let (digest, part) = (digest_of(layer)?, 0..layer.size.min(HEAD_MAX));
        let read = async {
            let client = &self.client;
            client
                .open_blob(&place.repository, &digest, layer.size, Some(part))
                .await?
                .collect()
                .await
        };
        match read.await {
            Err(error) if is_lasting(&error) => Ok(Bytes::new()),
            read => read,
        }
    }

    /// Finds the first manifest with an archive, or else the first readable one.
    async fn descend(
        &self,
        way: &mut Descent<'_>,
        document: Document,
        depth: usize,
    ) -> Result<FoundManifest> {
        if !document.is_index() {
            return Ok(FoundManifest { manifest: document, above: Vec::new() });
        }
        if depth >= INDEX_DEPTH_MAX {
            let message = format!("More than {INDEX_DEPTH_MAX} indexes lie in each other");
            return Err(Error::faulty(message));
        }
        let mut failure = Error::faulty("The index leads to no manifest that can be read");
        let mut without = None;
        for child in children(&document) {
            let found = async {
                let inner = self.document(way, &digest_of(child)?).await?;
                Box::pin(self.descend(way, inner, depth + 1)).await
            };
            match found.await {
                Ok(mut found) => {
                    found.above.push(child.annotations.clone());
                    found.above.push(document.annotations.clone());
                    // The first entry may be for another purpose, such as an attestation without a
                    // mark.
                    if has_archive(&found.manifest) {
                        return Ok(found);
                    }
                    without.get_or_insert(found);
                }
                Err(error) if is_lasting(&error) && way.left > 0 => {
                    failure = failure.because(error)
                }
                // A missing part is not the absence of the whole.
                Err(error) if error.is_not_found() => return Err(failure.because(error)),
                Err(error) => return Err(error),
            }
        }
        without.ok_or(failure)
    }

    async fn document(&self, way: &mut Descent<'_>, digest: &Digest) -> Result<Document> {
        let left = way.left.checked_sub(1);
        way.left = left.ok_or_else(|| Error::faulty("Too many documents lead to a manifest"))?;
        if let Some(bytes) = self.remembered_content(digest) {
            // Cached documents need no I/O; the yield keeps a long chain from blocking the thread.
            yield_now().await;
            return Ok(Manifest::read(digest.clone(), bytes, way.room)?.document);
        }
        let (repository, reference) = (&way.place.repository, Reference::Digest(digest));
        let manifest = self.client.manifest(repository, reference, way.room).await?;
        self.remember(digest, &manifest.bytes);
        Ok(manifest.document)
    }

    fn remembered_content(&self, digest: &Digest) -> Option<Bytes> {
        self.contents.lock().get(digest).cloned()
    }

    fn remember(&self, digest: &Digest, content: &Bytes) {
        if content.len() <= CONTENT_MAX {
            let weight = content.len() + CONTENT_COST;
            self.contents.lock().put(digest.clone(), weight as u64, content.clone());
        }
    }

    async fn config(
        &self,
        place: &RepositoryRef,
        manifest: &Document,
    ) -> Result<Option<ConfigBlob>> {
        let Some(config) = &manifest.config else {
            return Ok(None);
        };
        // Two bytes are `{}`.
        if config.media_type == EMPTY || config.size > CONFIG_MAX || config.size <= 2 {
            return Ok(None);
        }
        let digest = digest_of(config)?;
        let bytes = match self.remembered_content(&digest) {
            Some(bytes) => bytes,
            None => self.read_config(place, digest).await?,
        };
        Ok(object(&bytes, MemoryBudget::Little).ok())
    }

    async fn read_config(&self, place: &RepositoryRef, digest: Digest) -> Result<Bytes> {
        let max = usize::try_from(CONFIG_MAX).unwrap_or(usize::MAX);
        let bytes = self.client.blob(&place.repository, &digest, max).await?;
        self.remember(&digest, &bytes);
        Ok(bytes)
    }
}

fn claims_of<'a>(
    manifest: &'a Document,
    above: &'a [Annotations],
    config: Option<&'a ConfigBlob>,
) -> Claims<'a> {
    let annotations = std::iter::once(&manifest.annotations).chain(above).collect();
    Claims { annotations, config }
}

fn digest_of(descriptor: &Descriptor) -> Result<Digest> {
    let parsed = descriptor.digest.parse();
    parsed.map_err(|error| Error::faulty("A descriptor has no digest").because(error))
}

/// Returns a reading without content for a release that is unreadable.
#[must_use]
pub fn broken(backend: BackendId, tag: &Tag, error: &Error) -> Reading {
    let release = Release::of_tag(backend, tag.clone());
    Reading { release, faults: vec![ExtensionFault::unreadable_tag(tag, error.report())] }
}

/// Returns true if the error lies in the content, so that a retry would have the same result.
#[must_use]
pub fn is_lasting(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BackendFaulty) && !error.is_oversized()
}
