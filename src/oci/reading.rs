//! From a tag of a registry to a release: manifest, the indexes above it, config blob.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use lru::LruCache;
use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::models::digest::Digest;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;
use crate::models::readme::{README_MAX, Readme};
use crate::models::source::Source;
use crate::models::tag::Tag;
use crate::oci::artifact::{CONFIG_MAX, Claims, INDEX_DEPTH_MAX, children, choose_layer, files};
use crate::oci::client::{Client, Manifest, Reference};
use crate::oci::contents::Contents;
use crate::oci::documents::{ReadmeAt, notes, readme_of};
use crate::oci::models::{Annotations, ConfigBlob, Descriptor, Document, EMPTY, from_object};
use crate::oci::repository::Repository;

/// Releases remembered by tag.
const READINGS_MAX: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();
/// Bytes of manifests and config blobs remembered by digest.
const CONTENTS_MAX: usize = 32 * 1024 * 1024;

/// An extension and where the registry keeps it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The extension, spelled as its repository is.
    pub id: ExtensionId,
    /// Its repository.
    pub repository: Repository,
}

/// A release as it was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The release.
    pub release: Release,
    /// What could not be read of it.
    pub faults: Vec<String>,
}

/// What was last read of each tag, with the digest it then stood for; a reading that failed has
/// none, so that the next one begins anew.
type Readings = LruCache<(Repository, Tag), (Option<Digest>, Reading)>;

/// Reads releases, and what it once read by digest never again.
pub struct Reader {
    client: Client,
    contents: Contents,
    readings: Mutex<Readings>,
}

/// A manifest and what the indexes on the way to it say of it, nearest first.
struct Found {
    manifest: Document,
    above: Vec<Annotations>,
}

impl Reader {
    /// A reader that remembers nothing yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let readings = Mutex::new(LruCache::new(READINGS_MAX));
        Self { client, contents: Contents::new(CONTENTS_MAX), readings }
    }

    /// What was last read of a tag, without asking whether it still stands for the same.
    #[must_use]
    pub fn remembered(&self, place: &Place, tag: &Tag) -> Option<Reading> {
        let key = (place.repository.clone(), tag.clone());
        self.readings.lock().get(&key).map(|(_, reading)| reading.clone())
    }

    /// The release of a tag: one request where it was never read, a `HEAD` where it was and still
    /// is the same.
    ///
    /// # Errors
    /// `NotFound` for an unknown tag, `BackendFaulty` for what is no manifest or leads to none,
    /// and what sending can bring.
    pub async fn read(&self, place: &Place, tag: &Tag) -> Result<Reading> {
        let key = (place.repository.clone(), tag.clone());
        let known = self.readings.lock().get(&key).cloned();
        if let Some((Some(digest), reading)) = known
            && self.client.digest_of(&place.repository, tag).await? == Some(digest)
        {
            return Ok(reading);
        }
        let outcome = self.read_anew(place, tag).await;
        let kept = match &outcome {
            Ok(reading) => (reading.release.manifest_digest.clone(), reading.clone()),
            Err(error) if is_lasting(error) => (None, broken(tag, error)),
            Err(_) => return outcome,
        };
        self.readings.lock().put(key, kept);
        outcome
    }

    async fn read_anew(&self, place: &Place, tag: &Tag) -> Result<Reading> {
        let reference = Reference::Tag(tag);
        let manifest =
            self.client.manifest(&place.repository, reference).await.map_err(|error| {
                let missing =
                    || Error::not_found(format!("Extension {} has no tag {tag}", place.id));
                if error.is_not_found() { missing().because(error) } else { error }
            })?;
        self.contents.keep(manifest.digest.clone(), manifest.bytes.clone());
        self.release(place, tag, &manifest).await
    }

    /// The digest that a tag stands for, where the registry tells it without a manifest.
    ///
    /// # Errors
    /// What sending can bring.
    pub async fn digest_of(&self, place: &Place, tag: &Tag) -> Result<Option<Digest>> {
        self.client.digest_of(&place.repository, tag).await
    }

    /// The same with its notes, which no [`Reading`] holds: those are remembered by the thousand.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub async fn version(&self, place: &Place, tag: &Tag) -> Result<Release> {
        let release = self.read(place, tag).await?.release;
        let Some(digest) = &release.manifest_digest else { return Ok(release) };
        let Found { manifest, above } = self.found(place, digest).await?;
        Ok(Release { notes: notes(&claims_of(&manifest, &above, None)), ..release })
    }

    /// The README of a release that was read; `None` if it has none of a size that is served.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub async fn readme(&self, place: &Place, release: &Release) -> Result<Option<Readme>> {
        let Some(digest) = &release.manifest_digest else { return Ok(None) };
        let Found { manifest, above } = self.found(place, digest).await?;
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

    /// The manifest that a digest leads to.
    async fn found(&self, place: &Place, digest: &Digest) -> Result<Found> {
        let document = self.document(place, digest).await?;
        self.descend(place, document, 0).await
    }

    async fn release(&self, place: &Place, tag: &Tag, top: &Manifest) -> Result<Reading> {
        let Found { manifest, above } = self.descend(place, top.document()?, 0).await?;
        let (config, faults) = match self.config(place, &manifest).await {
            Ok(config) => (config, Vec::new()),
            Err(error) if is_lasting(&error) => (None, vec![format!("tag {tag}: {error}")]),
            Err(error) => return Err(error),
        };
        let claims = claims_of(&manifest, &above, config.as_ref());
        let mut about = claims.about();
        let registry = self.client.registry();
        about.repository.get_or_insert_with(|| registry.page(place.repository.as_str()).into());
        let release = Release::of_tag(Source::Oci, tag.clone());
        let version = release.version.as_str();
        let url = |digest: &Digest| {
            let path = format!("{}/blobs/{digest}", place.repository);
            Some(registry.endpoint(&path).into())
        };
        let artifact = choose_layer(&place.id, version, &manifest.layers, url)
            .map_err(|error| Error::faulty("A layer has no digest").because(error))?;
        let release = Release {
            published_at: claims.published_at(Timestamp::now()),
            about: Arc::new(about),
            artifact,
            assets: files(&manifest.layers, url),
            manifest_digest: Some(top.digest.clone()),
            ..release
        };
        Ok(Reading { release, faults })
    }

    /// Descends from an index to a manifest: the first of its children that can be read.
    async fn descend(&self, place: &Place, document: Document, depth: usize) -> Result<Found> {
        if !document.is_index() {
            return Ok(Found { manifest: document, above: Vec::new() });
        }
        if depth >= INDEX_DEPTH_MAX {
            let message = format!("More than {INDEX_DEPTH_MAX} indexes lie in each other");
            return Err(Error::faulty(message));
        }
        let mut failure = Error::faulty("The index leads to no manifest that can be read");
        for child in children(&document) {
            let found = async {
                let inner = self.document(place, &digest_of(child)?).await?;
                Box::pin(self.descend(place, inner, depth + 1)).await
            };
            match found.await {
                Ok(mut found) => {
                    found.above.push(child.annotations.clone());
                    found.above.push(document.annotations.clone());
                    return Ok(found);
                }
                Err(error) if is_lasting(&error) => failure = failure.because(error),
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    async fn document(&self, place: &Place, digest: &Digest) -> Result<Document> {
        let digest = digest.clone();
        let bytes = match self.contents.get(&digest) {
            Some(bytes) => bytes,
            None => {
                let reference = Reference::Digest(&digest);
                let manifest = self.client.manifest(&place.repository, reference).await?;
                self.contents.keep(digest.clone(), manifest.bytes.clone());
                manifest.bytes
            }
        };
        Manifest { digest, bytes }.document()
    }

    /// The config blob, if it can describe anything.
    async fn config(&self, place: &Place, manifest: &Document) -> Result<Option<ConfigBlob>> {
        let Some(config) = &manifest.config else {
            return Ok(None);
        };
        if config.media_type == EMPTY || config.size > CONFIG_MAX || config.size <= 2 {
            return Ok(None);
        }
        let digest = digest_of(config)?;
        let bytes = match self.contents.get(&digest) {
            Some(bytes) => bytes,
            None => self.read_config(place, digest).await?,
        };
        Ok(from_object(&bytes).ok())
    }

    async fn read_config(&self, place: &Place, digest: Digest) -> Result<Bytes> {
        let max = usize::try_from(CONFIG_MAX).unwrap_or(usize::MAX);
        let bytes = self.client.blob(&place.repository, &digest, max).await?;
        self.contents.keep(digest, bytes.clone());
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

/// A release that cannot be read: it holds nothing, and says why.
#[must_use]
pub fn broken(tag: &Tag, error: &Error) -> Reading {
    let release = Release::of_tag(Source::Oci, tag.clone());
    Reading { release, faults: vec![format!("tag {tag}: {}", error.report())] }
}

/// Whether asking again would bring the same: what is wrong lies in the content.
#[must_use]
pub fn is_lasting(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::BackendFaulty)
}
