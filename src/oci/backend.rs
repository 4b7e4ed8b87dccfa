//! The backend over one namespace of an OCI registry.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, future, stream};
use tokio::sync::{Semaphore, watch};

use crate::backend::changes::{ChangeCursor, Changes, Listed};
use crate::backend::coalesce::Coalesced;
use crate::backend::contact::Contact;
use crate::backend::download::Download;
use crate::backend::{Backend, Fault, Listing, no_readme};
use crate::error::{Error, ErrorKind, Result};
use crate::http::HttpClient;
use crate::http::metrics::UpstreamMetrics;
use crate::http::room::Room;
use crate::models::artifact::Artifact;
use crate::models::coverage::Coverage;
use crate::models::digest::{Digest, InvalidDigest};
use crate::models::extension::{Extension, Release};
use crate::models::fault::{ExtensionFault, FaultSubject};
use crate::models::naming::ExtensionId;
use crate::models::readme::Readme;
use crate::models::source::Source;
use crate::models::tag::Tag;
use crate::oci::client::{Client, Names};
use crate::oci::credentials::Credentials;
use crate::oci::known::Known;
use crate::oci::reading::{Place, Reader};
use crate::oci::settings::OciSettings;
use crate::oci::sweep::{AT_ONCE, Sweep};

/// Serves the extensions of one namespace. Cheap to clone.
#[derive(Clone)]
pub struct OciBackend(Arc<Inner>);

struct Inner {
    settings: OciSettings,
    client: Client,
    reader: Reader,
    known: Known,
    releases: Coalesced<ExtensionId, Extension>,
    /// Reads of older releases that may be under way, over all extensions: however slow they are,
    /// half of the connections are left for everything else.
    whole_reads: Semaphore,
}

impl OciBackend {
    /// A backend that has not asked anything yet.
    ///
    /// # Errors
    /// `Invalid` for a certificate file that cannot be used.
    pub fn new(settings: OciSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let http = HttpClient::new(settings.http(), metrics)?;
        let (registry, credentials) = (settings.registry.clone(), settings.credentials.clone());
        let client = Client::trusting(http, registry, credentials, settings.token_hosts.clone());
        Ok(Self(Arc::new(Inner {
            reader: Reader::new(client.clone()),
            client,
            whole_reads: Semaphore::new((settings.max_concurrency / 2).max(1)),
            settings,
            known: Known::new(),
            releases: Coalesced::default(),
        })))
    }

    /// Uses other credentials from now on.
    pub fn renew_credentials(&self, credentials: Credentials) {
        self.0.client.renew_credentials(credentials);
    }

    async fn extension_at(&self, id: &ExtensionId, all: bool) -> Result<Extension> {
        self.0.client.roomy(|room| self.extension_in(id, all, room)).await
    }

    async fn extension_in(&self, id: &ExtensionId, all: bool, room: Room) -> Result<Extension> {
        let inner = &self.0;
        let place = inner.place(id);
        let found = match inner.client.tags_in(&place.repository, room).await {
            Ok(found) => found,
            Err(error) if error.is_oversized() => return Err(error),
            Err(error) => {
                let error = inner.told_apart(error, id).await;
                if error.is_not_found() {
                    inner.known.forget(&place.id);
                }
                return Err(error);
            }
        };
        let older = (found.older > 0)
            .then(|| format!("{} of its tags are older than those listed", found.older));
        let fault = lasting_gap(found.gap)?;
        let names = found.names;
        let tags = names.iter().filter_map(|name| name.parse().ok()).collect();
        let sweep = Sweep::new(&inner.reader, &place, tags, room);
        let extension =
            if all { sweep.all(&inner.whole_reads).await } else { sweep.newest().await };
        let extension = extension.map_err(|error| error.at(Source::Oci))?;
        inner.known.read_with(place.id, &names);
        let told = fault.into_iter().chain(older).map(ExtensionFault::of_repository);
        let faults = told.chain(extension.faults().iter().cloned()).collect();
        Ok(extension.with_faults(faults))
    }
}

impl Inner {
    /// The extension as the registry spells it, and its repository.
    fn place(&self, id: &ExtensionId) -> Place {
        let namespace = &self.settings.namespace;
        let repository = namespace.repository_of(id);
        let id = namespace.extension_of(repository.as_str()).unwrap_or_else(|| id.clone());
        Place { id, repository }
    }

    /// A failure for one repository. Many registries refuse what they do not have: that is a "no"
    /// where the repository was never read and the same credentials serve elsewhere.
    async fn told_apart(&self, error: Error, id: &ExtensionId) -> Error {
        let refused = error.kind() == ErrorKind::BackendRefused;
        let error = if error.is_not_found() || refused && self.is_elsewhere_served(id).await {
            Error::not_found(format!("Extension {id} not found")).because(error)
        } else {
            error
        };
        error.at(Source::Oci)
    }

    /// Whether our credentials are good for another repository, asked now: that they were good a
    /// minute ago says nothing once a refusal came.
    async fn is_elsewhere_served(&self, id: &ExtensionId) -> bool {
        let known = self.known.ids();
        if known.contains(&self.place(id).id) {
            return false;
        }
        match known.first() {
            Some(other) => {
                let found = self.client.tags_in(&self.place(other).repository, Room::Little).await;
                found.map_or_else(|error| error.is_oversized(), |_| true)
            }
            None => self.client.worked_within(self.settings.ttl),
        }
    }

    /// The configured extensions and those of the catalogue, where there is one for us.
    async fn listing(&self) -> Result<Listing> {
        let configured = &self.settings.repositories;
        let mut ids: BTreeSet<ExtensionId> =
            configured.iter().map(|id| self.place(id).id).collect();
        let namespace = &self.settings.namespace;
        let is_ours = |path: &str| namespace.extension_of(path).is_some();
        let found = match self.client.catalogue(is_ours).await {
            Ok(found) => found,
            Err(error) if !ids.is_empty() && is_no_catalogue(&error) => {
                Names { gap: Some(error), ..Names::default() }
            }
            Err(error) if error.is_not_found() => return Err(no_catalogue().because(error)),
            Err(error) => return Err(error),
        };
        let gap = found.gap.map(|error| error.report());
        ids.extend(found.names.iter().filter_map(|path| namespace.extension_of(path)));
        let coverage = gap.clone().map_or(Coverage::Complete, |gap| Coverage::Partial(gap.into()));
        let fault = |reason| Fault {
            repository: "_catalog".to_owned(),
            subject: FaultSubject::Listing,
            reason,
        };
        Ok(Listing {
            ids: ids.into_iter().collect(),
            coverage,
            faults: gap.map(fault).into_iter().collect(),
        })
    }
}

impl Inner {
    /// A quiet round: the catalogue, and one list of tags for each extension that was read. What
    /// is new, missing, or fails is to be read again.
    async fn dirty(&self) -> Result<(Vec<ExtensionId>, Listed)> {
        let Listing { ids, coverage, faults } = self.listing().await?;
        let mut ids: BTreeSet<ExtensionId> = ids.into_iter().collect();
        ids.extend(self.known.ids());
        let asked = stream::iter(ids).map(|id| async move {
            let found = self.client.tags(&self.place(&id).repository).await;
            let same = found.is_ok_and(|found| self.known.is_same(&id, &found.names));
            (!same).then_some(id)
        });
        let dirty = asked.buffer_unordered(AT_ONCE).filter_map(future::ready).collect().await;
        Ok((dirty, Listed { coverage, faults }))
    }
}

/// Whether a registry keeps its catalogue from us, rather than failing just now.
fn is_no_catalogue(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::BackendRefused | ErrorKind::BackendFaulty
    )
}

fn no_catalogue() -> Error {
    Error::faulty("The registry has no catalogue: name its repositories in the configuration")
}

/// What is wrong with a list of tags for good, as a fault; a failure that may pass, as itself: the
/// list would lack versions that are there.
fn lasting_gap(gap: Option<Error>) -> Result<Option<String>> {
    match gap {
        None => Ok(None),
        Some(error) if error.kind() == ErrorKind::BackendFaulty => Ok(Some(error.report())),
        Some(error) => Err(error),
    }
}

#[async_trait]
impl Backend for OciBackend {
    fn source(&self) -> Source {
        Source::Oci
    }

    async fn listing(&self) -> Result<Listing> {
        self.0.listing().await.map_err(|error| error.at(Source::Oci))
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.extension_at(id, false).await
    }

    async fn releases(&self, id: &ExtensionId) -> Result<Extension> {
        let (this, wanted) = (self.clone(), id.clone());
        let question = || async move { this.extension_at(&wanted, true).await };
        self.0.releases.ask(id, question).await
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let place = self.0.place(id);
        match self.0.reader.version(&place, tag).await {
            Ok(release) => Ok(release),
            Err(error) if error.is_not_found() => Err(error.at(Source::Oci)),
            Err(error) => Err(self.0.told_apart(error, id).await),
        }
    }

    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        let place = self.0.place(id);
        let digest: Digest = artifact.key.as_str().parse().map_err(|error: InvalidDigest| {
            Error::new(ErrorKind::Internal, "The artifact has no digest").because(error)
        })?;
        let opened =
            self.0.client.open_blob(&place.repository, &digest, artifact.size, range).await;
        opened.map_err(|error| error.at(Source::Oci))
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let place = self.0.place(id);
        match self.0.reader.readme(&place, release).await {
            Ok(found) => found.ok_or_else(|| no_readme(id, release).at(Source::Oci)),
            Err(error) if error.is_not_found() => {
                Err(no_readme(id, release).because(error).at(Source::Oci))
            }
            Err(error) => Err(self.0.told_apart(error, id).await),
        }
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        let known = &self.0.known;
        match since {
            None => Ok(Changes::These { dirty: Vec::new(), cursor: known.cursor(), listed: None }),
            Some(since) if !known.goes_on_from(since) => Ok(Changes::CannotTell),
            Some(_) => {
                // Before anything is read again: a cursor must never be ahead of its asker.
                let cursor = known.cursor();
                let (dirty, listed) =
                    self.0.dirty().await.map_err(|error| error.at(Source::Oci))?;
                Ok(Changes::These { dirty, cursor, listed: Some(listed) })
            }
        }
    }

    async fn probe(&self) -> Result<()> {
        self.0.client.ping().await.map_err(|error| error.at(Source::Oci))
    }

    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        Some(self.0.client.contact())
    }
}
