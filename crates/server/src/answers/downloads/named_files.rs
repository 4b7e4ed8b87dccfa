//! Files that a manifest names: with the digest that it says, and blobs of a backend.

use std::sync::Arc;

use registry_catalog::sync::content::BackendContent;
use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::digest::Digest;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;

use crate::answers::downloads::RequestedFile;

impl RequestedFile {
    /// Returns the archive of a release, whose bytes must have this digest. `None` without an archive.
    #[must_use]
    pub fn archive_with(id: &ExtensionId, release: &Arc<Release>, digest: &Digest) -> Option<Self> {
        let artifact = Artifact::clone(release.artifact.chosen()?);
        Some(Self::named(id, release, Artifact { digest: Some(digest.clone()), ..artifact }, None))
    }

    /// Returns the file of a release with this name, whose bytes must have this digest and size. `None`
    /// if the release has no such file.
    #[must_use]
    pub fn asset_with(
        id: &ExtensionId,
        release: &Arc<Release>,
        name: &str,
        (digest, size): (&Digest, u64),
    ) -> Option<Self> {
        let fits = |file: &&Arc<Artifact>| {
            *file.file_name == *name && file.known_size().is_none_or(|known| known == size)
        };
        let artifact = Artifact::clone(release.assets.iter().find(fits)?);
        let artifact = Artifact { digest: Some(digest.clone()), size, ..artifact };
        Some(Self::named(id, release, artifact, Some(name.to_owned())))
    }

    /// Returns a blob in the repository of an extension. Errors about it name this release.
    #[must_use]
    pub fn blob(
        id: &ExtensionId,
        release: &Arc<Release>,
        (digest, size): (&Digest, u64),
        content: BackendContent,
    ) -> Self {
        let artifact = Artifact {
            key: ArtifactKey::new(digest.to_string()),
            file_name: digest.hex().into(),
            size,
            digest: Some(digest.clone()),
            url: None,
        };
        let file = Self::named(id, release, artifact, Some(digest.to_string()));
        Self { blob_at: Some(content), ..file }
    }

    fn named(
        id: &ExtensionId,
        release: &Arc<Release>,
        artifact: Artifact,
        asset: Option<String>,
    ) -> Self {
        let (id, release, artifact) = (id.clone(), Arc::clone(release), Arc::new(artifact));
        Self { id, release, artifact, asset, blob_at: None }
    }
}
