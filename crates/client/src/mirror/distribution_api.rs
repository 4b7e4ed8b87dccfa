//! The distribution API of a registry: manifests as they are stored, their files, and what refers to
//! them.

use registry_core::models::digest::Digest;
use registry_public::paths::Target;
use serde::Deserialize;

use crate::failure::{ClientFailure, FailureKind, Result};
use crate::http::Registry;
use crate::mirror::stored::{StoredDescriptor, StoredDocument};

/// Media types that are accepted for manifests.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, */*";

/// The distribution API of a registry that serves it.
#[derive(Clone, Debug)]
pub(crate) struct DistributionApi<'a> {
    registry: &'a Registry,
    namespace: String,
}

/// A manifest or an index as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct RawManifest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
}

#[derive(Deserialize)]
struct StoredRepositories {
    repositories: Vec<String>,
}

impl RawManifest {
    /// Parses what the manifest refers to.
    pub(crate) fn document(&self) -> Result<StoredDocument> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            let message = format!("the manifest {} cannot be read: {error}", self.digest);
            ClientFailure::new(FailureKind::Integrity, message)
        })
    }
}

impl<'a> DistributionApi<'a> {
    /// Finds out whether a registry serves the API, and for which namespace. Costs one request.
    pub(crate) async fn find(registry: &'a Registry) -> Result<Option<Self>> {
        let target = Target::at_root("/v2/_catalog").with("n", "1");
        let list: StoredRepositories = match registry.get(&target).await {
            Ok(list) => list,
            // Registries of before, and those that do not serve it.
            Err(failure) if is_absence(failure.kind()) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let first = list.repositories.first().and_then(|first| first.rsplit_once('/'));
        Ok(first.map(|(namespace, _)| Self { registry, namespace: namespace.to_owned() }))
    }

    /// Reads the manifest of a tag.
    pub(crate) async fn tagged(&self, repository: &str, tag: &str) -> Result<RawManifest> {
        self.manifest(repository, tag, None).await
    }

    /// Reads the manifest of a descriptor, which must have its digest.
    pub(crate) async fn described(
        &self,
        repository: &str,
        descriptor: &StoredDescriptor,
    ) -> Result<RawManifest> {
        let expected = descriptor.parsed_digest()?;
        self.manifest(repository, &descriptor.digest, Some(expected)).await
    }

    async fn manifest(
        &self,
        repository: &str,
        reference: &str,
        expected: Option<Digest>,
    ) -> Result<RawManifest> {
        let target = self.target(repository, "manifests", reference);
        let (bytes, media_type) = self.registry.document(&target, ACCEPT).await?;
        let digest = Digest::sha256(&bytes);
        match expected {
            Some(expected) if !expected.matches(&bytes) => {
                let message =
                    format!("{repository}: the manifest has the digest {digest}, not {expected}");
                Err(ClientFailure::new(FailureKind::Integrity, message))
            }
            _ => Ok(RawManifest { bytes, media_type, digest }),
        }
    }

    /// Reads the list of manifests that refer to another one, such as signatures.
    pub(crate) async fn referrers(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<Vec<StoredDescriptor>> {
        let target = self.target(repository, "referrers", &digest.to_string());
        let (bytes, _) = self.registry.document(&target, ACCEPT).await?;
        let index: StoredDocument = serde_json::from_slice(&bytes).map_err(|error| {
            ClientFailure::usage(format!(
                "{repository}: the list of referrers is not an index: {error}"
            ))
        })?;
        Ok(index.manifests)
    }

    /// Returns the target of a file.
    pub(crate) fn blob(&self, repository: &str, digest: &Digest) -> Target {
        self.target(repository, "blobs", &digest.to_string())
    }

    fn target(&self, repository: &str, kind: &str, reference: &str) -> Target {
        // Tags and digests have no characters that a path encodes.
        Target::at_root(format!("/v2/{}/{repository}/{kind}/{reference}", self.namespace))
    }
}

fn is_absence(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::NotFound | FailureKind::Usage | FailureKind::Failed)
}
