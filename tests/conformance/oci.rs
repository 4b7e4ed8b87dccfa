//! The conformance suite over OCI registries: zot as it is played, distribution as it is.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use parking_lot::Mutex;
use registry_backends::oci::backend::OciBackend;
use registry_backends::oci::settings::OciSettings;
use registry_core::backend::Backend;
use registry_core::models::digest::Digest;
use registry_core::models::naming::ExtensionId;
use registry_testing::docker_registry::{Access, DockerRegistry};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::pusher::Pusher;
use registry_testing::registry_store::{
    OCI_INDEX, OCI_MANIFEST, Store, referrer_of, release, release_with_readme,
};
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};
use serde_json::{Value, json};

use super::content::Stores;
use super::evidence::{Breakable, Breakage};
use super::naming::Nameable;
use super::{Stage, behaviors, content, evidence, naming};

const NAMESPACE: &str = "provisioning";

pub(super) fn backend(url: &str) -> Arc<OciBackend> {
    let settings = OciSettings::new(url.parse().unwrap(), NAMESPACE.parse().unwrap());
    Arc::new(OciBackend::new(settings, Arc::new(())).unwrap())
}

fn repository(id: &ExtensionId) -> String {
    format!("{NAMESPACE}/{}", id.oci_repository().to_lowercase())
}

/// A registry played from memory.
struct Played {
    store: Arc<Mutex<Store>>,
    broken: Arc<Mutex<Option<Breakage>>>,
    backend: Arc<OciBackend>,
    server: ScriptedRegistry,
}

impl Played {
    async fn new(dialect: Dialect) -> Self {
        let store = Arc::new(Mutex::new(Store::default()));
        let broken: Arc<Mutex<Option<Breakage>>> = Arc::default();
        let (played, breakage) = (Arc::clone(&store), Arc::clone(&broken));
        let server = ScriptedRegistry::start(move |seen| {
            let is_list = seen.path().ends_with("aws-provider/tags/list");
            match *breakage.lock() {
                Some(breakage) if is_list => {
                    if let Some(reply) = wrong_list(breakage, seen) {
                        return reply;
                    }
                }
                _ => {}
            }
            PlayedRegistry::new(dialect, played.lock().clone()).answer(seen)
        })
        .await;
        Self { store, broken, backend: backend(&server.url()), server }
    }

    /// Takes over what was released under a tag.
    fn take(&self, id: &ExtensionId, tag: &str, mut released: Store) {
        let name = repository(id);
        let new = released.repositories.remove(&name).unwrap();
        let mut store = self.store.lock();
        let held = store.repositories.entry(name).or_default();
        held.tags.retain(|(known, _)| known != tag);
        held.tags.extend(new.tags);
        held.manifests.extend(new.manifests);
        held.blobs.extend(new.blobs);
    }
}

#[async_trait]
impl Stage for Played {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    async fn publish(&self, id: &ExtensionId, tag: &str, description: &str, archive: &[u8]) {
        self.take(id, tag, release(&repository(id), tag, description, archive));
    }

    async fn publish_readme(&self, id: &ExtensionId, tag: &str, readme: &str) {
        self.take(id, tag, release_with_readme(&repository(id), tag, readme));
    }

    async fn remove(&self, id: &ExtensionId) {
        self.store.lock().repositories.remove(&repository(id));
    }

    async fn create(&self, id: &ExtensionId) {
        self.store.lock().repositories.entry(repository(id)).or_default();
    }

    async fn create_foreign(&self) {
        let name = format!("{NAMESPACE}/docs");
        self.store.lock().push(&name, "9.9.9", b"no extension");
    }
}

/// What comes in the place of a list of tags; `None`: the list as it is.
fn wrong_list(breakage: Breakage, seen: &Seen) -> Option<Reply> {
    match breakage {
        Breakage::Part => seen.query("last").map(|_| Reply::new(404)),
        Breakage::Nonsense => Some(Reply::json(r#"{"errors":[{"code":"UNKNOWN"}]}"#)),
        Breakage::Refusal => Some(Reply::new(403)),
    }
}

#[async_trait]
impl Breakable for Played {
    fn page(&self) -> usize {
        100
    }

    async fn break_lists(&self, breakage: Breakage) {
        *self.broken.lock() = Some(breakage);
    }

    async fn mend_lists(&self) {
        *self.broken.lock() = None;
    }

    async fn empty(&self, id: &ExtensionId) {
        let mut store = self.store.lock();
        store.repositories.entry(repository(id)).or_default().tags.clear();
    }
}

fn section_of(url: &str) -> String {
    format!("[oci]\nregistry = \"{url}\"\nnamespace = \"{NAMESPACE}\"\n")
}

#[async_trait]
impl Nameable for Played {
    async fn create_named(&self, name: &str) {
        self.store.lock().push(&format!("{NAMESPACE}/{name}"), "1.0.0", b"bytes");
    }

    async fn remove_named(&self, name: &str) {
        self.store.lock().repositories.remove(&format!("{NAMESPACE}/{name}"));
    }

    fn right(&self, name: &str) -> String {
        format!("{name}-provider")
    }

    fn wrong(&self, name: &str) -> String {
        format!("{name}_prov")
    }

    fn section(&self) -> String {
        section_of(&self.server.url())
    }
}

/// A real registry where it is installed; elsewhere, with a word about it, the played one.
enum Distribution {
    Real { registry: Box<DockerRegistry>, pusher: Box<Pusher>, backend: Arc<OciBackend> },
    Played(Played),
}

impl Distribution {
    async fn second() -> Self {
        Self::over(DockerRegistry::start(Access::Open).await).await
    }

    async fn third() -> Self {
        Self::over(DockerRegistry::third(Access::Open).await).await
    }

    async fn over(registry: Option<DockerRegistry>) -> Self {
        let Some(registry) = registry else {
            return Self::Played(Played::new(Dialect::Distribution).await);
        };
        let (pusher, backend) = (Pusher::new(&registry.url(), None), backend(&registry.url()));
        Self::Real { registry: Box::new(registry), pusher: Box::new(pusher), backend }
    }
}

#[async_trait]
impl Stage for Distribution {
    fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Real { backend, .. } => backend.clone(),
            Self::Played(played) => played.backend(),
        }
    }

    async fn publish(&self, id: &ExtensionId, tag: &str, description: &str, archive: &[u8]) {
        match self {
            Self::Real { pusher, .. } => {
                pusher.store(&release(&repository(id), tag, description, archive)).await;
            }
            Self::Played(played) => played.publish(id, tag, description, archive).await,
        }
    }

    async fn publish_readme(&self, id: &ExtensionId, tag: &str, readme: &str) {
        match self {
            Self::Real { pusher, .. } => {
                pusher.store(&release_with_readme(&repository(id), tag, readme)).await;
            }
            Self::Played(played) => played.publish_readme(id, tag, readme).await,
        }
    }

    async fn remove(&self, id: &ExtensionId) {
        match self {
            // Its API deletes manifests, never a repository.
            Self::Real { registry, .. } => {
                let repositories =
                    registry.directory().join("storage/docker/registry/v2/repositories");
                std::fs::remove_dir_all(repositories.join(repository(id))).unwrap();
            }
            Self::Played(played) => played.remove(id).await,
        }
    }

    async fn create(&self, id: &ExtensionId) {
        match self {
            Self::Real { pusher, .. } => {
                let name = repository(id);
                let store = release(&name, "0.0.1", "to be deleted", b"to be deleted");
                pusher.store(&store).await;
                let (_, digest) = &store.repositories[&name].tags[0];
                let target = format!("/v2/{name}/manifests/{digest}");
                let (status, ..) = pusher.send(Method::DELETE, &target, &[], Bytes::new()).await;
                assert_eq!(status.as_u16(), 202);
            }
            Self::Played(played) => played.create(id).await,
        }
    }

    async fn create_foreign(&self) {
        match self {
            Self::Real { pusher, .. } => {
                let name = format!("{NAMESPACE}/docs");
                pusher.store(&release(&name, "9.9.9", "no extension", b"no extension")).await;
            }
            Self::Played(played) => played.create_foreign().await,
        }
    }
}

#[async_trait]
impl Nameable for Distribution {
    async fn create_named(&self, name: &str) {
        match self {
            Self::Real { pusher, .. } => {
                let name = format!("{NAMESPACE}/{name}");
                pusher.store(&release(&name, "1.0.0", "described", b"bytes")).await;
            }
            Self::Played(played) => played.create_named(name).await,
        }
    }

    async fn remove_named(&self, name: &str) {
        match self {
            Self::Real { registry, .. } => {
                let repositories =
                    registry.directory().join("storage/docker/registry/v2/repositories");
                std::fs::remove_dir_all(repositories.join(NAMESPACE).join(name)).unwrap();
            }
            Self::Played(played) => played.remove_named(name).await,
        }
    }

    fn right(&self, name: &str) -> String {
        format!("{name}-provider")
    }

    fn wrong(&self, name: &str) -> String {
        format!("{name}_prov")
    }

    fn section(&self) -> String {
        match self {
            Self::Real { registry, .. } => section_of(&registry.url()),
            Self::Played(played) => played.section(),
        }
    }
}

#[async_trait]
impl Stores for Played {
    async fn refer(&self, id: &ExtensionId, subject: &Digest) -> Digest {
        let name = repository(id);
        let manifest = referrer_of(subject);
        let mut store = self.store.lock();
        let digest = store.push_manifest(&name, "", &manifest);
        // Clients push this index to registries that do not index referrers themselves.
        store.push_manifest(&name, &fallback_tag(subject), &fallback_index(&manifest));
        digest.parse().unwrap()
    }
}

#[async_trait]
impl Stores for Distribution {
    async fn refer(&self, id: &ExtensionId, subject: &Digest) -> Digest {
        let pusher = match self {
            Self::Real { pusher, .. } => pusher,
            Self::Played(played) => return played.refer(id, subject).await,
        };
        let name = repository(id);
        let manifest = Bytes::from(referrer_of(subject).to_string());
        let index = Bytes::from(fallback_index(&referrer_of(subject)).to_string());
        let digest = Digest::sha256(&manifest);
        pusher.manifest(&name, &digest.to_string(), OCI_MANIFEST, &manifest).await;
        pusher.manifest(&name, &fallback_tag(subject), OCI_INDEX, &index).await;
        digest
    }
}

fn fallback_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn fallback_index(manifest: &Value) -> Value {
    let bytes = manifest.to_string();
    let entry = json!({
        "mediaType": OCI_MANIFEST, "digest": Digest::sha256(bytes.as_bytes()).to_string(),
        "size": bytes.len(), "artifactType": manifest["artifactType"],
    });
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
}

content::stores!(stores_zot, super::Played::new(super::Dialect::Zot).await);
content::stores!(stores_played, super::Played::new(super::Dialect::Distribution).await);
content::stores!(stores_distribution, super::Distribution::second().await);
content::stores!(stores_distribution_3, super::Distribution::third().await);
behaviors::conforms!(zot, super::Played::new(super::Dialect::Zot).await);
evidence::is_skeptical!(skeptical_of_zot, super::Played::new(super::Dialect::Zot).await);
behaviors::conforms!(distribution, super::Distribution::second().await);
behaviors::conforms!(distribution_3, super::Distribution::third().await);
naming::advises!(advises_on_zot, super::Played::new(super::Dialect::Zot).await);
naming::advises!(advises_on_distribution, super::Distribution::second().await);

#[tokio::test]
async fn names_of_strangers_are_told_on_one_line() {
    naming::hostile_names_are_told_on_one_line(&Played::new(Dialect::Zot).await).await;
}

#[tokio::test]
async fn names_in_upper_case_and_of_other_namespaces() {
    let stage = Played::new(Dialect::Zot).await;
    for path in [
        "provisioning/AWS-Provider",
        "Provisioning/gcp-provider",
        "provisioning/sub/hcloud_prov",
        "provisioningx/upcloud_prov",
        "web_cluster",
    ] {
        stage.store.lock().push(path, "1.0.0", b"bytes");
    }
    let listing = stage.backend.listing().await.unwrap();
    let told: Vec<(&str, bool)> = listing
        .faults
        .iter()
        .map(|fault| (fault.repository.as_str(), fault.reason.contains("lower case")))
        .collect();
    assert_eq!(told, [("Provisioning/gcp-provider", true), ("provisioning/AWS-Provider", true)]);
}
