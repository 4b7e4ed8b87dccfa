//! Lookups: reads of backends that a request needs. The one way from reads to backends.

use std::sync::Arc;

use async_trait::async_trait;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Release;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_core::models::tag::Tag;

/// Reads of backends. Callers share a read that is under way, and it continues when they leave.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Reads one extension from the backends of a scope into the catalog. Beyond the lookup budget
    /// a current and complete listing stands in for the response. Fails if a backend fails otherwise
    /// than by `NotFound`.
    async fn extension(&self, id: &ExtensionId, scope: Scope) -> Result<()>;

    /// Reads one extension like [`Lookup::extension`], whatever the budget.
    async fn refresh(&self, id: &ExtensionId, scope: Scope) -> Result<()>;

    /// Reads every release of one extension in full into the catalog.
    async fn releases(&self, id: &ExtensionId, backend: BackendId) -> Result<()>;

    /// Reads a known release with notes and checksum; `NotFound` also if it holds no archive.
    async fn release(&self, id: &ExtensionId, known: &Arc<Release>) -> Result<Arc<Release>>;

    /// Reads the release of a tag that is not cached, within the lookup budget.
    async fn tag(&self, id: &ExtensionId, tag: &Tag, backend: BackendId) -> Result<Arc<Release>>;

    /// Schedules a read of an outdated extension.
    fn enqueue_stale(&self, id: &ExtensionId, backend: BackendId);
}
