//! Reads the manifests that publishers store among the files of releases, each once.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::digest::Digest;
use registry_core::models::extension::{FileFault, Release};
use registry_core::models::fault::{ExtensionFault, FaultSubject};

use crate::gitea::checksums::{StatedDigest, fault, stated_digest};
use crate::gitea::client::GiteaClient;
use crate::gitea::download;
use crate::gitea::published::{PublishedManifest, manifest_file};

/// Maximum size of a manifest, in bytes.
const SIZE_MAX: u64 = 64 * 1024;
/// Bounds of the cached manifests.
const MANIFESTS: LruBounds = LruBounds::new(64 * 1024, 16 * 1024 * 1024);
/// Approximate memory of a cached entry beside the manifest, in bytes.
const ENTRY_COST: usize = 256;
/// `Retry-After` for a manifest that cannot be read now.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A manifest, or the reason why the file is not one, after the file's name.
type Parsed = Result<Arc<PublishedManifest>, Box<str>>;

/// Content of a file of Gitea, which never changes under one uuid.
#[derive(Clone)]
struct CachedFile {
    parsed: Parsed,
    /// Archive that was compared with it and its checksum, and whether they agree.
    compared: Option<(ArtifactKey, bool)>,
}

/// Reader of published manifests. What it says of a release follows from the release's files alone, so
/// that every process at any time comes to the same result.
pub(super) struct PublishedReader {
    client: Arc<GiteaClient>,
    files: Arc<Mutex<BoundedLru<ArtifactKey, CachedFile>>>,
    reads: SingleFlight<ArtifactKey, Parsed>,
}

/// Result of looking for the manifest of a release.
pub(super) enum PublishedReading {
    /// There is no such file.
    Absent,
    Valid(Arc<PublishedManifest>),
    Invalid(FileFault),
}

impl PublishedReader {
    pub(super) fn new(client: Arc<GiteaClient>) -> Self {
        let files = Arc::new(Mutex::new(BoundedLru::new(MANIFESTS)));
        Self { client, files, reads: SingleFlight::default() }
    }

    /// Returns the manifest of a release. An error means that the release may have one.
    pub(super) async fn of(&self, release: &Release) -> Result<PublishedReading> {
        let Some(archive) = release.artifact.chosen() else { return Ok(PublishedReading::Absent) };
        if manifest_file(release).is_none() {
            return Ok(PublishedReading::Absent);
        }
        // The digest may be that of an earlier download, which other processes do not know, so that
        // the result is not remembered.
        if archive.digest.is_some() {
            let compared = self.compared(release, archive.digest.as_ref()).await;
            return compared.map_err(unreadable);
        }
        let stated = stated_digest(&self.client, release).await;
        let published = self.judged(release, &stated).await.map_err(unreadable)?;
        // The checksum may contradict the manifest once it can be read.
        if matches!(published, PublishedReading::Valid(_))
            && let Some(failure) = stated.failure
        {
            return Err(unreadable(failure));
        }
        Ok(published)
    }

    /// Completes a release that was read alone: the digest of the archive and what the manifest says.
    pub(super) async fn complete(&self, mut release: Release, page: Option<&str>) -> Release {
        let Some(archive) = release.artifact.chosen().cloned() else { return release };
        let mut stated = stated_digest(&self.client, &release).await;
        release.checksum_fault = stated.fault.take().map(Box::new);
        let mut digest = stated.digest.clone();
        match self.judged(&release, &stated).await {
            Ok(PublishedReading::Absent) => {}
            Ok(PublishedReading::Valid(manifest)) => {
                manifest.describe(&mut release, page);
                release.notes.clone_from(&manifest.notes);
                // The checksum may contradict the manifest once it can be read.
                if stated.failure.is_none() {
                    release.manifest_digest = Some(manifest.digest.clone());
                    // Without a checksum, the manifest is believed as far as a checksum would be.
                    digest = digest.or_else(|| Some(manifest.archive.digest.clone()));
                }
            }
            Ok(PublishedReading::Invalid(fault)) => release.manifest_fault = Some(Box::new(fault)),
            Err(error) => {
                let file = manifest_file(&release).and_then(Result::ok);
                let why = format!("cannot be read: {}", error.report());
                release.manifest_fault = file.map(|file| Box::new(fault("manifest", file, &why)));
            }
        }
        if let Some(digest) = digest {
            release.learn_digests(|of| (of.key == archive.key).then(|| digest.clone()));
        }
        release
    }

    /// Describes a release of a list as far as that costs no request.
    pub(super) fn describe_known(&self, mut release: Release, page: Option<&str>) -> Release {
        let (Some(archive), Some(Ok(file))) = (release.artifact.chosen(), manifest_file(&release))
        else {
            return release;
        };
        let cached = self.files.lock().get(&file.key).cloned();
        let Some(CachedFile { parsed: Ok(manifest), compared }) = cached else { return release };
        let agrees = compared.filter(|(key, _)| *key == archive.key).map(|(_, agrees)| agrees);
        if manifest.contradiction(archive, None).is_none() && agrees != Some(false) {
            manifest.describe(&mut release, page);
            release.manifest_digest = agrees.is_some().then(|| manifest.digest.clone());
        }
        release
    }

    /// Reads the manifest of the latest release of a list. Returns the release if that changes it, or
    /// the fault. The checksum is not read, so that the digest of the manifest stays unknown.
    pub(super) async fn describe(
        &self,
        release: &Release,
        page: Option<&str>,
    ) -> Result<Option<Release>, ExtensionFault> {
        let file = match manifest_file(release) {
            None => return Ok(None),
            Some(Err(fault)) => return Err(of_release(release, &fault)),
            Some(Ok(file)) => file,
        };
        if self.files.lock().get(&file.key).is_some_and(|cached| cached.parsed.is_ok()) {
            return Ok(None);
        }
        match self.compared(release, None).await {
            Ok(PublishedReading::Valid(manifest)) => {
                let mut release = release.clone();
                manifest.describe(&mut release, page);
                Ok(Some(release))
            }
            Ok(PublishedReading::Absent) => Ok(None),
            Ok(PublishedReading::Invalid(fault)) => Err(of_release(release, &fault)),
            Err(error) => {
                let why = format!("cannot be read: {}", error.report());
                let reason = fault("manifest", file, &why).reason;
                Err(ExtensionFault::unreadable_tag(&release.tag, reason))
            }
        }
    }

    /// Compares the manifest with what the checksum files state, and remembers the result.
    async fn judged(&self, release: &Release, stated: &StatedDigest) -> Result<PublishedReading> {
        let published = self.compared(release, stated.digest.as_ref()).await?;
        if stated.failure.is_none()
            && let (Some(archive), Some(Ok(file))) =
                (release.artifact.chosen(), manifest_file(release))
            && let Some(cached) = self.files.lock().get(&file.key)
        {
            let agrees = matches!(published, PublishedReading::Valid(_));
            cached.compared = Some((archive.key.clone(), agrees));
        }
        Ok(published)
    }

    async fn compared(
        &self,
        release: &Release,
        digest: Option<&Digest>,
    ) -> Result<PublishedReading> {
        let (Some(archive), Some(file)) = (release.artifact.chosen(), manifest_file(release))
        else {
            return Ok(PublishedReading::Absent);
        };
        let file = match file {
            Ok(file) => file,
            Err(fault) => return Ok(PublishedReading::Invalid(fault)),
        };
        let reason = match self.read(file).await? {
            Ok(manifest) => match manifest.contradiction(archive, digest) {
                None => return Ok(PublishedReading::Valid(manifest)),
                Some(reason) => reason,
            },
            Err(reason) => reason.into(),
        };
        Ok(PublishedReading::Invalid(fault("manifest", file, &reason)))
    }

    async fn read(&self, file: &Artifact) -> Result<Parsed> {
        if let Some(cached) = self.files.lock().get(&file.key) {
            return Ok(cached.parsed.clone());
        }
        if file.size > SIZE_MAX {
            return Ok(Err(format!("is longer than {SIZE_MAX} bytes").into()));
        }
        let (client, files, file) =
            (Arc::clone(&self.client), Arc::clone(&self.files), file.clone());
        let key = file.key.clone();
        let request = async move {
            let bytes = download::open(&client, &file, None).await?.collect().await?;
            let parsed = PublishedManifest::parse(bytes).map(Arc::new).map_err(Into::into);
            let weight = parsed.as_ref().map_or(0, |one: &Arc<PublishedManifest>| one.weight());
            let cached = CachedFile { parsed: parsed.clone(), compared: None };
            files.lock().put(file.key, (weight + ENTRY_COST) as u64, cached);
            Ok(parsed)
        };
        self.reads.ask(&key, || request).await
    }
}

fn of_release(release: &Release, fault: &FileFault) -> ExtensionFault {
    let subject = FaultSubject::Download(release.tag.clone(), fault.file.clone());
    ExtensionFault { subject, ..ExtensionFault::unusable_tag(&release.tag, &fault.reason) }
}

/// A file that the release lists exists, so that no failure to read it proves its absence.
fn unreadable(error: Error) -> Error {
    let retry_after = match error.kind() {
        ErrorKind::BackendUnavailable { retry_after } => retry_after,
        _ => RETRY_AFTER,
    };
    let message = "The manifest of the release cannot be read now";
    Error::unavailable(message, retry_after).because(error)
}
