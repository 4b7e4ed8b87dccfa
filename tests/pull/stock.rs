//! A backend in memory that counts what it is asked for: releases whose digests it does not tell, files
//! beside archives, and stored manifests and blobs.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::backend::download::Download;
use registry_core::backend::oci_content::{OciContent, Reference, StoredManifest};
use registry_core::backend::{Backend, Listing};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::{Artifact, ArtifactChoice, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;
use registry_testing::memory::{MemoryBackend, memory};
use tokio::sync::Semaphore;

/// A stored object: bytes and media type.
pub type Object = (Bytes, String);

/// The backend.
pub struct Stock {
    pub inner: Arc<MemoryBackend>,
    /// Archives have no digest before they are read.
    pub hides_digests: bool,
    /// Name of the files as this text before the name of the archive.
    pub prefix: String,
    /// Every question fails while set.
    pub down: AtomicBool,
    /// Archives wait for a permit, if there are any to wait for.
    pub gate: Option<Semaphore>,
    /// Files beside the archive of each tag: name and bytes.
    pub beside: Mutex<HashMap<String, Vec<(String, Bytes)>>>,
    /// Names of archives, if none can be chosen.
    pub ambiguous: Mutex<Vec<String>>,
    /// Manifests that publishers stored; `Err` for one that cannot be read.
    pub published: Mutex<HashMap<String, Result<Bytes>>>,
    /// Stored objects by digest or tag; `None` if it stores no manifests.
    pub objects: Option<Mutex<HashMap<String, Object>>>,
    /// Lists of referrers by digest.
    pub referring: Mutex<HashMap<String, Bytes>>,
    pub opens: AtomicUsize,
    pub versions: AtomicUsize,
    pub published_reads: AtomicUsize,
    pub manifest_reads: AtomicUsize,
    pub blob_reads: AtomicUsize,
    pub referrer_reads: AtomicUsize,
}

impl Stock {
    /// Returns a backend of releases without manifests, whose digests are not told.
    pub fn of_releases(source: BackendId, releases: &[&str]) -> Self {
        Self {
            inner: memory(source, releases),
            hides_digests: true,
            prefix: String::new(),
            down: AtomicBool::new(false),
            gate: None,
            beside: Mutex::default(),
            ambiguous: Mutex::default(),
            published: Mutex::default(),
            objects: None,
            referring: Mutex::default(),
            opens: AtomicUsize::new(0),
            versions: AtomicUsize::new(0),
            published_reads: AtomicUsize::new(0),
            manifest_reads: AtomicUsize::new(0),
            blob_reads: AtomicUsize::new(0),
            referrer_reads: AtomicUsize::new(0),
        }
    }

    /// Returns a backend that stores manifests.
    pub fn of_manifests(source: BackendId, releases: &[&str]) -> Self {
        let objects = Some(Mutex::default());
        Self { objects, hides_digests: false, ..Self::of_releases(source, releases) }
    }

    /// Stores a manifest under its digest, and under a tag.
    pub fn store(&self, tag: &str, bytes: impl Into<Bytes>, media_type: &str) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::sha256(&bytes);
        let object = (bytes, media_type.to_owned());
        let mut objects = self.objects.as_ref().unwrap().lock();
        objects.insert(tag.to_owned(), object.clone());
        objects.insert(digest.to_string(), object);
        digest
    }

    /// Stores a blob.
    pub fn store_blob(&self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::sha256(&bytes);
        let mut objects = self.objects.as_ref().unwrap().lock();
        objects.insert(digest.to_string(), (bytes, String::new()));
        digest
    }

    /// Puts a file beside the archive of a tag.
    pub fn put_beside(&self, tag: &str, name: &str, bytes: impl Into<Bytes>) {
        let file = (name.to_owned(), bytes.into());
        self.beside.lock().entry(tag.to_owned()).or_default().push(file);
    }

    pub fn fail(&self, fails: bool) {
        self.down.store(fails, Ordering::SeqCst);
    }

    fn asked(&self, counter: &AtomicUsize) -> Result<()> {
        counter.fetch_add(1, Ordering::SeqCst);
        self.reached()
    }

    fn reached(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Error::unavailable("connection refused", Duration::from_secs(1)));
        }
        Ok(())
    }

    fn amended(&self, mut release: Release) -> Release {
        let Some(archive) = release.artifact.chosen().cloned() else { return release };
        let mut archive = Artifact::clone(&archive);
        archive.file_name = format!("{}{}", self.prefix, archive.file_name).into();
        if self.hides_digests {
            archive.digest = None;
            release.manifest_digest = None;
        }
        let archive = Arc::new(archive);
        let mut assets = vec![Arc::clone(&archive)];
        for (name, bytes) in self.beside.lock().get(release.tag.as_str()).into_iter().flatten() {
            let key = format!("{}/{}", Digest::sha256(bytes), name);
            assets.push(Arc::new(Artifact {
                key: ArtifactKey::new(key),
                file_name: name.as_str().into(),
                size: bytes.len() as u64,
                digest: None,
                url: None,
            }));
        }
        if let Some(objects) = &self.objects {
            let objects = objects.lock();
            let stored = objects.get(release.tag.as_str());
            release.manifest_digest = stored.map(|(bytes, _)| Digest::sha256(bytes));
        }
        let ambiguous = self.ambiguous.lock().clone();
        let artifact = if ambiguous.is_empty() {
            ArtifactChoice::Chosen(archive)
        } else {
            ArtifactChoice::Ambiguous(ambiguous)
        };
        Release { artifact, assets: assets.into(), ..release }
    }
}

#[async_trait]
impl Backend for Stock {
    fn id(&self) -> BackendId {
        self.inner.id()
    }

    async fn listing(&self) -> Result<Listing> {
        self.reached()?;
        self.inner.listing().await
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.reached()?;
        let found = self.inner.extension(id).await?;
        let releases = found.all_releases().map(|one| self.amended(Release::clone(one)));
        Ok(Extension::new(found.id().clone(), releases.collect()))
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        self.asked(&self.versions)?;
        Ok(self.amended(self.inner.version(id, tag).await?))
    }

    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        self.asked(&self.opens)?;
        let beside = self.beside.lock().values().flatten().find_map(|(name, bytes)| {
            let key = format!("{}/{}", Digest::sha256(bytes), name);
            (key == artifact.key.as_str()).then(|| bytes.clone())
        });
        if let Some(bytes) = beside {
            return Ok(Download::from_bytes(bytes));
        }
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.inner.open(id, artifact, range).await
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        self.inner.readme(id, release).await
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        self.reached()?;
        self.inner.changes(since).await
    }

    async fn probe(&self) -> Result<()> {
        self.reached()
    }

    async fn published_manifest(
        &self,
        _: &ExtensionId,
        release: &Release,
    ) -> Result<Option<StoredManifest>> {
        self.asked(&self.published_reads)?;
        let published = self.published.lock().get(release.tag.as_str()).cloned();
        let Some(bytes) = published.transpose()? else { return Ok(None) };
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        Ok(Some(StoredManifest { digest: Digest::sha256(&bytes), bytes, media_type }))
    }

    fn oci_content(&self) -> Option<&dyn OciContent> {
        self.objects.is_some().then_some(self)
    }
}

#[async_trait]
impl OciContent for Stock {
    async fn manifest(&self, id: &ExtensionId, reference: &Reference) -> Result<StoredManifest> {
        self.asked(&self.manifest_reads)?;
        let object = self.objects.as_ref().unwrap().lock().get(&reference.to_string()).cloned();
        let missing = || Error::not_found(format!("{id} has no manifest {reference}"));
        let (bytes, media_type) = object.ok_or_else(missing)?;
        Ok(StoredManifest { digest: Digest::sha256(&bytes), bytes, media_type })
    }

    async fn blob(
        &self,
        id: &ExtensionId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        self.asked(&self.blob_reads)?;
        let object = self.objects.as_ref().unwrap().lock().get(&digest.to_string()).cloned();
        let missing = || Error::not_found(format!("{id} has no blob {digest}"));
        let (bytes, _) = object.ok_or_else(missing)?;
        let size = bytes.len() as u64;
        let whole = 0..size;
        let Range { start, end } = range.unwrap_or(whole);
        if start >= end || end > size {
            let kind = ErrorKind::RangeNotSatisfiable { size };
            return Err(Error::new(kind, "Range outside the blob"));
        }
        let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap());
        Ok(Download::from_bytes(bytes.slice(start..end)))
    }

    async fn referrers(&self, _: &ExtensionId, subject: &Digest) -> Result<StoredManifest> {
        self.asked(&self.referrer_reads)?;
        let index = self.referring.lock().get(&subject.to_string()).cloned();
        let bytes = index.unwrap_or_else(|| Bytes::from_static(br#"{"manifests":[]}"#));
        let media_type = "application/vnd.oci.image.index.v1+json".to_owned();
        Ok(StoredManifest { digest: Digest::sha256(&bytes), bytes, media_type })
    }
}
