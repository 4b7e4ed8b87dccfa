//! The organization's repositories: all of them, or the one of an extension.

use std::collections::HashSet;
use std::sync::Arc;

use registry_core::backend::Fault;
use registry_core::backend::naming::naming_faults;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::coverage::Coverage;
use registry_core::models::fault::{ExtensionFault, FaultSubject};
use registry_core::models::naming::ExtensionId;

use crate::gitea::client::GiteaClient;
use crate::gitea::labels;
use crate::gitea::models::Topics;
use crate::gitea::named::{NamedRow, Overlooked};
use crate::gitea::organization::{OrganizationReader, no_organization};
use crate::gitea::paging::PagedList;
use crate::gitea::repository::GiteaRepository;
use crate::gitea::repository_cache::RepositoryCache;
use crate::gitea::rows::ListRows;
use crate::gitea::texts::keywords;

pub(super) struct FoundRepositories {
    pub(super) repositories: Vec<GiteaRepository>,
    pub(super) coverage: Coverage,
    pub(super) faults: Vec<Fault>,
}

/// Reader of repositories. It accepts only those of the verified organization.
pub(super) struct RepositoryReader {
    client: Arc<GiteaClient>,
    known: Arc<RepositoryCache>,
    organization: Arc<OrganizationReader>,
}

impl RepositoryReader {
    pub(super) const fn new(
        client: Arc<GiteaClient>,
        known: Arc<RepositoryCache>,
        organization: Arc<OrganizationReader>,
    ) -> Self {
        Self { client, known, organization }
    }

    /// Fails if another organization has the name, or if the token can only list repositories.
    pub(super) async fn all(&self) -> Result<FoundRepositories> {
        let keep = |row| Ok(NamedRow::from_row(row, &self.client.urls));
        let rows = PagedList::repositories(&self.client).read(keep).await?;
        let rows = rows.granted()?.ok_or_else(no_organization)?;
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
        let owner = renamed.as_deref().unwrap_or_else(|| self.organization.name());
        self.confirm(&rows, owner).await?;
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

    async fn confirm(&self, rows: &ListRows<GiteaRepository>, owner: &str) -> Result<()> {
        for ours in rows.rows.iter().filter(|one| one.is_of(owner)) {
            self.organization.confirm(ours.owner).await?;
        }
        match rows.rows.iter().find(|one| one.is_of(owner)) {
            // A token may list repositories but not read them; all releases would seem absent.
            Some(ours) => self.client.check_scope(labels::REPOSITORY, &ours.name).await,
            None => self.organization.check(rows.seen == 0).await,
        }
    }

    /// Reads the repository of an extension. Follows redirects of renamed repositories: one with
    /// another name is another extension.
    pub(super) async fn read(&self, id: &ExtensionId) -> Result<Arc<GiteaRepository>> {
        let urls = &self.client.urls;
        let url = urls.repository(&id.gitea_repository());
        let found = self.client.find(labels::REPOSITORY, &url, |answer| {
            Ok(GiteaRepository::from_row(answer.json()?, urls))
        });
        let Some(found) = found.await?.granted()? else {
            self.known.forget(id);
            return Err(absent(id));
        };
        let Some(repository) = self.organization.own(found).await? else {
            let message = format!("Extension {id} has left its organization");
            return Err(Error::not_found(message));
        };
        let repository = self.known.read(self.with_known_topics(Arc::new(repository)));
        if repository.extension != *id {
            let message = format!("Extension {id} is now {}", repository.extension);
            return Err(Error::not_found(message));
        }
        Ok(repository)
    }

    /// Returns the cached repository if the organization was just verified, or reads it.
    pub(super) async fn remembered(&self, id: &ExtensionId) -> Result<Arc<GiteaRepository>> {
        match self.known.remembered(id).filter(|_| self.organization.identity.is_confirmed()) {
            Some(repository) => Ok(repository),
            None => self.read(id).await,
        }
    }

    /// Returns the repository with its topics, and a fault if they cannot be read.
    pub(super) async fn fresh(
        &self,
        id: &ExtensionId,
    ) -> Result<(Arc<GiteaRepository>, Option<ExtensionFault>)> {
        // The listing contained this row a moment ago, which saves one request per extension.
        let listed = self.known.take_fresh(id);
        let repository = match listed.filter(|_| self.organization.identity.is_confirmed()) {
            Some(repository) => repository,
            None => self.read(id).await?,
        };
        self.with_topics(repository).await
    }

    fn with_known_topics(&self, repository: Arc<GiteaRepository>) -> Arc<GiteaRepository> {
        match self.known.keywords_of(repository.number) {
            Some(keywords) if !repository.tells_topics => repository.with_keywords(&keywords),
            _ => repository,
        }
    }

    /// Adds topics that the row lacks, once per sweep. A refusal by the server becomes a fault.
    async fn with_topics(
        &self,
        repository: Arc<GiteaRepository>,
    ) -> Result<(Arc<GiteaRepository>, Option<ExtensionFault>)> {
        if repository.tells_topics || repository.has_none || !repository.has_releases {
            return Ok((repository, None));
        }
        let keywords = match self.known.keywords_of(repository.number) {
            Some(keywords) => keywords,
            None => match self.ask_keywords(&repository).await {
                Ok(keywords) => self.known.learn_keywords(repository.number, keywords),
                // Topics are keywords only, so that a missing right hides no extension.
                Err(error) if error.kind() == ErrorKind::BackendRefused => {
                    let fault = format!("its topics cannot be read: {}", error.report());
                    return Ok((repository, Some(ExtensionFault::of_repository(fault))));
                }
                Err(error) => return Err(error),
            },
        };
        Ok((self.known.read(repository.with_keywords(&keywords)), None))
    }

    async fn ask_keywords(&self, repository: &GiteaRepository) -> Result<Box<[Box<str>]>> {
        let url = self.client.urls.topics(&repository.name);
        let found = self
            .client
            .find(labels::TOPICS, &url, |answer| Ok(keywords(&answer.json::<Topics>()?.topics)));
        Ok(found.await?.granted()?.unwrap_or_default())
    }

    fn note(&self, reason: String) -> Fault {
        let repository = self.organization.name().to_owned();
        Fault { repository, subject: FaultSubject::Listing, reason }
    }
}

/// Returns the error for an extension whose repository the server does not have.
pub(super) fn absent(id: &ExtensionId) -> Error {
    Error::not_found(format!("Extension {id} not found"))
}

fn advice(overlooked: Vec<Overlooked>, served: &[GiteaRepository]) -> Vec<Fault> {
    let served: HashSet<&ExtensionId> = served.iter().map(|one| &one.extension).collect();
    let reasons = overlooked.into_iter().map(|Overlooked { name, near_miss, .. }| {
        let reason = near_miss.reason(|meant| served.contains(meant));
        (name, reason)
    });
    naming_faults(reasons)
}

fn judged(rows: &ListRows<GiteaRepository>) -> (Coverage, Vec<String>) {
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
