//! Conversion of a tag to a release, from its manifest, the indexes above and the config blob.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::error::{Error, Result};
use registry_core::models::artifact::ArtifactChoice;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::fault::ExtensionFault;
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::{README_MAX, Readme};
use registry_core::models::tag::Tag;

use crate::oci::artifact::{choose_by_bytes, choose_layer, files, lack_of_archive, untold_layer};
use crate::oci::claims::Claims;
use crate::oci::client::{Client, Manifest};
use crate::oci::contents::{ContentReader, digest_of};
use crate::oci::descent::{Descent, FoundManifest};
use crate::oci::documents::{ReadmeAt, notes, readme_of};
use crate::oci::failures::is_lasting;
use crate::oci::models::{Annotations, ConfigBlob, Document};
use crate::oci::repository::OciRepository;

/// Bounds of the cache of releases by tag. Most of their data is shared with the catalog.
const READINGS: LruBounds = LruBounds::new(64 * 1024, 64 * 1024 * 1024);

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
type ManifestReadings = BoundedLru<(OciRepository, Tag), (Option<Digest>, Reading)>;

/// Reader of releases. Each tag is read anew only if it has moved.
pub struct ManifestReader {
    contents: Arc<ContentReader>,
    readings: Mutex<ManifestReadings>,
}

impl ManifestReader {
    /// Creates a reader with empty caches.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let readings = Mutex::new(BoundedLru::new(READINGS));
        Self { contents: Arc::new(ContentReader::new(client)), readings }
    }

    /// Returns the reader of manifests, which shares its cache with this one.
    pub(super) fn contents(&self) -> Arc<ContentReader> {
        Arc::clone(&self.contents)
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
    pub async fn read(&self, place: &RepositoryRef, tag: &Tag) -> Result<Reading> {
        let key = (place.repository.clone(), tag.clone());
        let known = self.readings.lock().get(&key).cloned();
        if let Some((Some(digest), reading)) = known
            && self.digest_of(place, tag).await? == Some(digest)
        {
            return Ok(reading);
        }
        let outcome = self.read_anew(place, tag).await;
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

    async fn read_anew(&self, place: &RepositoryRef, tag: &Tag) -> Result<Reading> {
        let manifest = self.contents.tagged(&place.repository, tag).await;
        let manifest = manifest.map_err(|error| {
            let message = format!("Extension {} has no tag {tag}", place.id);
            if error.is_not_found() { Error::not_found(message).because(error) } else { error }
        })?;
        self.release(place, tag, manifest).await
    }

    /// Returns the digest of a tag if the registry reports it without the manifest.
    pub async fn digest_of(&self, place: &RepositoryRef, tag: &Tag) -> Result<Option<Digest>> {
        self.contents.client().manifests().digest_of(&place.repository, tag).await
    }

    /// Reads a release with its notes, which a [`Reading`] lacks: thousands are cached.
    pub async fn version(&self, place: &RepositoryRef, tag: &Tag) -> Result<Release> {
        let release = self.read(place, tag).await?.release;
        let Some(digest) = &release.manifest_digest else { return Ok(release) };
        let FoundManifest { manifest, above } = self.descent(place).find(digest).await?;
        Ok(Release { notes: notes(&claims_of(&manifest, &above, None)), ..release })
    }

    /// Reads the README of a release. `None` if there is no README within the size limit.
    pub async fn readme(&self, place: &RepositoryRef, release: &Release) -> Result<Option<Readme>> {
        let Some(digest) = &release.manifest_digest else { return Ok(None) };
        let FoundManifest { manifest, above } = self.descent(place).find(digest).await?;
        match readme_of(&manifest, &above) {
            None => Ok(None),
            Some(ReadmeAt::Text(text)) => {
                let digest = Digest::sha256(text.as_bytes());
                Ok(Some(Readme::new(digest.to_string(), text.as_bytes())))
            }
            Some(ReadmeAt::Layer(layer)) => {
                let digest = digest_of(layer)?;
                let max = usize::try_from(README_MAX).unwrap_or(usize::MAX);
                let bytes =
                    self.contents.client().blobs().read(&place.repository, &digest, max).await?;
                Ok(Some(Readme::new(digest.to_string(), &bytes)))
            }
        }
    }

    fn descent<'a>(&'a self, place: &'a RepositoryRef) -> Descent<'a> {
        Descent::new(&self.contents, &place.repository)
    }

    async fn release(&self, place: &RepositoryRef, tag: &Tag, top: Manifest) -> Result<Reading> {
        let FoundManifest { manifest, above } = self.descent(place).below(top.document).await?;
        let (config, mut faults) = match self.contents.config(&place.repository, &manifest).await {
            Ok(config) => (config, Vec::new()),
            Err(error) if is_lasting(&error) => {
                (None, vec![ExtensionFault::unreadable_tag(tag, &error)])
            }
            Err(error) => return Err(error),
        };
        let claims = claims_of(&manifest, &above, config.as_ref());
        let mut about = claims.about();
        let registry = self.contents.client().registry();
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
            let head = self.contents.head_of(&place.repository, layer).await?;
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
}

fn claims_of<'a>(
    manifest: &'a Document,
    above: &'a [Annotations],
    config: Option<&'a ConfigBlob>,
) -> Claims<'a> {
    let annotations = std::iter::once(&manifest.annotations).chain(above).collect();
    Claims { annotations, config }
}

/// Returns a reading without content for a release that is unreadable.
#[must_use]
pub fn broken(backend: BackendId, tag: &Tag, error: &Error) -> Reading {
    let release = Release::of_tag(backend, tag.clone());
    Reading { release, faults: vec![ExtensionFault::unreadable_tag(tag, error.report())] }
}
