//! Verification of the organization's identity: its number survives a rename, its name does not.

use std::sync::Arc;

use registry_core::error::{Error, ErrorKind, Result};

use crate::gitea::client::GiteaClient;
use crate::gitea::identity::OrganizationIdentity;
use crate::gitea::labels;
use crate::gitea::models::{Account, RepositoryRow};
use crate::gitea::repository::GiteaRepository;
use crate::gitea::repository_cache::RepositoryCache;
use crate::gitea::settings::Organization;

/// The organization as its server shows it.
pub(super) struct OrganizationReader {
    client: Arc<GiteaClient>,
    known: Arc<RepositoryCache>,
    name: Organization,
    pub(super) identity: OrganizationIdentity,
}

impl OrganizationReader {
    pub(super) const fn new(
        client: Arc<GiteaClient>,
        known: Arc<RepositoryCache>,
        name: Organization,
        identity: OrganizationIdentity,
    ) -> Self {
        Self { client, known, name, identity }
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Returns a repository requested by name. Fails if another organization took the name.
    pub(super) async fn own(
        &self,
        found: Option<GiteaRepository>,
    ) -> Result<Option<GiteaRepository>> {
        let Some(repository) = found else { return Ok(None) };
        // After a rename only the number matches; before it is known, only the name does.
        let by_name = repository.is_of(self.name());
        let by_number = self.identity.number() == Some(repository.owner);
        if !by_name && !by_number {
            return Ok(None);
        }
        self.confirm(repository.owner).await?;
        Ok(Some(repository))
    }

    /// Needed only if no repository shows the number: a hidden organization has an empty list.
    pub(super) async fn check(&self, shows_nothing: bool) -> Result<()> {
        let url = self.client.urls.organization();
        let number =
            self.client.find(labels::ORGANIZATION, &url, |answer| Ok(answer.json::<Account>()?.id));
        match number.await {
            Ok(reply) => match reply.granted()? {
                Some(number) => self.confirm(number).await,
                None if shows_nothing => Err(no_organization()),
                None => Ok(()),
            },
            // Some servers implement only a part of the API.
            Err(error) if error.kind() == ErrorKind::BackendFaulty => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn confirm(&self, number: i64) -> Result<()> {
        // Rows of some servers have no owner number.
        if number == 0 {
            return Ok(());
        }
        match self.identity.confirm(number) {
            Ok(()) => Ok(()),
            Err(known) => Err(self.stranger(known, number).await),
        }
    }

    async fn stranger(&self, known: i64, seen: i64) -> Error {
        let name = self.name();
        let new_name = match self.name_of(known).await {
            Some(new) => {
                format!(" The former one is now called {new}: set organization to that name.")
            }
            None => String::new(),
        };
        let message = format!(
            "The organization {name} had the id {known} and now has the id {seen}: another organization took the name.{new_name} Set organization_id = {seen} to accept the new one"
        );
        Error::new(ErrorKind::BackendRefused, message)
    }

    /// Returns the current name of an account, from a repository that it owned.
    async fn name_of(&self, number: i64) -> Option<String> {
        let url = self.client.urls.by_number(self.known.any_number()?);
        let owner = self
            .client
            .find(labels::REPOSITORY, &url, |answer| Ok(answer.json::<RepositoryRow>()?.owner));
        let owner = owner.await.ok()?.granted().ok()??;
        // The name goes into a message that administrators read.
        let mut characters = owner.login.chars();
        let plain = characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        (owner.id == number && plain).then_some(owner.login)
    }
}

/// Not `NotFound`, because the configuration is wrong and no extension is absent.
pub(super) fn no_organization() -> Error {
    let message = "The organization is not visible: check its name and the token";
    Error::new(ErrorKind::BackendRefused, message)
}
