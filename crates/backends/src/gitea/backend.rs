//! Gitea backend: maps repositories and releases to extensions and versions.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::backend::contact::Contact;
use registry_core::backend::download::Download;
use registry_core::backend::oci_content::StoredManifest;
use registry_core::backend::{Backend, Listing, no_readme};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::fault::ExtensionFault;
use registry_core::models::naming::ExtensionId;
use registry_core::models::oci_manifest::MANIFEST_TYPE;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::gitea::client::{GiteaClient, GiteaReply};
use crate::gitea::identity::OrganizationIdentity;
use crate::gitea::models::{ReleaseRow, RepositoryRow};
use crate::gitea::organization::{OrganizationReader, no_organization};
use crate::gitea::paging::PagedList;
use crate::gitea::published_reader::{PublishedReader, PublishedReading};
use crate::gitea::releases::ReleaseReader;
use crate::gitea::repositories::{FoundRepositories, RepositoryReader, absent};
use crate::gitea::repository::GiteaRepository;
use crate::gitea::repository_cache::RepositoryCache;
use crate::gitea::rows::ListRows;
use crate::gitea::settings::{GiteaSettings, GiteaToken};
use crate::gitea::{changes, download, labels, published_readme, readme};
use crate::http::answer::UpstreamResponse;
use crate::http::json;
use crate::http::metrics::UpstreamMetrics;

/// Backend for the extensions of one organization.
pub struct GiteaBackend {
    id: BackendId,
    client: Arc<GiteaClient>,
    known: Arc<RepositoryCache>,
    organization: Arc<OrganizationReader>,
    repositories: RepositoryReader,
    published: PublishedReader,
    external_hosts: Vec<String>,
}

impl GiteaBackend {
    /// Creates a backend without a request. `Invalid` for an unusable address or certificate file.
    pub fn new(settings: GiteaSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let client = Arc::new(GiteaClient::new(&settings, metrics)?);
        let known = Arc::<RepositoryCache>::default();
        let organization = Arc::new(OrganizationReader::new(
            Arc::clone(&client),
            Arc::clone(&known),
            settings.organization,
            OrganizationIdentity::new(settings.organization_id),
        ));
        Ok(Self {
            id: settings.id,
            repositories: RepositoryReader::new(
                Arc::clone(&client),
                Arc::clone(&known),
                Arc::clone(&organization),
            ),
            published: PublishedReader::new(Arc::clone(&client)),
            client,
            known,
            organization,
            external_hosts: settings.external_asset_hosts,
        })
    }

    /// Replaces the token for all further requests. Fails for an invalid one, and keeps the old.
    pub fn replace_token(&self, token: Option<&GiteaToken>) -> Result<()> {
        self.client.replace_token(token)
    }

    /// Fetches all releases, and verifies the repository's name. `None` if switched off.
    async fn releases(
        &self,
        repository: &GiteaRepository,
        keep: impl Fn(ReleaseRow) -> Result<Option<Release>> + Sync,
    ) -> Result<Option<ListRows<Release>>> {
        let id = &repository.extension;
        let found = PagedList::releases(&self.client, &repository.name).read(keep).await?;
        let rows = match found {
            GiteaReply::Found(rows) => rows,
            GiteaReply::Absent => {
                self.known.forget(id);
                return Err(absent(id));
            }
            GiteaReply::Forbidden(refusal) => return self.off_or(refusal, id).await,
        };
        // A redirect means a rename, and the releases may belong to another extension by now.
        if rows.moved.is_some() {
            self.repositories.read(id).await?;
        }
        Ok(Some(rows))
    }

    /// `None` if releases are switched off: only the repository's row tells it from a refusal.
    async fn off_or<T>(&self, refusal: Error, id: &ExtensionId) -> Result<Option<T>> {
        if self.repositories.read(id).await?.has_releases { Err(refusal) } else { Ok(None) }
    }

    fn reader<'a>(&'a self, repository: &'a GiteaRepository) -> ReleaseReader<'a> {
        let reader =
            ReleaseReader::new(self.id, repository, &self.client.urls, &self.external_hosts);
        reader.with_known(&self.known)
    }

    async fn release(&self, repository: &GiteaRepository, tag: &Tag) -> Result<Option<Release>> {
        let url = self.client.urls.release(&repository.name, tag.as_str());
        let reader = self.reader(repository).with_notes();
        let found = self.client.find(labels::RELEASE, &url, |answer| {
            Ok((reader.read(answer.json()?)?, answer.moved.is_some()))
        });
        match found.await {
            Ok(GiteaReply::Found((release, moved))) => {
                if moved {
                    self.repositories.read(&repository.extension).await?;
                }
                Ok(release)
            }
            Ok(GiteaReply::Absent) => Ok(None),
            Ok(GiteaReply::Forbidden(refusal)) => self.off_or(refusal, &repository.extension).await,
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
        let FoundRepositories { repositories, coverage, faults } = self.repositories.all().await?;
        let mut ids: Vec<ExtensionId> = repositories.iter().map(|r| r.extension.clone()).collect();
        ids.sort();
        self.known.forget_keywords();
        self.known.listed(repositories, coverage.is_complete());
        Ok(Listing { ids, coverage, faults })
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        let (repository, fault) = self.repositories.fresh(id).await?;
        let reader = self.reader(&repository);
        let found = if repository.has_releases {
            self.releases(&repository, |row| reader.read(row)).await?
        } else {
            None
        };
        let id = repository.extension.clone();
        let Some(found) = found else {
            let fault = ExtensionFault::of_repository("its releases are switched off");
            return Ok(Extension::new(id, Vec::new()).with_faults(vec![fault]));
        };
        let (coverage, mut faults) = judged(&found);
        faults.extend(fault);
        let page = repository.about.repository.as_deref();
        let rows = found.rows.into_iter().map(|row| self.published.describe_known(row, page));
        let mut extension = Extension::new(id, rows.collect());
        if let Some(latest) = extension.latest().cloned() {
            match self.published.describe(&latest, page).await {
                Ok(None) => {}
                Ok(Some(described)) => {
                    let amended = extension.amended(|release| {
                        (release.tag == described.tag).then(|| described.clone())
                    });
                    extension = amended.unwrap_or(extension);
                }
                Err(fault) => faults.push(fault),
            }
        }
        Ok(extension.with_faults(faults).with_coverage(coverage))
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let repository = self.repositories.remembered(id).await?;
        let found = self.release(&repository, tag).await?;
        let release = found
            // The API ignores case, and a tag in another case is another version.
            .filter(|release| release.tag == *tag)
            .ok_or_else(|| Error::not_found(format!("Extension {id} has no tag {tag}")))?;
        let page = repository.about.repository.as_deref();
        Ok(self.published.complete(release, page).await)
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
        if let PublishedReading::Valid(manifest) = self.published.of(release).await? {
            let found = published_readme::read(&self.client, &manifest, id, release).await?;
            if let Some(readme) = found {
                return Ok(readme);
            }
        }
        let repository = self.repositories.remembered(id).await?;
        let found = readme::read(&self.client, &repository.name, &release.tag).await?;
        found.ok_or_else(|| no_readme(id, release))
    }

    async fn published_manifest(
        &self,
        _: &ExtensionId,
        release: &Release,
    ) -> Result<Option<StoredManifest>> {
        Ok(match self.published.of(release).await? {
            PublishedReading::Absent | PublishedReading::Invalid(_) => None,
            PublishedReading::Valid(manifest) => Some(StoredManifest {
                bytes: manifest.bytes.clone(),
                media_type: MANIFEST_TYPE.to_owned(),
                digest: manifest.digest.clone(),
            }),
        })
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        changes::since(&self.client, &self.known, &self.repositories, since).await
    }

    async fn probe(&self) -> Result<()> {
        let mut url = self.client.urls.repositories();
        // One row proves access at the lowest cost.
        url.set_query(Some("page=1&limit=1"));
        let found = self.client.find(labels::PROBE, &url, one_row);
        let row = found.await?.granted()?.ok_or_else(no_organization)?;
        let Some(row) = row else { return self.organization.check(true).await };
        if row.owner.login.eq_ignore_ascii_case(self.organization.name()) {
            self.organization.confirm(row.owner.id).await?;
        }
        self.client.check_scope(labels::PROBE, &row.name).await
    }

    fn identity(&self) -> Option<String> {
        self.organization.identity.number().map(|number| number.to_string())
    }

    fn resume(&self, identity: &str) {
        if let Ok(number) = identity.parse() {
            self.organization.identity.resume(number);
        }
    }

    fn hold(&self, until: Option<Instant>) {
        self.client.hold(until);
    }

    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        Some(self.client.contact())
    }
}

fn one_row(answer: &UpstreamResponse) -> Result<Option<RepositoryRow>> {
    let mut first = None;
    answer.each_row(|row| {
        first = first.take().or_else(|| json::document(row).ok());
        Ok(())
    })?;
    Ok(first)
}

fn judged(found: &ListRows<Release>) -> (Coverage, Vec<ExtensionFault>) {
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
