//! The conformance suite over Gitea, as its fake plays it.

use std::sync::Arc;

use async_trait::async_trait;
use extension_registry::backend::Backend;
use extension_registry::gitea::backend::GiteaBackend;
use extension_registry::gitea::settings::GiteaSettings;
use extension_registry::models::naming::ExtensionId;

use super::{Stage, behaviours};
use crate::support::fake_gitea::FakeGitea;
use crate::support::fake_gitea::state::{ORGANIZATION, State};

struct Gitea {
    fake: FakeGitea,
    backend: Arc<GiteaBackend>,
}

impl Gitea {
    async fn new() -> Self {
        let fake = FakeGitea::start(State::empty()).await;
        let settings = GiteaSettings::new(fake.url(), ORGANIZATION.parse().unwrap());
        let backend = Arc::new(GiteaBackend::new(settings, Arc::new(())).unwrap());
        Self { fake, backend }
    }
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

behaviours::conforms!(gitea, super::Gitea::new().await);
