//! An in-memory backend: the reference for the conformance tests, and a fixture for others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::RwLock;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::backend::download::Download;
use registry_core::backend::{Backend, Listing, no_readme};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::digest::Digest;
use registry_core::models::extension::{About, Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::notes::release_notes;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;

use crate::ids::{about, id, tag};

/// Extensions in memory, with the full contract of [`Backend`].
pub struct MemoryBackend {
    id: BackendId,
    extensions: RwLock<BTreeMap<ExtensionId, StoredRepository>>,
    /// All changes in order; a cursor is a length of this list.
    history: RwLock<Vec<ExtensionId>>,
}

/// Releases and READMEs of one extension by tag, and archives by key.
struct StoredRepository {
    id: ExtensionId,
    releases: BTreeMap<Tag, Release>,
    archives: BTreeMap<ArtifactKey, Bytes>,
    readmes: BTreeMap<Tag, String>,
}

impl MemoryBackend {
    /// Creates an empty backend of this kind.
    #[must_use]
    pub fn new(id: BackendId) -> Self {
        Self { id, extensions: RwLock::default(), history: RwLock::default() }
    }

    /// Publishes a release, or replaces the one with this tag.
    pub fn publish(&self, id: &ExtensionId, tag: Tag, about: About, archive: impl Into<Bytes>) {
        let archive = archive.into();
        let digest = Digest::sha256(&archive);
        let key = ArtifactKey::new(digest.to_string());
        let file = Arc::new(Artifact {
            key: key.clone(),
            file_name: format!("{}.tar.gz", id.name).into(),
            size: archive.len() as u64,
            digest: Some(digest.clone()),
            url: None,
        });
        let release = Release {
            assets: [Arc::clone(&file)].into(),
            artifact: ArtifactChoice::Chosen(file),
            manifest_digest: Some(digest),
            about: Arc::new(about),
            ..Release::of_tag(self.id, tag.clone())
        };
        self.put(id, tag, release, key, archive);
    }

    /// Sets the notes of a published release.
    pub fn write_notes(&self, id: &ExtensionId, tag: &Tag, text: &str) {
        let mut extensions = self.extensions.write();
        let release = extensions.get_mut(id).and_then(|known| known.releases.get_mut(tag));
        if let Some(release) = release {
            release.notes = release_notes(text);
        }
    }

    /// Sets the time at which a release was published.
    pub fn date(&self, id: &ExtensionId, tag: &Tag, published_at: Option<Timestamp>) {
        let mut extensions = self.extensions.write();
        let release = extensions.get_mut(id).and_then(|known| known.releases.get_mut(tag));
        if let Some(release) = release {
            release.published_at = published_at;
        }
    }

    /// Sets the README of a tag.
    pub fn write_readme(&self, id: &ExtensionId, tag: Tag, text: impl Into<String>) {
        if let Some(repository) = self.extensions.write().get_mut(id) {
            repository.readmes.insert(tag, text.into());
        }
    }

    /// Creates an extension without releases, like an empty repository.
    pub fn create(&self, id: &ExtensionId) {
        self.extensions.write().entry(id.clone()).or_insert_with(|| StoredRepository::empty(id));
        self.history.write().push(id.clone());
    }

    /// Removes an extension with all its releases.
    pub fn remove(&self, id: &ExtensionId) {
        self.extensions.write().remove(id);
        self.history.write().push(id.clone());
    }

    fn put(&self, id: &ExtensionId, tag: Tag, release: Release, key: ArtifactKey, archive: Bytes) {
        let mut extensions = self.extensions.write();
        let repository =
            extensions.entry(id.clone()).or_insert_with(|| StoredRepository::empty(id));
        repository.releases.insert(tag, release);
        repository.archives.insert(key, archive);
        self.history.write().push(id.clone());
    }

    fn with<T>(
        &self,
        id: &ExtensionId,
        read: impl FnOnce(&StoredRepository) -> Result<T>,
    ) -> Result<T> {
        let extensions = self.extensions.read();
        let repository = extensions.get(id);
        repository.map_or_else(|| Err(Error::not_found(format!("Extension {id} not found"))), read)
    }
}

impl StoredRepository {
    fn empty(id: &ExtensionId) -> Self {
        Self {
            id: id.clone(),
            releases: BTreeMap::new(),
            archives: BTreeMap::new(),
            readmes: BTreeMap::new(),
        }
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn id(&self) -> BackendId {
        self.id
    }

    async fn listing(&self) -> Result<Listing> {
        let ids = self.extensions.read().values().map(|repository| repository.id.clone()).collect();
        Ok(Listing { ids, coverage: Coverage::Complete, faults: Vec::new() })
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.with(id, |repository| {
            let releases = repository.releases.values().cloned().collect();
            Ok(Extension::new(repository.id.clone(), releases))
        })
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        self.with(id, |repository| {
            let release = repository.releases.get(tag).cloned();
            release.ok_or_else(|| Error::not_found(format!("Extension {id} has no tag {tag}")))
        })
    }

    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        self.with(id, |repository| {
            let archive = repository.archives.get(&artifact.key).cloned();
            let archive = archive
                .ok_or_else(|| Error::not_found(format!("Extension {id} has no such artifact")))?;
            part_of(&archive, range).map(Download::from_bytes)
        })
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        self.with(id, |repository| {
            let text =
                repository.readmes.get(&release.tag).ok_or_else(|| no_readme(id, release))?;
            Ok(Readme::new(Digest::sha256(text.as_bytes()).to_string(), text.as_bytes()))
        })
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        let history = self.history.read();
        let cursor = ChangeCursor::new(history.len().to_string());
        let from = since.map_or(Some(history.len()), |cursor| cursor.as_str().parse().ok());
        // A cursor from another process may lie beyond this history; the caller then lists
        // everything.
        let Some(new) = from.and_then(|from| history.get(from..)) else {
            return Ok(Changes::CannotTell);
        };
        let dirty: BTreeSet<ExtensionId> = new.iter().cloned().collect();
        Ok(Changes::These { dirty: dirty.into_iter().collect(), cursor, listed: None })
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}

fn part_of(archive: &Bytes, range: Option<Range<u64>>) -> Result<Bytes> {
    let Some(range) = range else {
        return Ok(archive.clone());
    };
    let size = archive.len() as u64;
    match (usize::try_from(range.start), usize::try_from(range.end)) {
        (Ok(start), Ok(end)) if start < end && end <= archive.len() => {
            Ok(archive.slice(start..end))
        }
        _ => Err(Error::new(ErrorKind::RangeNotSatisfiable { size }, "Range outside the artifact")),
    }
}

/// A backend in memory with these releases, each `{type}/{name}:{tag}`; an archive's bytes are
/// its own name at its source.
pub fn memory(source: BackendId, releases: &[&str]) -> Arc<MemoryBackend> {
    let backend = MemoryBackend::new(source);
    for release in releases {
        let (name, version) = release.split_once(':').unwrap();
        let archive = format!("{release}@{source}");
        backend.publish(&id(name), tag(version), about(&format!("The {name}"), &[]), archive);
    }
    Arc::new(backend)
}
