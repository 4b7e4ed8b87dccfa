//! What every backend must do, whatever it speaks: one list of behaviors, run over each of them.
//!
//! A backend joins by a [`Stage`] that can publish to it, and one `conforms!` line. None can leave
//! a behavior out: the list is one macro.

mod behaviors;
mod content;
mod cursors;
mod evidence;
mod gitea;
mod naming;
mod oci;
mod one_manifest;

use std::sync::Arc;

use async_trait::async_trait;
use registry_backends::local::backend::LocalBackend;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_core::models::extension::About;
use registry_core::models::naming::ExtensionId;
use registry_testing::memory::MemoryBackend;
use registry_testing::scripted::Scripted;
use tempfile::TempDir;

use self::content::Stores;
use self::evidence::{Breakable, Breakage};
use self::naming::Nameable;
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

/// A backend in memory that goes wrong as it is told.
struct Obedient(Arc<Scripted>);

impl Obedient {
    fn new() -> Self {
        Self(Arc::new(Scripted::new(BackendId::OCI, &[])))
    }

    fn memory(&self) -> Memory {
        Memory(Arc::clone(&self.0.inner))
    }
}

#[async_trait]
impl Stage for Obedient {
    fn backend(&self) -> Arc<dyn Backend> {
        self.0.clone()
    }

    async fn publish(&self, id: &ExtensionId, tag: &str, description: &str, archive: &[u8]) {
        self.memory().publish(id, tag, description, archive).await;
    }

    async fn publish_readme(&self, id: &ExtensionId, tag: &str, readme: &str) {
        self.memory().publish_readme(id, tag, readme).await;
    }

    async fn remove(&self, id: &ExtensionId) {
        self.memory().remove(id).await;
    }

    async fn create(&self, id: &ExtensionId) {
        self.memory().create(id).await;
    }

    async fn create_foreign(&self) {}
}

#[async_trait]
impl Breakable for Obedient {
    fn page(&self) -> usize {
        5
    }

    async fn break_lists(&self, breakage: Breakage) {
        let id: ExtensionId = "provider/aws".parse().unwrap();
        match breakage {
            Breakage::Part => *self.0.partial.lock() = Some((id, self.page())),
            Breakage::Nonsense => *self.0.faulty.lock() = Some(id),
            Breakage::Refusal => self.0.refused.lock().push(id),
        }
    }

    async fn mend_lists(&self) {
        *self.0.partial.lock() = None;
        *self.0.faulty.lock() = None;
        self.0.refused.lock().clear();
    }

    async fn empty(&self, id: &ExtensionId) {
        self.0.inner.remove(id);
        self.0.inner.create(id);
    }
}

struct Local {
    dir: TempDir,
    backend: Arc<LocalBackend>,
}

impl Local {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backend = Arc::new(LocalBackend::new(BackendId::LOCAL, dir.path()));
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

#[async_trait]
impl Breakable for Local {
    fn page(&self) -> usize {
        100
    }

    /// A layout is one file: any part of it that is missing makes the whole unreadable.
    async fn break_lists(&self, breakage: Breakage) {
        let index = self.dir.path().join("aws-provider/index.json");
        std::fs::copy(&index, self.dir.path().join("index.json.kept")).unwrap();
        let text = std::fs::read_to_string(&index).unwrap();
        match breakage {
            Breakage::Part => std::fs::write(&index, &text[..text.len() / 2]).unwrap(),
            Breakage::Nonsense => std::fs::write(&index, "{}").unwrap(),
            Breakage::Refusal => {
                std::fs::remove_file(&index).unwrap();
                std::fs::create_dir(&index).unwrap();
            }
        }
    }

    async fn mend_lists(&self) {
        let index = self.dir.path().join("aws-provider/index.json");
        let _ = std::fs::remove_dir(&index);
        std::fs::rename(self.dir.path().join("index.json.kept"), &index).unwrap();
    }

    async fn empty(&self, id: &ExtensionId) {
        self.remove(id).await;
        self.create(id).await;
    }
}

#[async_trait]
impl Nameable for Local {
    async fn create_named(&self, name: &str) {
        layouts::empty(&self.dir.path().join(name));
    }

    async fn remove_named(&self, name: &str) {
        std::fs::remove_dir_all(self.dir.path().join(name)).unwrap();
    }

    fn right(&self, name: &str) -> String {
        format!("{name}-provider")
    }

    fn wrong(&self, name: &str) -> String {
        format!("{name}_prov")
    }

    fn section(&self) -> String {
        format!("[local]\npath = {:?}\n", self.dir.path())
    }
}

behaviors::conforms!(
    memory,
    super::Memory(std::sync::Arc::new(super::MemoryBackend::new(super::BackendId::OCI)))
);
#[async_trait]
impl Stores for Local {
    async fn refer(&self, id: &ExtensionId, subject: &Digest) -> Digest {
        layouts::refer(&self.dir.path().join(id.oci_repository()), subject)
    }
}

behaviors::conforms!(local, super::Local::new());
content::stores!(stores_local, super::Local::new());
evidence::is_skeptical!(skeptical_of_scripted, super::Obedient::new());
evidence::is_skeptical!(skeptical_of_local, super::Local::new());
naming::advises!(advises_on_local, super::Local::new());
