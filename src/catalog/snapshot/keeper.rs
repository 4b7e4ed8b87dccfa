//! Persistence of the catalog: loads it at startup, saves it after changes and at shutdown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::catalog::Catalog;
use crate::catalog::snapshot::file::StateFile;
use crate::catalog::snapshot::stored::{read_lines, write_lines};
use crate::catalog::snapshot::{Fingerprints, Knowledge};
use crate::error::{Error, ErrorKind, Result};
use crate::models::backend_id::BackendId;

/// Version of the file format. It is raised when an older service would misread the file.
const VERSION: u32 = 2;
const NAME: &str = "catalogue.json";
/// Interval of the checks for unsaved changes.
const LOOK: Duration = Duration::from_secs(5);
/// Interval of saves after rounds without changes, which only update the age of the data. Also the
/// pause after a failed write.
const REFRESH: Duration = Duration::from_secs(60);
/// Pause after a write, as a multiple of the time that the write took: large catalogs are saved
/// less often.
const SHARE: u32 = 10;

/// A catalog and the file that it is saved in.
pub struct Keeper {
    catalog: Arc<Catalog>,
    fingerprints: Fingerprints,
    file: StateFile,
    /// Locked during a write, so that writes do not overlap.
    written: Mutex<Written>,
}

/// Result of the last write.
#[derive(Default)]
struct Written {
    knowledge: Knowledge,
    /// Earliest time of the next write, for changes and for rounds.
    next: Option<(Instant, Instant)>,
    failed: bool,
}

impl Keeper {
    /// Creates a keeper for a catalog and a directory. The fingerprints identify the configuration
    /// of each backend.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        dir: impl Into<PathBuf>,
        fingerprints: Fingerprints,
    ) -> Arc<Self> {
        let (file, written) = (StateFile::new(dir, NAME, VERSION), Mutex::default());
        Arc::new(Self { catalog, fingerprints, file, written })
    }

    /// Loads the saved state, given the wall clock `now`. Returns the backends that were restored.
    /// An unusable file is renamed, and the log names it.
    pub async fn read(self: &Arc<Self>, now: Timestamp) -> Vec<BackendId> {
        let this = Arc::clone(self);
        let reading = move || (this.file.prepare(), this.read_here(now));
        match tokio::task::spawn_blocking(reading).await {
            Ok((writable, read)) => {
                // Reported now, while the operator who configured the directory is watching, not at
                // the first write.
                self.written.lock().failed = writable.is_err();
                self.tell(writable.as_ref().err());
                read
            }
            Err(error) => {
                warn!("cannot read the saved catalog: {error}");
                Vec::new()
            }
        }
    }

    fn read_here(&self, now: Timestamp) -> Vec<BackendId> {
        // A crash during a write leaves a temporary file as large as the catalog.
        self.file.remove_unfinished();
        match self.file.read(read_lines) {
            Ok(None) => Vec::new(),
            Ok(Some(snapshot)) => {
                let restored = self.catalog.restore(snapshot, &self.fingerprints, now);
                for backend in &restored {
                    let extensions = self.catalog.view().entries((*backend).into()).len();
                    info!(%backend, extensions, "catalog loaded from the last run");
                }
                restored
            }
            Err(error) => {
                self.set_aside(&error, now);
                Vec::new()
            }
        }
    }

    fn set_aside(&self, error: &Error, now: Timestamp) {
        let (path, reason) = (self.file.path(), error.report());
        let path = path.display();
        match self.file.set_aside(now) {
            Ok(aside) => {
                let aside = aside.display();
                warn!(%path, %aside, reason, "the saved catalog cannot be used and is moved aside");
            }
            Err(error) => {
                warn!(%path, reason, "the saved catalog cannot be used and cannot be moved aside: {error}");
            }
        }
    }

    /// Saves after changes, until dropped.
    pub async fn run(self: Arc<Self>) {
        loop {
            sleep(LOOK).await;
            if self.is_due() {
                // `save` has logged the failure.
                let _ = self.save(Timestamp::now()).await;
            }
        }
    }

    fn is_due(&self) -> bool {
        let knowledge = self.catalog.state_of_knowledge();
        let (written, now) = (self.written.lock(), Instant::now());
        let (changes, refresh) = written.next.unwrap_or((now, now));
        (knowledge.is_news_to(&written.knowledge) && now >= changes)
            || (knowledge != written.knowledge && now >= refresh)
    }

    /// Saves the current state, given the wall clock `now`, unless it is saved already.
    ///
    /// # Errors
    ///
    /// The file cannot be written. The log has one line at the first failure and one at the end.
    pub async fn save(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        let this = Arc::clone(self);
        let saved = tokio::task::spawn_blocking(move || this.save_here(now)).await;
        let saved = saved.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, "A write was cut short").because(error))
        });
        self.tell(saved.as_ref().err());
        saved
    }

    fn save_here(&self, now: Timestamp) -> Result<()> {
        let mut written = self.written.lock();
        // Taken before the snapshot: a change in between is saved twice rather than missed.
        let knowledge = self.catalog.state_of_knowledge();
        if written.knowledge == knowledge && !written.failed {
            return Ok(());
        }
        let begun = Instant::now();
        let snapshot = self.catalog.snapshot(&self.fingerprints, now);
        // Without any state there is nothing to save, and an older file may still hold some.
        if snapshot.backends.is_empty() {
            return self.file.prepare();
        }
        let saved = self.file.write(|file| write_lines(&snapshot, file));
        // After the write, not at its start: a slow disk gets its pause as well.
        let ended = Instant::now();
        let pause = LOOK.max((ended - begun) * SHARE);
        written.failed = saved.is_err();
        written.next = Some((ended + pause, ended + pause.max(REFRESH)));
        match &saved {
            Ok(()) => written.knowledge = knowledge,
            Err(_) => written.next = Some((ended + REFRESH, ended + REFRESH)),
        }
        saved
    }

    /// Reports a failure: in the log at its start and end, and in `/health` while it lasts.
    fn tell(&self, failure: Option<&Error>) {
        let failure = failure.map(Error::report);
        let before = self.catalog.set_persist_error(failure.clone());
        match (before, failure) {
            (None, Some(report)) => {
                let path = self.file.path();
                let path = path.display();
                warn!(%path, "state cannot be saved and would be lost on restart: {report}");
            }
            (Some(_), None) => info!("state is saved again"),
            _ => {}
        }
    }
}
