//! Decorator of a backend that counts how its calls end.

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
use tokio::time::Instant;

use crate::health::backend_health::BackendHealth;
use crate::health::call_history::HistoryExtent;

pub(crate) struct RecordedBackend {
    inner: Arc<dyn Backend>,
    health: Arc<BackendHealth>,
}

impl RecordedBackend {
    pub(crate) fn new(inner: Arc<dyn Backend>, health: Arc<BackendHealth>) -> Self {
        Self { inner, health }
    }

    async fn record<T>(
        &self,
        extent: HistoryExtent,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let begun = Instant::now();
        let outcome = call.await;
        self.health.history.ended(&outcome, begun.elapsed(), extent);
        outcome
    }
}

#[async_trait]
// A method with a default body must be forwarded too, or the inner backend's is never called.
#[deny(clippy::missing_trait_methods)]
impl Backend for RecordedBackend {
    fn id(&self) -> BackendId {
        self.inner.id()
    }

    async fn listing(&self) -> Result<Listing> {
        self.record(HistoryExtent::Unbounded, self.inner.listing()).await
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.record(HistoryExtent::Short, self.inner.extension(id)).await
    }

    async fn releases(&self, id: &ExtensionId) -> Result<Extension> {
        self.record(HistoryExtent::Unbounded, self.inner.releases(id)).await
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        self.record(HistoryExtent::Short, self.inner.version(id, tag)).await
    }

    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        self.record(HistoryExtent::Short, self.inner.open(id, artifact, range)).await
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        self.record(HistoryExtent::Short, self.inner.readme(id, release)).await
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        self.record(HistoryExtent::Unbounded, self.inner.changes(since)).await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }

    async fn probe(&self) -> Result<()> {
        self.record(HistoryExtent::Short, self.inner.probe()).await
    }

    fn identity(&self) -> Option<String> {
        self.inner.identity()
    }

    fn resume(&self, identity: &str) {
        self.inner.resume(identity);
    }

    fn hold(&self, until: Option<Instant>) {
        self.inner.hold(until);
    }

    async fn published_manifest(
        &self,
        id: &ExtensionId,
        release: &Release,
    ) -> Result<Option<StoredManifest>> {
        self.record(HistoryExtent::Short, self.inner.published_manifest(id, release)).await
    }

    fn oci_content(&self) -> Option<&dyn OciContent> {
        self.inner.oci_content()
    }

    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        self.inner.contact()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use registry_core::models::scope::Scope;
    use registry_testing::scripted::Scripted;
    use tokio::time::advance;

    use super::*;
    use crate::health::call_history::{CallCounts, SLOT};
    use crate::{Catalog, Rules};

    #[tokio::test(start_paused = true)]
    async fn the_calls_to_a_backend_are_in_its_history() {
        let releases = ["provider/aws:1.0.0", "provider/b:1.0.0"];
        let mut backend = Scripted::new(BackendId::LOCAL, &releases);
        backend.latency = Duration::from_secs(2);
        let backend = Arc::new(backend);
        let catalog = Catalog::new(vec![backend.clone()], Rules::for_tests());
        let present = || {
            let (of, history) = catalog.health.history().remove(0);
            assert_eq!(of, BackendId::LOCAL);
            history.slots.last().copied().unwrap_or_default()
        };
        assert!(present().is_empty(), "it starts empty");
        catalog.syncer.sync(Scope::All).await.unwrap();
        let CallCounts { answered, slow, failed } = present();
        assert_eq!((slow, failed), (2, 0), "both extensions");
        assert!(answered > 0, "the list");
        advance(SLOT).await;
        assert!(present().is_empty(), "it was not asked since");
        backend.down.store(true, Ordering::SeqCst);
        catalog.syncer.sync(Scope::All).await.unwrap_err();
        let CallCounts { answered, slow, failed } = present();
        assert_eq!((answered, slow), (0, 0));
        assert!(failed > 0);
        assert_eq!(catalog.health.history().remove(0).1.slots.len(), 2);
    }
}
