//! Repositories of the organization, and verification of the organization's identity.

use std::collections::HashSet;

use crate::backend::Fault;
use crate::backend::naming::naming_faults;
use crate::error::{Error, ErrorKind, Result};
use crate::gitea::backend::GiteaBackend;
use crate::gitea::convert::GiteaRepository;
use crate::gitea::labels;
use crate::gitea::models::{Account, RepositoryRow};
use crate::gitea::named::{NamedRow, Overlooked};
use crate::gitea::rows::Rows;
use crate::models::coverage::Coverage;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;

pub(super) struct FoundRepositories {
    pub(super) repositories: Vec<GiteaRepository>,
    pub(super) coverage: Coverage,
    pub(super) faults: Vec<Fault>,
}

impl GiteaBackend {
    /// Fails if another organization has the name, or if the token can only list repositories.
    pub(super) async fn repositories(&self) -> Result<FoundRepositories> {
        let rows = self.client.repositories().await?.granted()?.ok_or_else(no_organization)?;
        let mut overlooked = Vec::new();
        let rows = rows.keeping(|named| match named {
            NamedRow::Extension(repository) => Some(*repository),
            NamedRow::NearMiss(one) => {
                overlooked.push(one);
                None
            }
        });
        // A redirect of the list means a rename: the rows then carry the new name.
        let renamed = rows.moved.and(rows.rows.first()).map(|one| one.owner_login.clone());
        let owner = renamed.as_deref().unwrap_or_else(|| self.organization.as_str());
        for ours in rows.rows.iter().filter(|one| one.is_of(owner)) {
            self.confirm(ours.owner).await?;
        }
        match rows.rows.iter().find(|one| one.is_of(owner)) {
            // A token may list repositories but not read them; all releases would seem absent.
            Some(ours) => self.client.check_scope(labels::REPOSITORY, &ours.name).await?,
            None => self.check_organization(rows.seen == 0).await?,
        }
        let (coverage, mut notes) = judged(&rows);
        let (repositories, others): (Vec<GiteaRepository>, Vec<GiteaRepository>) =
            rows.rows.into_iter().partition(|one| one.is_of(owner));
        if !others.is_empty() {
            notes.push(format!("{} repositories are of another owner", others.len()));
        }
        if let Some(name) = &renamed {
            notes.push(format!("the organization was renamed to {name}: update the configuration"));
        }
        overlooked.retain(|one| one.owner_login.eq_ignore_ascii_case(owner));
        let mut faults: Vec<Fault> = notes.into_iter().map(|note| self.note(note)).collect();
        faults.extend(advice(overlooked, &repositories));
        Ok(FoundRepositories { repositories, coverage, faults })
    }

    /// Needed only if no repository shows the number: a hidden organization has an empty list.
    pub(super) async fn check_organization(&self, shows_nothing: bool) -> Result<()> {
        let url = self.client.urls.organization();
        match self.client.document::<Account>(labels::ORGANIZATION, &url).await {
            Ok(reply) => match reply.granted()? {
                Some(account) => self.confirm(account.id).await,
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
        let name = self.organization.as_str();
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
        let found = self.client.document::<RepositoryRow>(labels::REPOSITORY, &url).await;
        let owner = found.ok()?.granted().ok()??.owner;
        // The name goes into a message that administrators read.
        let mut characters = owner.login.chars();
        let plain = characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        (owner.id == number && plain).then_some(owner.login)
    }

    fn note(&self, reason: String) -> Fault {
        let repository = self.organization.as_str().to_owned();
        Fault { repository, subject: FaultSubject::Listing, reason }
    }
}

fn advice(overlooked: Vec<Overlooked>, served: &[GiteaRepository]) -> Vec<Fault> {
    let served: HashSet<&ExtensionId> = served.iter().map(|one| &one.extension).collect();
    let reasons = overlooked.into_iter().map(|Overlooked { name, near_miss, .. }| {
        let reason = near_miss.reason(|meant| served.contains(meant));
        (name, reason)
    });
    naming_faults(reasons)
}

fn judged(rows: &Rows<GiteaRepository>) -> (Coverage, Vec<String>) {
    let mut gaps = rows.gaps.clone();
    if rows.cut {
        gaps.push("a Gitea list is too long".to_owned());
    }
    if rows.unreadable > 0 {
        gaps.push(format!("{} repositories cannot be read", rows.unreadable));
    }
    let missing = rows.missing();
    if rows.seen == 0 && missing > 0 {
        gaps.push("no repository of the organization is visible with these credentials".to_owned());
    }
    // Hidden repositories do not count as gaps: a team may be meant to see only some.
    let coverage = Coverage::with_gaps(&gaps);
    let hidden = Some(missing).filter(|missing| *missing > 0 && rows.gaps.is_empty());
    gaps.extend(
        hidden.map(|missing| {
            format!("{missing} repositories are not visible with these credentials")
        }),
    );
    (coverage, gaps)
}

/// Not `NotFound`, because the configuration is wrong and no extension is absent.
pub(super) fn no_organization() -> Error {
    let message = "The organization is not visible: check its name and the token";
    Error::new(ErrorKind::BackendRefused, message)
}
