//! Decorator of a backend that completes its responses with pins and learned digests.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::backend::contact::Contact;
use registry_core::backend::download::Download;
use registry_core::backend::oci_content::{OciContent, StoredManifest};
use registry_core::backend::{Backend, Listing};
use registry_core::error::Result;
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;
use tokio::sync::watch;

use crate::pins::Pins;

pub(crate) struct PinnedBackend {
    inner: Arc<dyn Backend>,
    pins: Arc<Pins>,
}

impl PinnedBackend {
    pub(crate) fn new(inner: Arc<dyn Backend>, pins: Arc<Pins>) -> Self {
        Self { inner, pins }
    }

    fn complete(&self, extension: Extension) -> Extension {
        let completed = extension.amended(|release| {
            let mut completed = release.clone();
            let changed = self.pins.complete(extension.id(), &mut completed, Some(&extension));
            changed.then_some(completed)
        });
        completed.unwrap_or(extension)
    }
}

#[async_trait]
// A method with a default body must be forwarded too, or the inner backend's is never called.
#[deny(clippy::missing_trait_methods)]
impl Backend for PinnedBackend {
    fn id(&self) -> BackendId {
        self.inner.id()
    }

    async fn listing(&self) -> Result<Listing> {
        self.inner.listing().await
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.inner.extension(id).await.map(|found| self.complete(found))
    }

    async fn releases(&self, id: &ExtensionId) -> Result<Extension> {
        self.inner.releases(id).await.map(|found| self.complete(found))
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let mut release = self.inner.version(id, tag).await?;
        self.pins.complete_alone(id, &mut release);
        Ok(release)
    }

    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        self.inner.open(id, artifact, range).await
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        self.inner.readme(id, release).await
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        self.inner.changes(since).await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }

    async fn probe(&self) -> Result<()> {
        self.inner.probe().await
    }

    fn identity(&self) -> Option<String> {
        self.inner.identity()
    }

    fn resume(&self, identity: &str) {
        self.inner.resume(identity);
    }

    async fn published_manifest(
        &self,
        id: &ExtensionId,
        release: &Release,
    ) -> Result<Option<StoredManifest>> {
        self.inner.published_manifest(id, release).await
    }

    fn oci_content(&self) -> Option<&dyn OciContent> {
        self.inner.oci_content()
    }

    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        self.inner.contact()
    }
}
