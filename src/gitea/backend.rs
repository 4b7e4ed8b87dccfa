//! Gitea as a backend: what its repositories and releases mean here.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::backend::changes::{ChangeCursor, Changes};
use crate::backend::contact::Contact;
use crate::backend::download::Download;
use crate::backend::{Backend, Fault, Listing, no_readme};
use crate::error::{Error, ErrorKind, Result};
use crate::gitea::client::{GiteaClient, Reply};
use crate::gitea::convert::{ReleaseReader, Repository};
use crate::gitea::known::Known;
use crate::gitea::models::ReleaseRow;
use crate::gitea::rows::Rows;
use crate::gitea::settings::{GiteaSettings, GiteaToken, Organization};
use crate::gitea::{checksums, download, feed, operations, readme};
use crate::http::answer::Answer;
use crate::http::metrics::UpstreamMetrics;
use crate::models::artifact::Artifact;
use crate::models::coverage::Coverage;
use crate::models::extension::{Extension, Release};
use crate::models::fault::{ExtensionFault, FaultSubject};
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::source::Source;
use crate::models::tag::Tag;

/// The extensions of one organisation.
pub struct GiteaBackend {
    client: GiteaClient,
    organization: Organization,
    external_hosts: Vec<String>,
    known: Known,
}

impl GiteaBackend {
    /// A backend that has asked nothing yet.
    ///
    /// # Errors
    /// `Invalid` for an address or a certificate file that cannot be used.
    pub fn new(settings: GiteaSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        Ok(Self {
            client: GiteaClient::new(&settings, metrics)?,
            organization: settings.organization,
            external_hosts: settings.external_asset_hosts,
            known: Known::default(),
        })
    }

    /// From the next question on, asks with this token: for a token file that has changed.
    ///
    /// # Errors
    /// A token that cannot be sent; the one before it stays.
    pub fn replace_token(&self, token: Option<&GiteaToken>) -> Result<()> {
        self.client.replace_token(token)
    }

    /// The repository of an extension as it is now. Redirects of renamed repositories are followed
    /// to see what became of them: one that goes by another name is another extension.
    async fn repository(&self, id: &ExtensionId) -> Result<Arc<Repository>> {
        let url = self.client.urls.repository(&id.gitea_repository());
        let Reply::Found(row) = self.client.document(operations::REPOSITORY, &url).await? else {
            self.known.forget(id);
            return Err(absent(id));
        };
        let found = Repository::from_row(row, &self.client.urls).filter(|r| self.is_ours(r));
        let Some(repository) = found.map(|repository| self.known.read(repository)) else {
            return Err(gone(format!("Extension {id} has left its organisation")));
        };
        if repository.extension != *id {
            return Err(gone(format!("Extension {id} is now {}", repository.extension)));
        }
        Ok(repository)
    }

    /// The repository of an extension as it last was.
    async fn remembered(&self, id: &ExtensionId) -> Result<Arc<Repository>> {
        match self.known.remembered(id) {
            Some(repository) => Ok(repository),
            None => self.repository(id).await,
        }
    }

    fn is_ours(&self, repository: &Repository) -> bool {
        self.known.is_organization(repository.owner)
            || repository.owner_login.eq_ignore_ascii_case(self.organization.as_str())
    }

    /// All the releases of a repository, if it still goes by its name. Half of them would look as
    /// if the others were gone, so they are an error.
    async fn releases(
        &self,
        repository: &Repository,
        keep: impl Fn(ReleaseRow) -> Result<Option<Release>> + Sync,
    ) -> Result<Rows<Release>> {
        let id = &repository.extension;
        let Some(rows) = self.client.releases(&repository.name, keep).await? else {
            self.known.forget(id);
            return Err(absent(id));
        };
        if let Some(gap) = rows.gaps.first() {
            return Err(Error::faulty(gap.clone()).at(Source::Gitea));
        }
        if rows.moved.is_some() {
            self.repository(id).await?;
        }
        Ok(rows)
    }

    fn listing_of(&self, found: Rows<Repository>) -> Listing {
        let Rows { rows: repositories, seen: visible, total, mut gaps, cut, unreadable, moved } =
            found;
        if cut {
            gaps.push("a list of gitea is too long".to_owned());
        }
        if unreadable > 0 {
            gaps.push(format!("{unreadable} repositories cannot be read"));
        }
        if visible == 0 && total.is_some_and(|total| total > 0) {
            gaps.push("none of the organisation's repositories are visible to us".to_owned());
        }
        let coverage = Coverage::with_gaps(&gaps);
        let mut notes = gaps;
        if let Some(hidden) =
            total.and_then(|total| total.checked_sub(visible + unreadable)).filter(|n| *n > 0)
        {
            notes.push(format!("{hidden} repositories are not visible to us"));
        }
        let first = repositories.first().map(|repository| repository.owner_login.clone());
        let renamed = first.filter(|_| moved.is_some());
        let owner = renamed.as_deref().unwrap_or(self.organization.as_str());
        let (repositories, others): (Vec<Repository>, Vec<Repository>) = repositories
            .into_iter()
            .partition(|repository| repository.owner_login.eq_ignore_ascii_case(owner));
        if !others.is_empty() {
            notes.push(format!("{} repositories are of another owner", others.len()));
        }
        if let Some(name) = renamed {
            notes.push(format!("the organisation is now called {name}: change the configuration"));
        }
        let mut ids: Vec<ExtensionId> = repositories.iter().map(|r| r.extension.clone()).collect();
        ids.sort();
        self.known.listed(repositories, coverage.is_complete());
        Listing { ids, coverage, faults: notes.into_iter().map(|note| self.note(note)).collect() }
    }

    fn note(&self, reason: String) -> Fault {
        Fault {
            repository: self.organization.as_str().to_owned(),
            subject: FaultSubject::Listing,
            reason,
        }
    }

    fn reader<'a>(&'a self, repository: &'a Repository) -> ReleaseReader<'a> {
        ReleaseReader::new(repository, &self.client.urls, &self.external_hosts)
    }

    /// One release as the API finds it, which does not mind the case of a tag.
    async fn release(&self, repository: &Repository, tag: &Tag) -> Result<Option<Release>> {
        let url = self.client.urls.release(&repository.name, tag.as_str());
        let reader = self.reader(repository).with_notes();
        let read =
            |answer: &Answer, room| Ok((reader.read(answer.json(room)?)?, answer.moved.is_some()));
        match self.client.find(operations::RELEASE, &url, read).await {
            Ok(Reply::Found((release, moved))) => {
                if moved {
                    self.repository(&repository.extension).await?;
                }
                Ok(release)
            }
            Ok(Reply::Absent | Reply::SwitchedOff) => Ok(None),
            // Some proxies decode the slash and make another address of it: look in the list.
            Err(error)
                if error.kind() == ErrorKind::BackendFaulty && tag.as_str().contains('/') =>
            {
                let wanted = |row: ReleaseRow| {
                    if row.tag_name == tag.as_str() { reader.read(row) } else { Ok(None) }
                };
                Ok(self.releases(repository, wanted).await?.rows.pop())
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Backend for GiteaBackend {
    fn source(&self) -> Source {
        Source::Gitea
    }

    async fn listing(&self) -> Result<Listing> {
        let found = self.client.repositories().await?;
        found.map(|rows| self.listing_of(rows)).ok_or_else(no_organization)
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        let repository = match self.known.take_fresh(id) {
            Some(repository) => repository,
            None => self.repository(id).await?,
        };
        let known_as = repository.extension.clone();
        if !repository.has_releases {
            let fault = ExtensionFault::of_repository("its releases are switched off");
            return Ok(Extension::new(known_as, Vec::new()).with_faults(vec![fault]));
        }
        let reader = self.reader(&repository);
        let found = self.releases(&repository, |row| reader.read(row)).await?;
        let unreadable = (found.unreadable > 0)
            .then(|| format!("{} of its releases cannot be read", found.unreadable));
        let cut = found.cut.then(|| "it has more releases than can be listed".to_owned());
        let faults =
            [cut, unreadable].into_iter().flatten().map(ExtensionFault::of_repository).collect();
        Ok(Extension::new(known_as, found.rows).with_faults(faults))
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let repository = self.remembered(id).await?;
        let found = self.release(&repository, tag).await?;
        let release = found
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
        download::open(&self.client, artifact, range).await
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let repository = self.remembered(id).await?;
        let found = readme::read(&self.client, &repository.name, &release.tag).await?;
        found.ok_or_else(|| no_readme(id, release).at(Source::Gitea))
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        feed::changes(&self.client, &self.known, since).await
    }

    async fn probe(&self) -> Result<()> {
        let mut url = self.client.urls.repositories();
        url.set_query(Some("page=1&limit=1"));
        match self.client.find(operations::PROBE, &url, |answer, _| is_list(answer)).await? {
            Reply::Found(()) => Ok(()),
            Reply::Absent | Reply::SwitchedOff => Err(no_organization()),
        }
    }

    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        Some(self.client.contact())
    }
}

fn is_list(answer: &Answer) -> Result<()> {
    answer.each_row(|_| Ok(()))
}

fn absent(id: &ExtensionId) -> Error {
    gone(format!("Extension {id} not found"))
}

fn gone(message: String) -> Error {
    Error::not_found(message).at(Source::Gitea)
}

/// Not `NotFound`: what is missing is in the configuration, and says nothing of any extension.
fn no_organization() -> Error {
    let message = "The gitea backend shows us no such organisation: check its name and the token";
    Error::new(ErrorKind::BackendRefused, message).at(Source::Gitea)
}
