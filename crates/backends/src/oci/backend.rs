//! Backend for one namespace of an OCI registry.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, future, stream};
use parking_lot::Mutex;
use registry_core::backend::changes::{ChangeCursor, Changes, Listed};
use registry_core::backend::contact::Contact;
use registry_core::backend::download::Download;
use registry_core::backend::naming::naming_faults;
use registry_core::backend::oci_content::OciContent;
use registry_core::backend::{Backend, Fault, Listing, no_readme};
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::digest::{Digest, InvalidDigest};
use registry_core::models::extension::{Extension, Release};
use registry_core::models::fault::{ExtensionFault, FaultSubject};
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::http::metrics::UpstreamMetrics;
use crate::http::upstream::UpstreamClient;
use crate::oci::change_tracker::ChangeTracker;
use crate::oci::client::{Client, Names};
use crate::oci::credentials::Credentials;
use crate::oci::reading::{ManifestReader, RepositoryRef};
use crate::oci::registry_content::RegistryContent;
use crate::oci::settings::OciSettings;
use crate::oci::sweep::{AT_ONCE, Sweep};
use crate::oci::unlisted::nothing_listed;

/// Backend for the extensions in one namespace. Cheap to clone.
#[derive(Clone)]
pub struct OciBackend(Arc<OciInner>);

struct OciInner {
    settings: OciSettings,
    client: Client,
    reader: ManifestReader,
    content: RegistryContent,
    known: ChangeTracker,
    /// Extensions in the registry's catalog so far. `None` if it never listed any.
    named: Mutex<Option<BTreeSet<ExtensionId>>>,
    releases: SingleFlight<ExtensionId, Extension>,
    /// Permits for reads of older releases; at most half of the connections.
    whole_reads: Semaphore,
}

impl OciBackend {
    /// Creates a backend without a request. `Invalid` if a certificate file is not usable.
    pub fn new(settings: OciSettings, metrics: Arc<dyn UpstreamMetrics>) -> Result<Self> {
        let http = UpstreamClient::new(settings.http(), metrics)?;
        let (registry, credentials) = (settings.registry.clone(), settings.credentials.clone());
        let client = Client::trusting(http, registry, credentials, settings.token_hosts.clone());
        let reader = ManifestReader::new(client.clone());
        let (namespace, ttl) = (settings.namespace.clone(), settings.ttl);
        Ok(Self(Arc::new(OciInner {
            content: RegistryContent::new(reader.contents(), namespace, ttl),
            reader,
            client,
            whole_reads: Semaphore::new((settings.upstream.max_concurrency / 2).max(1)),
            settings,
            known: ChangeTracker::new(),
            named: Mutex::default(),
            releases: SingleFlight::default(),
        })))
    }

    /// Replaces the credentials for all further requests.
    pub fn renew_credentials(&self, credentials: Credentials) {
        self.0.client.renew_credentials(credentials);
    }

    async fn extension_at(&self, id: &ExtensionId, all: bool) -> Result<Extension> {
        let inner = &self.0;
        let place = inner.place(id);
        let found = match inner.client.lister().tags(&place.repository).await {
            Ok(found) => found,
            Err(error) => {
                let error = inner.told_apart(error, id).await;
                if error.is_not_found() {
                    inner.known.forget(&place.id);
                }
                return Err(error);
            }
        };
        let (coverage, has_gap) = (found.coverage(), found.gap.is_some());
        let Names { names, unfit, .. } = found;
        let tags = tags_of(&names);
        let sweep = Sweep::new(&inner.reader, &place, tags);
        let extension =
            if all { sweep.all(&inner.whole_reads).await } else { sweep.newest().await };
        let extension = extension?;
        inner.known.read_with(place.id, &names, has_gap);
        let told = unfit.fault().into_iter().chain(extension.faults().iter().cloned());
        let mut faults: Vec<ExtensionFault> = told.collect();
        // An empty extension must have a reason in `/health`.
        if extension.releases().is_empty() && faults.is_empty() && !has_gap {
            faults.extend(nothing_listed(tags_of(&names).iter()));
        }
        Ok(extension.with_faults(faults).with_coverage(coverage))
    }
}

fn tags_of(names: &[String]) -> Vec<Tag> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

impl OciInner {
    /// Returns the extension in the registry's spelling, and its repository.
    fn place(&self, id: &ExtensionId) -> RepositoryRef {
        let namespace = &self.settings.namespace;
        let repository = namespace.repository_of(id);
        let id = namespace.extension_of(repository.as_str()).unwrap_or_else(|| id.clone());
        RepositoryRef { backend: self.settings.id, id, repository }
    }

    /// Classifies a failure for one repository. Many registries refuse unknown repositories: this
    /// is absence if the repository was never read and the credentials work for another one.
    async fn told_apart(&self, error: Error, id: &ExtensionId) -> Error {
        let refused = error.kind() == ErrorKind::BackendRefused;
        if error.is_not_found() || refused && self.is_elsewhere_served(id).await {
            Error::not_found(format!("Extension {id} not found")).because(error)
        } else {
            error
        }
    }

    /// Asks now, since the refusal outdates earlier successes. False for a repository that exists.
    async fn is_elsewhere_served(&self, id: &ExtensionId) -> bool {
        let known = self.known.ids();
        let is_named = self.named.lock().as_ref().is_some_and(|named| named.contains(id));
        if is_named || known.contains(&self.place(id).id) {
            return false;
        }
        match known.first() {
            Some(other) => self.client.lister().tags(&self.place(other).repository).await.is_ok(),
            None => self.client.worked_within(self.settings.ttl),
        }
    }

    async fn listing(&self) -> Result<Listing> {
        let configured = &self.settings.repositories;
        let ids: BTreeSet<ExtensionId> = configured.iter().map(|id| self.place(id).id).collect();
        let namespace = &self.settings.namespace;
        let lister = self.client.lister();
        let found = lister.catalog(|path| {
            namespace.extension_of(path).is_some() || namespace.near_miss(path).is_some()
        });
        match found.await {
            Ok(found) => Ok(self.listed(ids, &found)),
            Err(error) if !ids.is_empty() && is_no_catalog(&error) => {
                let reason = error.report();
                Ok(listing_of(ids, self.without_catalog(&error), Some(reason)))
            }
            Err(error) if error.is_not_found() => Err(no_catalog().because(error)),
            Err(error) => Err(error),
        }
    }

    fn listed(&self, mut ids: BTreeSet<ExtensionId>, found: &Names) -> Listing {
        let namespace = &self.settings.namespace;
        let ours = found.names.iter().filter_map(|path| namespace.extension_of(path));
        let ours: BTreeSet<ExtensionId> = ours.collect();
        let is_shown = found.named > 0;
        let (mut coverage, mut reason) =
            (found.coverage(), found.gap.as_ref().map(registry_core::error::Error::report));
        // Configured repositories exist, so that an empty catalog must be hiding them.
        if !is_shown && found.gap.is_none() && !ids.is_empty() {
            reason = Some(EMPTY_CATALOG.to_owned());
            coverage = Coverage::Bounded(EMPTY_CATALOG.into());
        }
        ids.extend(ours.iter().cloned());
        if is_shown {
            let mut named = self.named.lock();
            // A partial catalog must not remove the names that an earlier one listed.
            match named.as_mut().filter(|_| !coverage.is_complete()) {
                Some(named) => named.extend(ours),
                None => *named = Some(ours),
            }
        }
        let near_misses = found.names.iter().filter_map(|path| {
            let near = namespace.near_miss(path)?;
            Some((path.clone(), near.reason(|meant| ids.contains(meant))))
        });
        let naming = naming_faults(near_misses);
        let mut listing = listing_of(ids, coverage, reason);
        listing.faults.extend(naming);
        listing
    }

    /// Returns the coverage without a catalog. One that worked before is expected to return.
    fn without_catalog(&self, error: &Error) -> Coverage {
        let reason = error.report().into();
        match error.kind() {
            ErrorKind::BackendFaulty => Coverage::Nonsense(reason),
            _ if self.named.lock().is_some() => Coverage::Refused(reason),
            _ => Coverage::Bounded(reason),
        }
    }
}

const EMPTY_CATALOG: &str = "The catalog is empty, or the credentials may not list it";

fn listing_of(ids: BTreeSet<ExtensionId>, coverage: Coverage, reason: Option<String>) -> Listing {
    let fault = reason.map(|reason| Fault {
        repository: "_catalog".to_owned(),
        subject: FaultSubject::Listing,
        reason,
    });
    Listing { ids: ids.into_iter().collect(), coverage, faults: fault.into_iter().collect() }
}

impl OciInner {
    /// Finds changed extensions with few requests: the catalog, and one list of tags for each known
    /// extension. New, missing and failing extensions count as changed.
    async fn dirty(&self) -> Result<(Vec<ExtensionId>, Listed)> {
        let Listing { ids, coverage, faults } = self.listing().await?;
        let mut ids: BTreeSet<ExtensionId> = ids.into_iter().collect();
        ids.extend(self.known.ids());
        let asked = stream::iter(ids).map(|id| async move {
            let found = self.client.lister().tags(&self.place(&id).repository).await;
            // A failure counts as a change: the full read then reports it.
            let same =
                found.is_ok_and(|found| self.known.is_same(&id, &found.names, found.gap.is_some()));
            (!same).then_some(id)
        });
        let dirty = asked.buffer_unordered(AT_ONCE).filter_map(future::ready).collect().await;
        Ok((dirty, Listed { coverage, faults }))
    }
}

/// Returns true if the registry denies or lacks a catalog, as opposed to a temporary failure.
fn is_no_catalog(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::BackendRefused | ErrorKind::BackendFaulty
    )
}

fn no_catalog() -> Error {
    Error::faulty("The registry does not list its repositories: name them in repositories")
}

#[async_trait]
impl Backend for OciBackend {
    fn id(&self) -> BackendId {
        self.0.settings.id
    }

    async fn listing(&self) -> Result<Listing> {
        self.0.listing().await
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.extension_at(id, false).await
    }

    async fn releases(&self, id: &ExtensionId) -> Result<Extension> {
        let (this, wanted) = (self.clone(), id.clone());
        let read = async move { this.extension_at(&wanted, true).await };
        self.0.releases.ask(id, || read).await
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let place = self.0.place(id);
        match self.0.reader.version(&place, tag).await {
            Ok(release) => Ok(release),
            Err(error) if error.is_not_found() => Err(error),
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
        self.0.client.blobs().open(&place.repository, &digest, artifact.size, range).await
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let place = self.0.place(id);
        match self.0.reader.readme(&place, release).await {
            Ok(found) => found.ok_or_else(|| no_readme(id, release)),
            Err(error) if error.is_not_found() => Err(no_readme(id, release).because(error)),
            Err(error) => Err(self.0.told_apart(error, id).await),
        }
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        let known = &self.0.known;
        match since {
            None => Ok(Changes::These { dirty: Vec::new(), cursor: known.cursor(), listed: None }),
            Some(since) if !known.goes_on_from(since) => Ok(Changes::CannotTell),
            Some(_) => {
                // Taken before any read: the cursor must never be ahead of the data that its holder
                // has.
                let cursor = known.cursor();
                let (dirty, listed) = self.0.dirty().await?;
                Ok(Changes::These { dirty, cursor, listed: Some(listed) })
            }
        }
    }

    async fn probe(&self) -> Result<()> {
        self.0.client.ping().await
    }

    fn oci_content(&self) -> Option<&dyn OciContent> {
        Some(&self.0.content)
    }

    fn hold(&self, until: Option<Instant>) {
        self.0.client.hold(until);
    }

    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        Some(self.0.client.contact())
    }
}
