//! A backend in memory that counts what it is asked, goes down, and holds downloads back on demand.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, future, stream};
use parking_lot::Mutex;
use registry_core::backend::changes::{ChangeCursor, Changes};
use registry_core::backend::contact::Contact;
use registry_core::backend::download::Download;
use registry_core::backend::{Backend, Fault, Listing};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::{Artifact, ArtifactChoice};
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::{Extension, Release};
use registry_core::models::naming::ExtensionId;
use registry_core::models::readme::Readme;
use registry_core::models::tag::Tag;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use crate::memory::{MemoryBackend, memory};

/// How often each question was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub listings: usize,
    pub changes: usize,
    pub extensions: usize,
}

/// The backend; what it has is in `inner`.
pub struct Scripted {
    pub inner: Arc<MemoryBackend>,
    /// Every question fails while set.
    pub down: AtomicBool,
    /// Questions about one extension fail while set, and others do not.
    pub reads_fail: AtomicBool,
    /// No question is ever answered while set.
    pub silent: AtomicBool,
    /// Of an extension only the newest release is told in full.
    pub leaves_unread: bool,
    /// Our credentials are refused while set, though questions are answered.
    pub refuses: AtomicBool,
    /// Questions for this extension are never answered.
    pub hangs: Mutex<Option<ExtensionId>>,
    /// What is told of this extension makes no sense.
    pub faulty: Mutex<Option<ExtensionId>>,
    /// How long each question for an extension takes.
    pub latency: Duration,
    /// Whether it is listed even while it is down.
    pub listing_survives: bool,
    /// What its listings name as unreadable.
    pub faults: Mutex<Vec<Fault>>,
    /// Its listings are cut short while set.
    pub cuts_listings: AtomicBool,
    /// Whether it can tell changes; otherwise each round is a sweep.
    pub tells_changes: bool,
    /// Downloads give their first bytes and wait here before the rest.
    pub hold: Option<Arc<Notify>>,
    /// How contact stands, where the test plays the breaker's part.
    pub contact: Option<watch::Sender<Contact>>,
    /// How often it was asked whether it is there.
    pub probes: AtomicUsize,
    listings: AtomicUsize,
    changes: AtomicUsize,
    extensions: AtomicUsize,
    /// How often one release was asked for.
    pub versions: AtomicUsize,
    /// How often a README was asked for.
    pub readmes: AtomicUsize,
    /// How often a file was opened.
    pub opens: AtomicUsize,
    /// Answers about extensions, releases and READMEs that were found wait here until it is open.
    pub gate: Gate,
    /// Questions about one extension panic while set.
    pub panics: AtomicBool,
    /// Its listings fail in this way.
    pub listing_fails: Mutex<Option<ErrorKind>>,
    /// Questions about these extensions are refused.
    pub refused: Mutex<Vec<ExtensionId>>,
    /// The next question about this extension fails in this way.
    pub fails_once: Mutex<Option<(ExtensionId, Error)>>,
    /// Of this extension only so many releases, the newest, are listed, and the list says so.
    pub partial: Mutex<Option<(ExtensionId, usize)>>,
    /// After each listing so many questions about extensions are answered; then it limits us.
    pub answers_per_round: Option<usize>,
    answered: AtomicUsize,
    /// The next question about an extension takes so long.
    pub slow_once: Mutex<Option<Duration>>,
    /// The next answer about an extension is the present one, and comes so much later.
    pub late_once: Mutex<Option<Duration>>,
    /// What it calls itself, as it was told by a state file.
    pub identity: Mutex<Option<String>>,
}

/// Open, until it is shut.
pub struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Gate {
    pub fn shut(&self) {
        self.0.send_replace(false);
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn pass(&self) {
        self.0.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

impl Scripted {
    pub fn new(source: BackendId, releases: &[&str]) -> Self {
        Self {
            inner: memory(source, releases),
            down: AtomicBool::new(false),
            reads_fail: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            leaves_unread: false,
            refuses: AtomicBool::new(false),
            hangs: Mutex::new(None),
            faulty: Mutex::new(None),
            latency: Duration::ZERO,
            listing_survives: false,
            faults: Mutex::default(),
            cuts_listings: AtomicBool::new(false),
            tells_changes: true,
            hold: None,
            contact: None,
            probes: AtomicUsize::new(0),
            listings: AtomicUsize::new(0),
            changes: AtomicUsize::new(0),
            extensions: AtomicUsize::new(0),
            versions: AtomicUsize::new(0),
            readmes: AtomicUsize::new(0),
            opens: AtomicUsize::new(0),
            gate: Gate::default(),
            panics: AtomicBool::new(false),
            listing_fails: Mutex::default(),
            refused: Mutex::default(),
            fails_once: Mutex::default(),
            partial: Mutex::default(),
            answers_per_round: None,
            answered: AtomicUsize::new(0),
            slow_once: Mutex::default(),
            late_once: Mutex::default(),
            identity: Mutex::default(),
        }
    }

    /// One that is down from the start.
    pub fn down(source: BackendId) -> Arc<Self> {
        let backend = Self::new(source, &[]);
        backend.down.store(true, Ordering::SeqCst);
        Arc::new(backend)
    }

    pub fn asked(&self) -> Asked {
        Asked {
            listings: self.listings.load(Ordering::SeqCst),
            changes: self.changes.load(Ordering::SeqCst),
            extensions: self.extensions.load(Ordering::SeqCst),
        }
    }

    /// Everything it was asked, but for whether it is there.
    pub fn questions(&self) -> usize {
        let counters =
            [&self.listings, &self.changes, &self.extensions, &self.versions, &self.readmes];
        counters.map(|counter| counter.load(Ordering::SeqCst)).into_iter().sum()
    }

    async fn speaks(&self) {
        if self.silent.load(Ordering::SeqCst) {
            future::pending::<()>().await;
        }
    }

    fn count(&self, counter: &AtomicUsize) -> Result<()> {
        counter.fetch_add(1, Ordering::SeqCst);
        self.reached()
    }

    fn reached(&self) -> Result<()> {
        if self.down.load(Ordering::SeqCst) {
            let down = Error::unavailable("connection refused", Duration::from_secs(1));
            return Err(down);
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for Scripted {
    fn id(&self) -> BackendId {
        self.inner.id()
    }

    async fn listing(&self) -> Result<Listing> {
        let reached = self.count(&self.listings);
        self.speaks().await;
        if !self.listing_survives {
            reached?;
        }
        if let Some(kind) = *self.listing_fails.lock() {
            return Err(Error::new(kind, "no list"));
        }
        self.answered.store(0, Ordering::SeqCst);
        let listing = self.inner.listing().await?;
        let (cut, faults) = (self.cuts_listings.load(Ordering::SeqCst), self.faults.lock().clone());
        let coverage =
            if cut { Coverage::Partial("page 2 is missing".into()) } else { listing.coverage };
        Ok(Listing { ids: listing.ids, coverage, faults })
    }

    async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        let counted = self.count(&self.extensions);
        self.speaks().await;
        if self.hangs.lock().as_ref() == Some(id) {
            future::pending::<()>().await;
        }
        if let Some((_, error)) = self.fails_once.lock().take_if(|(of, _)| of == id) {
            return Err(error);
        }
        if self.refused.lock().contains(id) {
            let refused = Error::new(ErrorKind::BackendRefused, "lacks the unit Releases");
            return Err(refused);
        }
        let answered = self.answered.fetch_add(1, Ordering::SeqCst);
        if self.answers_per_round.is_some_and(|most| answered >= most) {
            let limited = Error::unavailable("status 429", Duration::from_secs(1));
            return Err(limited.not_asked());
        }
        if self.faulty.lock().as_ref() == Some(id) {
            return Err(Error::faulty("no sense"));
        }
        let slow = self.slow_once.lock().take();
        if let Some(slow) = slow {
            sleep(slow).await;
        }
        if !self.latency.is_zero() {
            sleep(self.latency).await;
        }
        if self.reads_fail.load(Ordering::SeqCst) {
            let failed = Error::unavailable("status 500", Duration::from_secs(1));
            return Err(failed);
        }
        let found = self.inner.extension(id).await;
        let late = self.late_once.lock().take();
        if let Some(late) = late {
            sleep(late).await;
        }
        self.gate.pass().await;
        assert!(!self.panics.load(Ordering::SeqCst), "told to panic");
        let found = counted.and(self.reached()).and(found)?;
        if let Some((_, kept)) = self.partial.lock().as_ref().filter(|(of, _)| of == id) {
            let newest = found.releases().iter().take(*kept).map(|one| Release::clone(one));
            let coverage = Coverage::Partial("page 2 is missing".into());
            return Ok(Extension::new(id.clone(), newest.collect()).with_coverage(coverage));
        }
        if !self.leaves_unread {
            return Ok(found);
        }
        let told = found.releases().iter().enumerate().map(|(place, release)| match place {
            0 => Release::clone(release),
            _ => Release {
                artifact: ArtifactChoice::Unread,
                manifest_digest: None,
                ..Release::clone(release)
            },
        });
        Ok(Extension::new(id.clone(), told.collect()))
    }

    async fn releases(&self, id: &ExtensionId) -> Result<Extension> {
        self.count(&self.extensions)?;
        self.speaks().await;
        self.inner.extension(id).await
    }

    async fn version(&self, id: &ExtensionId, tag: &Tag) -> Result<Release> {
        let counted = self.count(&self.versions);
        self.speaks().await;
        let found = self.inner.version(id, tag).await;
        self.gate.pass().await;
        counted.and(found)
    }

    async fn open(
        &self,
        id: &ExtensionId,
        artifact: &Artifact,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        self.count(&self.opens)?;
        let whole = self.inner.open(id, artifact, range).await?;
        let Some(hold) = self.hold.clone() else { return Ok(whole) };
        let bytes = whole.collect().await?;
        let (first, rest) = (bytes.slice(..2), bytes.slice(2..));
        // What checks the bytes holds one piece back, so that a second makes the head go out.
        let begun = stream::iter([Ok(first), Ok(Bytes::new())]);
        let panics = self.panics.load(Ordering::SeqCst);
        let held = stream::once(async move {
            hold.notified().await;
            assert!(!panics, "told to panic");
            Ok(rest)
        });
        Ok(Download { length: bytes.len() as u64, bytes: begun.chain(held).boxed() })
    }

    async fn readme(&self, id: &ExtensionId, release: &Release) -> Result<Readme> {
        let counted = self.count(&self.readmes);
        self.speaks().await;
        let found = self.inner.readme(id, release).await;
        self.gate.pass().await;
        counted.and(found)
    }

    async fn changes(&self, since: Option<&ChangeCursor>) -> Result<Changes> {
        self.count(&self.changes)?;
        self.speaks().await;
        if self.tells_changes { self.inner.changes(since).await } else { Ok(Changes::CannotTell) }
    }

    async fn probe(&self) -> Result<()> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::BackendRefused, "who are you"));
        }
        self.speaks().await;
        self.count(&self.probes)
    }

    fn identity(&self) -> Option<String> {
        self.identity.lock().clone()
    }

    fn resume(&self, identity: &str) {
        *self.identity.lock() = Some(identity.to_owned());
    }

    fn hold(&self, until: Option<Instant>) {
        if let Some(contact) = &self.contact {
            contact.send_modify(|contact| contact.held_until = until);
        }
    }

    fn contact(&self) -> Option<watch::Receiver<Contact>> {
        self.contact.as_ref().map(watch::Sender::subscribe)
    }
}
