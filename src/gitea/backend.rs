//! Gitea backend: maps repositories and releases to extensions and versions.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::backend::changes::{ChangeCursor, Changes};
use crate::backend::contact::Contact;
use crate::backend::download::Download;
use crate::backend::{Backend, Listing, no_readme};
use crate::error::{Error, ErrorKind, Result};
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::convert::{GiteaRepository, ReleaseReader};
use crate::gitea::identity::OrganizationIdentity;
use crate::gitea::models::{ReleaseRow, RepositoryRow, Topics};
use crate::gitea::organization::{FoundRepositories, no_organization};
use crate::gitea::repository_cache::RepositoryCache;
use crate::gitea::rows::Rows;
use crate::gitea::settings::{GiteaSettings, GiteaToken, Organization};
use crate::gitea::{checksums, download, labels, readme};
use crate::http::answer::UpstreamResponse;
use crate::http::json;
use crate::http::memory_budget::MemoryBudget;
use crate::http::metrics::UpstreamMetrics;
use crate::models::artifact::Artifact;
use crate::models::backend_id::BackendId;
use crate::models::coverage::Coverage;
use crate::models::extension::{Extension, Release};
use crate::models::fault::ExtensionFault;
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::tag::Tag;

/// Backend for the extensions of one organization.
pub struct GiteaBackend {
    id: BackendId,
    pub(super) client: GiteaClient,
    pub(super) organization: Organization,
    pub(super) identity: OrganizationIdentity,
    external_hosts: Vec<String>,
    pub(super) known: RepositoryCache,
}

impl GiteaBackend {
    /// Creates a backend without a request. `Invalid` for an unusable address or certificate file.
    pub fn new(settings: GiteaSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        Ok(Self {
            id: settings.id,
            client: GiteaClient::new(&settings, metrics)?,
            organization: settings.organization,
            identity: OrganizationIdentity::new(settings.organization_id),
            external_hosts: settings.external_asset_hosts,
            known: RepositoryCache::default(),
        })
    }

    /// Replaces the token for all further requests. Fails for an invalid one, and keeps the old.
    pub fn replace_token(&self, token: Option<&GiteaToken>) -> Result<()> {
        self.client.replace_token(token)
    }

    /// Follows redirects of renamed repositories: one with another name is another extension.
    async fn repository(&self, id: &ExtensionId) -> Result<Arc<GiteaRepository>> {
        let url = self.client.urls.repository(&id.gitea_repository());
        let row = self.client.document(labels::REPOSITORY, &url).await?.granted()?;
        let Some(row) = row else {
            self.known.forget(id);
            return Err(absent(id));
        };
        let found = GiteaRepository::from_row(row, &self.client.urls);
        let Some(repository) = self.ours(found).await? else {
            return Err(gone(format!("Extension {id} has left its organization")));
        };
        let repository = self.known.read(self.with_known_topics(Arc::new(repository)));
        if repository.extension != *id {
            return Err(gone(format!("Extension {id} is now {}", repository.extension)));
        }
        Ok(repository)
    }

    /// Returns a repository requested by name. Fails if another organization took the name.
    async fn ours(&self, found: Option<GiteaRepository>) -> Result<Option<GiteaRepository>> {
        let Some(repository) = found else { return Ok(None) };
        // After a rename only the number matches; before it is known, only the name does.
        let by_name = repository.is_of(self.organization.as_str());
        let by_number = self.identity.number() == Some(repository.owner);
        if !by_name && !by_number {
            return Ok(None);
        }
        self.confirm(repository.owner).await?;
        Ok(Some(repository))
    }

    /// Returns the cached repository if the organization was just verified, or fetches it.
    async fn remembered(&self, id: &ExtensionId) -> Result<Arc<GiteaRepository>> {
        match self.known.remembered(id).filter(|_| self.identity.is_confirmed()) {
            Some(repository) => Ok(repository),
            None => self.repository(id).await,
        }
    }

    fn with_known_topics(&self, repository: Arc<GiteaRepository>) -> Arc<GiteaRepository> {
        match self.known.topics_of(repository.number) {
            Some(topics) if !repository.tells_topics => repository.with_topics(&topics),
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
        let topics = match self.known.topics_of(repository.number) {
            Some(topics) => topics,
            None => match self.ask_topics(&repository).await {
                Ok(topics) => self.known.learn_topics(repository.number, topics),
                // Topics are keywords only, so that a missing right hides no extension.
                Err(error) if error.kind() == ErrorKind::BackendRefused => {
                    let fault = format!("its topics cannot be read: {}", error.report());
                    return Ok((repository, Some(ExtensionFault::of_repository(fault))));
                }
                Err(error) => return Err(error),
            },
        };
        Ok((self.known.read(repository.with_topics(&topics)), None))
    }

    async fn ask_topics(&self, repository: &GiteaRepository) -> Result<Vec<String>> {
        let url = self.client.urls.topics(&repository.name);
        let found = self.client.document::<Topics>(labels::TOPICS, &url).await?;
        Ok(found.granted()?.map(|found| found.topics).unwrap_or_default())
    }

    /// Fetches all releases, and verifies the repository's name. `None` if switched off.
    async fn releases(
        &self,
        repository: &GiteaRepository,
        keep: impl Fn(ReleaseRow) -> Result<Option<Release>> + Sync,
    ) -> Result<Option<Rows<Release>>> {
        let id = &repository.extension;
        let rows = match self.client.releases(&repository.name, keep).await? {
            Reply::Found(rows) => rows,
            Reply::Absent => {
                self.known.forget(id);
                return Err(absent(id));
            }
            Reply::Forbidden(refusal) => return self.off_or(refusal, id).await,
        };
        // A redirect means a rename, and the releases may belong to another extension by now.
        if rows.moved.is_some() {
            self.repository(id).await?;
        }
        Ok(Some(rows))
    }

    /// `None` if releases are switched off: only the repository's row tells it from a refusal.
    async fn off_or<T>(&self, refusal: Error, id: &ExtensionId) -> Result<Option<T>> {
        if self.repository(id).await?.has_releases { Err(refusal) } else { Ok(None) }
    }

    fn reader<'a>(&'a self, repository: &'a GiteaRepository) -> ReleaseReader<'a> {
        let reader =
            ReleaseReader::new(self.id, repository, &self.client.urls, &self.external_hosts);
        reader.with_known(&self.known)
    }

    async fn release(&self, repository: &GiteaRepository, tag: &Tag) -> Result<Option<Release>> {
        let url = self.client.urls.release(&repository.name, tag.as_str());
        let reader = self.reader(repository).with_notes();
        let found = self.client.find(labels::RELEASE, &url, |answer, room| {
            Ok((reader.read(answer.json(room)?)?, answer.moved.is_some()))
        });
        match found.await {
            Ok(Reply::Found((release, moved))) => {
                if moved {
                    self.repository(&repository.extension).await?;
                }
                Ok(release)
            }
            Ok(Reply::Absent) => Ok(None),
            Ok(Reply::Forbidden(refusal)) => self.off_or(refusal, &repository.extension).await,
            // Some proxies decode the slash in a tag and request another path: search the list.
            Err(error)
                if error.kind() == ErrorKind::BackendFaulty && tag.as_str().contains('/') =>
            {
                let found = self.releases(repository, |row: ReleaseRow| {
                    if row.tag_name == tag.as_str() { reader.read(row) } else { Ok(None) }
                });
                let found = found.await?;
                Ok(found.and_then(|mut found| found.rows.pop()))
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Backend for GiteaBackend {
    fn id(&self) -> BackendId {
        self.id
    }

    async fn listing(&self) -> Result<Listing> {
        let FoundRepositories { repositories, coverage, faults } = self.repositories().await?;
        let mut ids: Vec<ExtensionId> = repositories.iter().map(|r| r.extension.clone()).collect();
        ids.sort();
        self.known.forget_topics();
        self.known.listed(repositories, coverage.is_complete());
        Ok(Listing { ids, coverage, faults })
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        // The listing contained this row a moment ago, which saves one request per extension.
        let fresh = self.known.take_fresh(id).filter(|_| self.identity.is_confirmed());
        let repository = match fresh {
            Some(repository) => repository,
            None => self.repository(id).await?,
        };
        let (repository, fault) = self.with_topics(repository).await?;
        let reader = self.reader(&repository);
        let found = match repository.has_releases {
            true => self.releases(&repository, |row| reader.read(row)).await?,
            false => None,
        };
        let id = repository.extension.clone();
        let Some(found) = found else {
            let fault = ExtensionFault::of_repository("its releases are switched off");
            return Ok(Extension::new(id, Vec::new()).with_faults(vec![fault]));
        };
        let (coverage, mut faults) = judged(&found);
        faults.extend(fault);
        Ok(Extension::new(id, found.rows).with_faults(faults).with_coverage(coverage))
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let repository = self.remembered(id).await?;
        let found = self.release(&repository, tag).await?;
        let release = found
            // The API ignores case, and a tag in another case is another version.
            .filter(|release| release.tag == *tag)
            .ok_or_else(|| gone(format!("Extension {id} has no tag {tag}")))?;
        Ok(checksums::with_digest(&self.client, release).await)
    }

    async fn open(
        &self,
        _: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        let opened = download::open(&self.client, artifact, range).await?;
        if artifact.known_size().is_none() {
            // A later range request needs the size, which the release lacks for external files.
            self.known.learn_size(artifact.key.as_str(), opened.length);
        }
        Ok(opened)
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let repository = self.remembered(id).await?;
        let found = readme::read(&self.client, &repository.name, &release.tag).await?;
        found.ok_or_else(|| no_readme(id, release))
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        self.changes_since(since).await
    }

    async fn probe(&self) -> Result<()> {
        let mut url = self.client.urls.repositories();
        // One row proves access at the lowest cost.
        url.set_query(Some("page=1&limit=1"));
        let found = self.client.find(labels::PROBE, &url, one_row);
        let row = found.await?.granted()?.ok_or_else(no_organization)?;
        let Some(row) = row else { return self.check_organization(true).await };
        if row.owner.login.eq_ignore_ascii_case(self.organization.as_str()) {
            self.confirm(row.owner.id).await?;
        }
        self.client.check_scope(labels::PROBE, &row.name).await
    }

    fn identity(&self) -> Option<String> {
        self.identity.number().map(|number| number.to_string())
    }

    fn resume(&self, identity: &str) {
        if let Ok(number) = identity.parse() {
            self.identity.resume(number);
        }
    }

    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        Some(self.client.contact())
    }
}

fn one_row(answer: &UpstreamResponse, room: MemoryBudget) -> Result<Option<RepositoryRow>> {
    let mut first = None;
    answer.each_row(|row| {
        first = first.take().or_else(|| json::document(row, room).ok());
        Ok(())
    })?;
    Ok(first)
}

fn judged(found: &Rows<Release>) -> (Coverage, Vec<ExtensionFault>) {
    let mut gaps = found.gaps.clone();
    // A truncated list lacks rows by design: only a complete one is compared with the total.
    if found.unreadable > 0 {
        gaps.push(format!("{} of its releases cannot be read", found.unreadable));
    } else if found.missing() > 0 && !found.cut && gaps.is_empty() {
        let (total, seen) = (found.total.unwrap_or_default(), found.seen);
        gaps.push(format!("the server counts {total} releases and shows {seen}"));
    }
    let unread = gaps
        .iter()
        .map(|gap| ExtensionFault { unreadable: true, ..ExtensionFault::of_repository(gap) });
    let mut faults: Vec<ExtensionFault> = unread.collect();
    let cut = "it has more releases than can be listed";
    if found.cut {
        faults.push(ExtensionFault::of_repository(cut));
    }
    let coverage = match Coverage::with_gaps(&gaps) {
        Coverage::Complete if found.cut => Coverage::Bounded(cut.into()),
        coverage => coverage,
    };
    (coverage, faults)
}

fn absent(id: &ExtensionId) -> Error {
    gone(format!("Extension {id} not found"))
}

fn gone(message: String) -> Error {
    Error::not_found(message)
}
