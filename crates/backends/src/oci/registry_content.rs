//! Manifests, blobs and referrers of a registry as they are stored there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use registry_core::backend::download::Download;
use registry_core::backend::oci_content::{OciContent, Reference, StoredManifest};
use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_core::models::tag::Tag;

use crate::oci::client;
use crate::oci::client::stored_blob;
use crate::oci::contents::ContentReader;
use crate::oci::referrers_cache::ReferrersCache;
use crate::oci::repository::{Namespace, OciRepository};

/// Maximum length of a tag in a registry, in characters (distribution-spec, "Pulling manifests").
const TAG_MAX: usize = 128;

/// Reader of the stored content of one namespace.
pub(super) struct RegistryContent {
    contents: Arc<ContentReader>,
    namespace: Namespace,
    referrers: ReferrersCache,
}

impl RegistryContent {
    /// Creates a reader. Lists of referrers are read again after `ttl`.
    pub(super) fn new(contents: Arc<ContentReader>, namespace: Namespace, ttl: Duration) -> Self {
        let referrers = ReferrersCache::new(contents.client().clone(), ttl);
        Self { contents, namespace, referrers }
    }
}

#[async_trait]
impl OciContent for RegistryContent {
    async fn manifest(&self, id: &ExtensionId, reference: &Reference) -> Result<StoredManifest> {
        let repository = self.namespace.repository_of(id);
        match reference {
            Reference::Digest(digest) => {
                self.contents.stored(&repository, client::ManifestReference::Digest(digest)).await
            }
            Reference::Tag(text) => {
                let tag = tag_of(text).ok_or_else(|| no_tag(&repository, text))?;
                self.contents.stored(&repository, client::ManifestReference::Tag(&tag)).await
            }
        }
    }

    async fn blob(
        &self,
        id: &ExtensionId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        let repository = self.namespace.repository_of(id);
        stored_blob(self.contents.client(), &repository, digest, range).await
    }

    async fn referrers(&self, id: &ExtensionId, subject: &Digest) -> Result<StoredManifest> {
        self.referrers.of(self.namespace.repository_of(id), subject).await
    }
}

/// Returns the tag if a registry can have it. A slash or `+` would change the path of the request.
fn tag_of(text: &str) -> Option<Tag> {
    let fits = text.len() <= TAG_MAX && !text.contains(['/', '+']);
    text.parse().ok().filter(|_| fits)
}

fn no_tag(repository: &OciRepository, text: &str) -> Error {
    // The text comes from a caller, who may have written anything of any length.
    let shown = registry_core::models::truncate::printable(text, TAG_MAX);
    Error::not_found(format!("{repository} has no manifest {shown}"))
}
