//! Keeps the catalog on disk: reads it at the start, writes it after changes and at the end.

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

/// The form of the file. A new one is given out whenever an older service would misread it.
const VERSION: u32 = 2;
const NAME: &str = "catalogue.json";
/// How often it is looked whether there is something to write.
const LOOK: Duration = Duration::from_secs(5);
/// Rounds that found nothing new are written this often: they only make what is stored younger. A
/// write that failed is tried again as often.
const REFRESH: Duration = Duration::from_secs(60);
/// A large catalog is written less often, so that writing takes at most this part of the time.
const SHARE: u32 = 10;

/// One catalog and the directory that it is kept in.
pub struct Keeper {
    catalog: Arc<Catalog>,
    fingerprints: Fingerprints,
    file: StateFile,
    /// Locked while writing, so that two writes cannot overtake each other.
    written: Mutex<Written>,
}

/// How the last write went.
#[derive(Default)]
struct Written {
    knowledge: Knowledge,
    /// No sooner than this is it written again, for changes and for rounds.
    next: Option<(Instant, Instant)>,
    failed: bool,
}

impl Keeper {
    /// Keeps this catalog in this directory. The fingerprints say what each backend is
    /// configured to be.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        dir: impl Into<PathBuf>,
        fingerprints: Fingerprints,
    ) -> Arc<Self> {
        let (file, written) = (StateFile::new(dir, NAME, VERSION), Mutex::default());
        Arc::new(Self { catalog, fingerprints, file, written })
    }

    /// Takes over what was kept, where the wall clock shows `now`; answers with the backends that
    /// something was known of. A file that cannot be used is set aside and named in the log.
    pub async fn read(self: &Arc<Self>, now: Timestamp) -> Vec<BackendId> {
        let this = Arc::clone(self);
        let reading = move || (this.file.prepare(), this.read_here(now));
        match tokio::task::spawn_blocking(reading).await {
            Ok((writable, read)) => {
                // Whoever configured it is there now, and perhaps not when the first write fails.
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

    /// Writes after changes, until dropped.
    pub async fn run(self: Arc<Self>) {
        loop {
            sleep(LOOK).await;
            if self.is_due() {
                // Said in the log where it failed.
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

    /// Writes what is known now, where the wall clock shows `now`, if it is not written already.
    ///
    /// # Errors
    /// It cannot be written. That is in the log, once until it can be written again.
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
        let knowledge = self.catalog.state_of_knowledge();
        if written.knowledge == knowledge && !written.failed {
            return Ok(());
        }
        let begun = Instant::now();
        let snapshot = self.catalog.snapshot(&self.fingerprints, now);
        // Before anything is known there is nothing to keep, and perhaps something to lose.
        if snapshot.backends.is_empty() {
            return self.file.prepare();
        }
        let saved = self.file.write(|file| write_lines(&snapshot, file));
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

    /// Says a failure, and its end, once in the log, and in `/health` while it lasts.
    fn tell(&self, failure: Option<&Error>) {
        let failure = failure.map(Error::report);
        let before = self.catalog.set_unkept(failure.clone());
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
