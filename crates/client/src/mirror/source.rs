//! What a version consists of at the registry: its manifest as it is stored, or one made of the metadata.

use registry_core::models::digest::{Algorithm, Digest};
use registry_core::models::naming::ExtensionId;
use registry_public::paths::Target;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::mirror::distribution_api::{DistributionApi, RawManifest};
use crate::mirror::stored::StoredDescriptor;

/// Manifests of one version, of what refers to them, and below them: more are refused.
const MANIFESTS_MAX: usize = 256;

/// A version to mirror.
#[derive(Clone, Debug)]
pub(crate) struct WantedVersion {
    pub(crate) id: ExtensionId,
    pub(crate) version: String,
    /// Tag at the registry.
    pub(crate) tag: String,
    pub(crate) source: String,
    pub(crate) backend: String,
    /// Digest of the archive, if known.
    pub(crate) digest: Option<Digest>,
    /// True if another digest than this one is a failure: that of a lock.
    pub(crate) is_locked: bool,
}

impl WantedVersion {
    /// Returns the tag in a layout; `None` if layouts cannot have such a tag.
    pub(crate) fn layout_tag(&self) -> Option<String> {
        let tag = self.version.replacen('+', "_", 1);
        let fits = (1..=128).contains(&tag.len())
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        fits.then_some(tag)
    }

    /// Returns the name of the layout, in lower case as repositories of registries are.
    pub(crate) fn layout(&self) -> String {
        self.id.oci_repository().to_ascii_lowercase()
    }

    /// Describes an archive that is not the expected one.
    pub(crate) fn mismatch(&self, found: &str, expected: &Digest) -> ClientFailure {
        let Self { id, version, is_locked, .. } = self;
        let said = if *is_locked { "the lock" } else { "the registry" };
        let message = format!("{id} {version}: the archive is {found}, and {said} says {expected}");
        ClientFailure::new(FailureKind::Integrity, message)
            .hint(format!("nothing was kept; see extreg explain {id}"))
    }
}

/// A manifest, and the tag that it gets.
#[derive(Clone, Debug)]
pub(crate) struct TaggedManifest {
    pub(crate) manifest: RawManifest,
    /// The tag; `None` for what refers to a version.
    pub(crate) tag: Option<String>,
    /// True if it is listed in the layout's index. Manifests below another one are not.
    pub(crate) is_root: bool,
}

/// A file to store.
#[derive(Clone, Debug)]
pub(crate) struct WantedFile {
    pub(crate) digest: Digest,
    /// Length in bytes.
    pub(crate) size: u64,
    pub(crate) target: Target,
}

/// Everything of a version.
#[derive(Clone, Debug, Default)]
pub(crate) struct VersionParts {
    pub(crate) manifests: Vec<TaggedManifest>,
    pub(crate) files: Vec<WantedFile>,
}

impl VersionParts {
    /// Reads the manifests of a version as they are stored, and those that refer to it.
    pub(crate) async fn read(
        api: &DistributionApi<'_>,
        wanted: &WantedVersion,
        tag: &str,
    ) -> Result<Self> {
        let repository = wanted.layout();
        let root = api.tagged(&repository, tag).await?;
        let mut parts = Self::default();
        parts.add(api, &repository, root.clone(), Some(tag.to_owned())).await?;
        if let Some(expected) = &wanted.digest
            && expected.algorithm() == Algorithm::Sha256
            && !parts.files.is_empty()
            && !parts.files.iter().any(|file| file.digest == *expected)
        {
            return Err(wanted.mismatch("not in the manifest", expected));
        }
        parts.add_referrers(api, &repository, root.digest).await?;
        Ok(parts)
    }

    /// Reads what refers to a manifest, and what refers to that.
    pub(crate) async fn add_referrers(
        &mut self,
        api: &DistributionApi<'_>,
        repository: &str,
        digest: Digest,
    ) -> Result<()> {
        let mut pending = vec![digest];
        while let Some(digest) = pending.pop() {
            for referrer in api.referrers(repository, &digest).await? {
                let parsed = referrer.parsed_digest()?;
                if self.has(&parsed) {
                    continue;
                }
                let manifest = api.described(repository, &referrer).await?;
                self.add(api, repository, manifest, None).await?;
                pending.push(parsed);
            }
        }
        Ok(())
    }

    fn has(&self, digest: &Digest) -> bool {
        self.manifests.iter().any(|known| known.manifest.digest == *digest)
    }

    /// Adds a manifest with its files, and those below it.
    async fn add(
        &mut self,
        api: &DistributionApi<'_>,
        repository: &str,
        root: RawManifest,
        tag: Option<String>,
    ) -> Result<()> {
        let mut pending = vec![(root, tag, true)];
        while let Some((manifest, tag, is_root)) = pending.pop() {
            let document = manifest.document()?;
            for child in &document.manifests {
                let child = api.described(repository, child).await?;
                if !self.has(&child.digest) {
                    pending.push((child, None, false));
                }
            }
            for file in document.files() {
                self.add_file(api, repository, file)?;
            }
            self.manifests.push(TaggedManifest { manifest, tag, is_root });
            if self.manifests.len() + pending.len() > MANIFESTS_MAX {
                let message = format!("{repository} has a version of too many manifests");
                return Err(ClientFailure::new(FailureKind::Integrity, message));
            }
        }
        Ok(())
    }

    fn add_file(
        &mut self,
        api: &DistributionApi<'_>,
        repository: &str,
        file: &StoredDescriptor,
    ) -> Result<()> {
        let digest = file.parsed_digest()?;
        if !self.files.iter().any(|known| known.digest == digest) {
            let target = api.blob(repository, &digest);
            self.files.push(WantedFile { digest, size: file.size, target });
        }
        Ok(())
    }
}
