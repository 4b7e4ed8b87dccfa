//! The conformance suite over Gitea, as its fake plays it.

use std::sync::Arc;

use async_trait::async_trait;
use registry_backends::gitea::backend::GiteaBackend;
use registry_backends::gitea::settings::GiteaSettings;
use registry_core::backend::Backend;
use registry_core::models::naming::ExtensionId;
use registry_testing::fake_gitea::state::{ORGANIZATION, State};
use registry_testing::fake_gitea::{FakeGitea, Fault};

use super::evidence::{Breakable, Breakage};
use super::naming::Nameable;
use super::{Stage, behaviors, evidence, naming};

struct Gitea {
    fake: FakeGitea,
    backend: Arc<GiteaBackend>,
}

impl Gitea {
    async fn new() -> Self {
        let fake = FakeGitea::start(State::empty()).await;
        let backend = backend(&fake);
        Self { fake, backend }
    }
}

pub(super) fn backend(fake: &FakeGitea) -> Arc<GiteaBackend> {
    let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
    Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap())
}

#[async_trait]
impl Stage for Gitea {
    fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    async fn publish(&self, id: &ExtensionId, tag: &str, description: &str, archive: &[u8]) {
        let name = id.gitea_repository();
        self.fake.edit(|state| {
            if !state.repositories.iter().any(|one| one.name() == name) {
                state.create(&name, description);
            }
            state.repository_mut(&name).json["description"] = description.into();
            state.repository_mut(&name).releases.retain(|release| release["tag_name"] != tag);
            state.publish(&name, tag, &[(&format!("{name}.tar.gz"), archive)]);
        });
    }

    async fn publish_readme(&self, id: &ExtensionId, tag: &str, readme: &str) {
        self.publish(id, tag, "described", b"archive").await;
        let name = id.gitea_repository();
        self.fake.edit(|state| state.commit(&name, tag, &[("README.md", readme.as_bytes())]));
    }

    async fn remove(&self, id: &ExtensionId) {
        let name = id.gitea_repository();
        self.fake.edit(|state| state.repositories.retain(|one| one.name() != name));
    }

    async fn create(&self, id: &ExtensionId) {
        self.fake.edit(|state| state.create(&id.gitea_repository(), "nothing yet"));
    }

    async fn create_foreign(&self) {
        self.fake.edit(|state| state.create("docs", "no extension"));
    }
}

#[async_trait]
impl Breakable for Gitea {
    fn page(&self) -> usize {
        50
    }

    async fn break_lists(&self, breakage: Breakage) {
        match breakage {
            Breakage::Part => self.fake.fault("releases?page=2", Fault::html(500)),
            Breakage::Nonsense => {
                self.fake.fault("aws_prov/releases", Fault::json(r#"{"message":"log in"}"#));
            }
            Breakage::Refusal => {
                let body = r#"{"message":"user should have specific read permission"}"#;
                let kind = ("Content-Type", "application/json;charset=utf-8".to_owned());
                let refusal = Fault::Answer(403, vec![kind], body.as_bytes().to_vec());
                self.fake.fault("aws_prov/releases", refusal);
            }
        }
    }

    async fn mend_lists(&self) {
        self.fake.heal();
    }

    async fn empty(&self, id: &ExtensionId) {
        let name = id.gitea_repository();
        self.fake.edit(|state| state.repository_mut(&name).releases.clear());
    }
}

#[async_trait]
impl Nameable for Gitea {
    async fn create_named(&self, name: &str) {
        self.fake.edit(|state| state.create_released(name, "1.0.0", b"bytes"));
    }

    async fn remove_named(&self, name: &str) {
        self.fake.edit(|state| state.repositories.retain(|one| one.name() != name));
    }

    fn right(&self, name: &str) -> String {
        format!("{name}_prov")
    }

    fn wrong(&self, name: &str) -> String {
        format!("{name}-provider")
    }

    fn section(&self) -> String {
        format!("[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\n", self.fake.url())
    }
}

behaviors::conforms!(gitea, super::Gitea::new().await);
evidence::is_skeptical!(skeptical_of_gitea, super::Gitea::new().await);
naming::advises!(advises_on_gitea, super::Gitea::new().await);

#[tokio::test]
async fn names_of_strangers_are_told_on_one_line() {
    naming::hostile_names_are_told_on_one_line(&Gitea::new().await).await;
}

#[tokio::test]
async fn near_misses_of_another_owner_are_left_alone() {
    let stage = Gitea::new().await;
    stage.create_named("aws-provider").await;
    stage.create_named("gcp-provider").await;
    stage.fake.edit(|state| {
        state.repository_mut("gcp-provider").json["owner"]["login"] = "somebody".into();
    });
    let listing = stage.backend.listing().await.unwrap();
    let named: Vec<&str> = listing.faults.iter().map(|one| one.repository.as_str()).collect();
    assert_eq!(named, ["aws-provider"]);
    assert!(listing.coverage.is_complete());
}
