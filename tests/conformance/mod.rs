//! What every backend must do, whatever it speaks: one list of behaviours, run over each of them.
//!
//! A backend joins by a [`Stage`] that can publish to it, and one `conforms!` line. None can leave
//! a behaviour out: the list is one macro.

mod behaviours;
mod gitea;
mod oci;

use std::sync::Arc;

use async_trait::async_trait;
use extension_registry::backend::Backend;
use extension_registry::backend::memory::MemoryBackend;
use extension_registry::local::backend::LocalBackend;
use extension_registry::models::extension::About;
use extension_registry::models::naming::ExtensionId;
use extension_registry::models::source::Source;
use tempfile::TempDir;

use crate::support::layouts;

/// A backend and the means to change what it has, as its publishers do.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The backend under test.
    fn backend(&self) -> Arc<dyn Backend>;
    /// Publishes a release with one archive, or replaces the one of that tag. `tag` is spelled
    /// without `+`; every release of one extension is given the same description.
    async fn publish(&self, id: &ExtensionId, tag: &str, description: &str, archive: &[u8]);
    /// Publishes a release of some archive and this README, or replaces the one of that tag.
    async fn publish_readme(&self, id: &ExtensionId, tag: &str, readme: &str);
    /// Removes a repository with everything in it.
    async fn remove(&self, id: &ExtensionId);
    /// Makes a repository that has no release.
    async fn create(&self, id: &ExtensionId);
    /// Makes a repository that is no extension's, such as `docs`.
    async fn create_foreign(&self);
}

struct Memory(Arc<MemoryBackend>);

#[async_trait]
impl Stage for Memory {
    fn backend(&self) -> Arc<dyn Backend> {
        self.0.clone()
    }

    async fn publish(&self, id: &ExtensionId, tag: &str, description: &str, archive: &[u8]) {
        let about = About { description: Some(description.into()), ..About::default() };
        self.0.publish(id, tag.parse().unwrap(), about, archive.to_vec());
    }

    async fn publish_readme(&self, id: &ExtensionId, tag: &str, readme: &str) {
        self.publish(id, tag, "described", b"archive").await;
        self.0.write_readme(id, tag.parse().unwrap(), readme);
    }

    async fn remove(&self, id: &ExtensionId) {
        self.0.remove(id);
    }

    async fn create(&self, id: &ExtensionId) {
        self.0.create(id);
    }

    /// Nothing but extensions can be in memory.
    async fn create_foreign(&self) {}
}

struct Local {
    dir: TempDir,
    backend: Arc<LocalBackend>,
}

impl Local {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backend = Arc::new(LocalBackend::new(dir.path()));
        Self { dir, backend }
    }
}

#[async_trait]
impl Stage for Local {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    async fn publish(&self, id: &ExtensionId, tag: &str, description: &str, archive: &[u8]) {
        layouts::publish(self.dir.path(), id, tag, description, archive);
    }

    async fn publish_readme(&self, id: &ExtensionId, tag: &str, readme: &str) {
        layouts::publish_readme(self.dir.path(), id, tag, readme);
    }

    async fn remove(&self, id: &ExtensionId) {
        std::fs::remove_dir_all(self.dir.path().join(id.oci_repository())).unwrap();
    }

    async fn create(&self, id: &ExtensionId) {
        layouts::empty(&self.dir.path().join(id.oci_repository()));
    }

    async fn create_foreign(&self) {
        layouts::empty(&self.dir.path().join("docs"));
    }
}

behaviours::conforms!(
    memory,
    super::Memory(std::sync::Arc::new(super::MemoryBackend::new(super::Source::Oci)))
);
behaviours::conforms!(local, super::Local::new());
