//! Copies versions into layouts. A version appears in its layout when it is complete.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use registry_core::models::digest::{Algorithm, Digest};
use registry_core::models::oci_manifest::{EMPTY_CONFIG, MANIFEST_TYPE};
use registry_packing::layout::LayoutWriter;
use registry_public::paths::Target;
use tokio::task::spawn_blocking;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::Registry;
use crate::mirror::distribution_api::{DistributionApi, RawManifest};
use crate::mirror::made::DescribedVersion;
use crate::mirror::source::{TaggedManifest, VersionParts, WantedFile, WantedVersion};
use crate::mirror::stored::blob_path;
use crate::pull::existing::digest_of;
use crate::pull::fetch::{FetchedFile, fetch};
use crate::pull::item::Item;
use crate::pull::part::PartFile;
use crate::pull::progress::Progress;

/// Directory of downloads that are not complete, in that of the mirror. Servers of layouts ignore it.
const PARTS: &str = ".parts";

/// Copies versions into the layouts of one directory.
pub(crate) struct Copier<'a> {
    registry: &'a Registry,
    directory: PathBuf,
    api: Option<DistributionApi<'a>>,
    progress: &'a Progress,
    /// One lock for each file, so that versions that share one do not fetch it twice.
    fetching: Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
}

/// What was stored of a version.
#[derive(Clone, Debug)]
pub(crate) struct CopiedVersion {
    pub(crate) manifest: Digest,
    /// Digest of the archive, if the version has exactly one known.
    pub(crate) archive: Option<Digest>,
    /// Bytes of all files.
    pub(crate) size: u64,
}

impl<'a> Copier<'a> {
    /// Creates a copier. Without the distribution API, manifests are made of the metadata.
    pub(crate) fn new(
        registry: &'a Registry,
        directory: &Path,
        api: Option<DistributionApi<'a>>,
        progress: &'a Progress,
    ) -> Self {
        let directory = directory.to_owned();
        Self { registry, directory, api, progress, fetching: Mutex::default() }
    }

    /// Copies a version with everything that refers to it.
    pub(crate) async fn copy(&self, wanted: &WantedVersion, tag: &str) -> Result<CopiedVersion> {
        let layout = self.directory.join(wanted.layout());
        self.make_layout(&layout).await?;
        let Some(api) = &self.api else { return self.copy_described(wanted, tag, &layout).await };
        let parts = match VersionParts::read(api, wanted, tag).await {
            Ok(parts) => parts,
            // Names that are no repository, and manifests that the registry cannot make.
            Err(failure) if failure.kind() == FailureKind::NotFound => {
                return self.copy_described(wanted, tag, &layout).await;
            }
            Err(failure) => return Err(failure),
        };
        for file in &parts.files {
            self.store(wanted, file, &layout).await?;
        }
        let size = parts.files.iter().map(|file| file.size).sum();
        let manifest = parts.manifests.iter().find(|one| one.tag.is_some());
        let manifest = manifest.map(|one| one.manifest.digest.clone());
        self.list(&layout, parts.manifests).await?;
        let manifest =
            manifest.ok_or_else(|| ClientFailure::failed("a version has no manifest"))?;
        Ok(CopiedVersion { manifest, archive: wanted.digest.clone(), size })
    }

    /// Copies what refers to a version that is there.
    pub(crate) async fn copy_referrers(
        &self,
        wanted: &WantedVersion,
        manifest: &Digest,
    ) -> Result<()> {
        let Some(api) = &self.api else { return Ok(()) };
        let layout = self.directory.join(wanted.layout());
        let mut parts = VersionParts::default();
        parts.add_referrers(api, &wanted.layout(), manifest.clone()).await?;
        for file in &parts.files {
            self.store(wanted, file, &layout).await?;
        }
        if parts.manifests.is_empty() { Ok(()) } else { self.list(&layout, parts.manifests).await }
    }

    async fn copy_described(
        &self,
        wanted: &WantedVersion,
        tag: &str,
        layout: &Path,
    ) -> Result<CopiedVersion> {
        let described = DescribedVersion::read(self.registry, wanted).await?;
        let known = wanted.digest.clone().or_else(|| described.digest());
        let target = Target::release(&wanted.id.to_string(), &wanted.tag);
        let (digest, size) = match known {
            Some(digest)
                if digest.algorithm() == Algorithm::Sha256
                    && let Some(size) = described.size() =>
            {
                let file = WantedFile { digest: digest.clone(), size, target };
                self.store(wanted, &file, layout).await?;
                (digest, size)
            }
            known => {
                let mut fetched = self.fetch(wanted, target, known, None).await?;
                fetched.use_sha256().await?;
                let (digest, size) = (fetched.file.digest.clone(), fetched.file.size);
                self.keep(layout, &fetched).await?;
                (digest, size)
            }
        };
        let bytes = described.manifest(wanted, &digest, size)?;
        let readme = described.readme().map(|readme| readme.as_bytes().to_vec());
        self.keep_bytes(layout, readme).await?;
        let manifest = RawManifest {
            digest: Digest::sha256(&bytes),
            media_type: MANIFEST_TYPE.to_owned(),
            bytes,
        };
        let copied =
            CopiedVersion { manifest: manifest.digest.clone(), archive: Some(digest), size };
        let manifest = TaggedManifest { manifest, tag: Some(tag.to_owned()), is_root: true };
        self.list(layout, vec![manifest]).await?;
        Ok(copied)
    }

    /// Stores a file, unless it is there.
    async fn store(&self, wanted: &WantedVersion, file: &WantedFile, layout: &Path) -> Result<()> {
        if file.digest.matches(EMPTY_CONFIG) {
            return self.keep_bytes(layout, None).await;
        }
        if file.digest.algorithm() != Algorithm::Sha256 {
            let WantedVersion { id, version, .. } = wanted;
            let message = format!("{id} {version} has a file of {}", file.digest);
            return Err(ClientFailure::failed(message).hint("mirrors have sha256 alone"));
        }
        let path = blob_path(layout, &file.digest);
        let fetching = {
            let mut all = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(path.clone()).or_default())
        };
        let _one = fetching.lock().await;
        if std::fs::metadata(&path).is_ok_and(|found| found.len() == file.size) {
            return Ok(());
        }
        let (target, digest) = (file.target.clone(), Some(file.digest.clone()));
        let fetched = self.fetch(wanted, target, digest, Some(file.size)).await?;
        self.keep(layout, &fetched).await
    }

    /// Downloads a file, and goes on where an earlier run ended.
    async fn fetch(
        &self,
        wanted: &WantedVersion,
        target: Target,
        digest: Option<Digest>,
        size: Option<u64>,
    ) -> Result<FetchedPart> {
        let name = digest.as_ref().map_or_else(
            || format!("{}-{}", wanted.layout(), wanted.version.replace('/', "-")),
            |digest| digest.hex().to_owned(),
        );
        let item = Item {
            id: wanted.id.clone(),
            version: wanted.version.clone(),
            tag: wanted.tag.clone(),
            source: wanted.source.clone(),
            backend: wanted.backend.clone(),
            target,
            file: name,
            size,
            digest,
            replaces: None,
        };
        let parts = self.directory.join(PARTS);
        loop {
            let part = PartFile::open(&parts, &item.file, item.digest.as_ref())
                .map_err(|error| unwritten(&parts, &error))?;
            let progress = self.progress.file(&item.file, item.size);
            let fetched = fetch(self.registry, &item, &part, &progress).await;
            let file = fetched.inspect_err(|failure| {
                if failure.kind() == FailureKind::Integrity {
                    part.remove();
                }
            })?;
            match &item.digest {
                Some(expected) if *expected != file.digest => {
                    part.remove();
                    // The part of an earlier run may be damaged; a fresh one tells.
                    if !file.resumed {
                        return Err(wanted.mismatch(&file.digest.to_string(), expected));
                    }
                }
                _ => return Ok(FetchedPart { part, file }),
            }
        }
    }

    /// Makes an empty layout if it is missing, so that files can be added one by one.
    async fn make_layout(&self, layout: &Path) -> Result<()> {
        let parts = self.directory.join(PARTS);
        std::fs::create_dir_all(&parts).map_err(|error| unwritten(&parts, &error))?;
        if layout.join("index.json").exists() {
            return Ok(());
        }
        change_layout(layout, |_| Ok(())).await
    }

    /// Moves a downloaded file into a layout.
    async fn keep(&self, layout: &Path, fetched: &FetchedPart) -> Result<()> {
        let (path, digest) = (fetched.part.path.clone(), fetched.file.digest.clone());
        add_files(layout, move |writer| writer.blob_from(&digest, File::open(path)?)).await?;
        fetched.part.remove();
        Ok(())
    }

    /// Stores the empty configuration, and perhaps a README.
    async fn keep_bytes(&self, layout: &Path, readme: Option<Vec<u8>>) -> Result<()> {
        add_files(layout, move |writer| {
            writer.blob(EMPTY_CONFIG)?;
            readme.map_or(Ok(()), |readme| writer.blob(&readme).map(|_| ()))
        })
        .await
    }

    /// Lists manifests in a layout, whose files are there.
    async fn list(&self, layout: &Path, manifests: Vec<TaggedManifest>) -> Result<()> {
        change_layout(layout, move |writer| {
            for TaggedManifest { manifest, tag, is_root } in manifests {
                writer.blob(&manifest.bytes)?;
                if is_root {
                    let descriptor = serde_json::json!({
                        "mediaType": manifest.media_type,
                        "digest": manifest.digest.to_string(),
                        "size": manifest.bytes.len(),
                    });
                    writer.put(descriptor, tag.as_deref());
                }
            }
            Ok(())
        })
        .await
    }
}

/// Changes a layout under its lock. Readers see it as it was, or as it is then.
pub(crate) async fn change_layout(
    layout: &Path,
    change: impl FnOnce(&mut LayoutWriter) -> io::Result<()> + Send + 'static,
) -> Result<()> {
    blocking(layout, move |directory| {
        let mut writer = LayoutWriter::open(directory)?;
        change(&mut writer)?;
        writer.finish()
    })
    .await
}

/// Adds files to a layout that is there. Nothing refers to them yet.
async fn add_files(
    layout: &Path,
    add: impl FnOnce(&LayoutWriter) -> io::Result<()> + Send + 'static,
) -> Result<()> {
    // Without a new index, which servers of the layout would read again for nothing.
    blocking(layout, move |directory| add(&LayoutWriter::open(directory)?)).await
}

async fn blocking(
    layout: &Path,
    write: impl FnOnce(PathBuf) -> io::Result<()> + Send + 'static,
) -> Result<()> {
    let directory = layout.to_owned();
    let written = spawn_blocking(move || write(directory)).await;
    let written = written.map_err(io::Error::other).and_then(|written| written);
    written.map_err(|error| unwritten(layout, &error))
}

struct FetchedPart {
    part: PartFile,
    file: FetchedFile,
}

impl FetchedPart {
    /// Computes the digest that layouts use, if the file was verified by another one.
    async fn use_sha256(&mut self) -> Result<()> {
        if self.file.digest.algorithm() == Algorithm::Sha256 {
            return Ok(());
        }
        let path = self.part.path.clone();
        let hashed = spawn_blocking(move || digest_of(&mut File::open(path)?, Algorithm::Sha256));
        let hashed = hashed.await.map_err(io::Error::other).and_then(|hashed| hashed);
        self.file.digest = hashed.map_err(|error| unwritten(&self.part.path, &error))?;
        Ok(())
    }
}

fn unwritten(path: &Path, error: &io::Error) -> ClientFailure {
    let message = format!("{} cannot be written: {error}", path.display());
    if error.kind() == io::ErrorKind::InvalidData {
        return ClientFailure::new(FailureKind::Conflict, message)
            .hint("choose a directory of image layouts, or a new one");
    }
    ClientFailure::failed(message).hint("run it again: it goes on where it ended")
}
