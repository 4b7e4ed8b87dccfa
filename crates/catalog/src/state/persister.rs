//! Persistence of the catalog and the pins: loads them at startup, and saves changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::backend_id::BackendId;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::Catalog;
use crate::LOG_TARGET;
use crate::state::catalog_state::{BackendSummary, CatalogState};
use crate::state::log::{Extent, Loaded, StateLog};
use crate::state::record::kind_and_name;
use crate::state::webhook_file::WebhookFile;
use crate::state::{Fingerprints, KEPT_RETIRED, legacy};
use crate::unsaved::RecordKey;

/// Interval of the checks for changes that are not announced.
const CHECK: Duration = Duration::from_secs(5);
/// Minimum pause between two writes, so that many changes are one write.
const PAUSE: Duration = Duration::from_secs(1);
/// Interval of writes that only update the age of the data; also the pause after a failed write.
const REFRESH: Duration = Duration::from_mins(1);
/// Pause after a write, in durations of the write: a slow disk is used less often.
const SHARE: u32 = 10;
/// Length in bytes up to which the log is not written anew, however little it has.
const LENGTH_SLACK: u64 = 1 << 20;

/// A catalog and the log that it is saved in.
pub struct Persister {
    state: CatalogState,
    log: StateLog,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// `None` if a full write is due.
    extent: Option<Extent>,
    full: u64,
    backends: BTreeMap<BackendId, BackendSummary>,
    /// Backends that are not configured, and since when.
    retired: BTreeMap<BackendId, Timestamp>,
    /// Earliest time of the next write if only ages differ.
    refresh: Option<Instant>,
}

impl Persister {
    /// Creates a persister for a catalog and a directory. The fingerprints identify the
    /// configuration of each backend.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        dir: impl Into<PathBuf>,
        fingerprints: Fingerprints,
    ) -> Arc<Self> {
        let (log, written) = (StateLog::new(dir), Mutex::default());
        Arc::new(Self { state: CatalogState::new(catalog, fingerprints), log, written })
    }

    /// Loads the saved state, given the wall clock `now`. Returns the backends that were restored.
    /// A damaged file is renamed, and the log names it.
    ///
    /// # Errors
    ///
    /// A newer release wrote the state, which is left as it is.
    pub async fn read(self: &Arc<Self>, now: Timestamp) -> Result<Vec<BackendId>> {
        let this = Arc::clone(self);
        let (restored, writable) = match spawn_blocking(move || this.load(now)).await {
            Ok(read) => read?,
            Err(error) => (Vec::new(), Err(cut_short(error))),
        };
        // Reported now, while the operator who configured the directory is watching.
        self.report(writable.as_ref().err());
        Ok(restored)
    }

    /// [`Self::read`] for callers that may block. The second result is whether the directory can be
    /// written.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn load(&self, now: Timestamp) -> Result<(Vec<BackendId>, Result<()>)> {
        let mut written = self.written.lock();
        let found = self.log.read(now)?;
        let legacy = if found.is_none() { legacy::read(self.log.dir())? } else { None };
        let webhooks = WebhookFile::new(self.log.dir());
        let pending = webhooks.read(now)?;
        // Not before the version is known: the directory of a newer release is left as it is.
        let writable = self.log.prepare();
        let mut loaded = found.unwrap_or_default();
        if let Some(snapshot) = legacy {
            // At once and whole: also what the present configuration does not name is kept.
            let extent = self.log.rewrite(snapshot.clone().into_records(), None).ok();
            loaded = Loaded { snapshot, extent, full: extent.map_or(0, |extent| extent.length) };
        }
        let Loaded { mut snapshot, extent, full } = loaded;
        let before = snapshot.retired.clone();
        snapshot.retire(&self.state.backends().collect(), now);
        warn_of_retired(&snapshot.retired);
        (written.retired, written.full) = (snapshot.retired.clone(), full);
        if snapshot.retired == before && writable.is_ok() {
            written.extent = extent;
        }
        self.state.unsaved().take();
        let restored = self.state.restore(snapshot, now);
        self.state.restore_webhooks(webhooks, pending);
        written.backends = self.state.summaries();
        for backend in &restored {
            let extensions = self.state.extensions_of(*backend);
            info!(target: LOG_TARGET, %backend, extensions, "catalog loaded from the last run");
        }
        Ok((restored, writable))
    }

    /// Saves after changes, until dropped.
    pub async fn run(self: Arc<Self>) {
        loop {
            // A pin is written without delay: a crash before that would let the archive change.
            let _ = timeout(CHECK, self.state.unsaved().changed()).await;
            if !self.is_due() {
                continue;
            }
            let begun = Instant::now();
            // `save` has logged the failure.
            let saved = self.save(Timestamp::now()).await;
            // From the end of the write: a slow disk gets its pause as well.
            let pause = PAUSE.max(begun.elapsed() * SHARE);
            sleep(if saved.is_ok() { pause } else { pause.max(REFRESH) }).await;
        }
    }

    fn is_due(&self) -> bool {
        let backends = self.state.summaries();
        let written = self.written.lock();
        written.extent.is_none()
            || !self.state.unsaved().is_empty()
            || backends.iter().any(|(of, now)| now.differs_from(written.backends.get(of)))
            || (backends != written.backends
                && written.refresh.is_none_or(|at| Instant::now() >= at))
    }

    /// Saves the changes since the last write, given the wall clock `now`.
    ///
    /// # Errors
    ///
    /// The file cannot be written. The log has one line at the first failure and one at the end.
    pub async fn save(self: &Arc<Self>, now: Timestamp) -> Result<()> {
        let this = Arc::clone(self);
        // Writing and `fsync` block, so they must not run on a thread of the runtime.
        let saved = spawn_blocking(move || this.save_here(now)).await;
        let saved = saved.unwrap_or_else(|error| Err(cut_short(error)));
        self.report(saved.as_ref().err());
        saved
    }

    fn save_here(&self, now: Timestamp) -> Result<()> {
        let mut written = self.written.lock();
        // Taken before the values: a change in between is saved twice rather than missed.
        let backends = self.state.summaries();
        let keys = self.state.unsaved().take();
        let saved = match keys.as_ref().filter(|_| !written.is_full_due(&backends)) {
            Some(keys) => self.append(&mut written, keys, &backends, now),
            None => Ok(false),
        };
        let saved = match saved {
            Ok(false) => self.rewrite(&mut written, now),
            other => other.map(drop),
        };
        if saved.is_ok() {
            written.backends = backends;
            written.refresh = Some(Instant::now() + REFRESH);
        } else {
            self.state.unsaved().put_back(keys);
        }
        saved
    }

    /// Appends changed records and backends. Returns false if a full write is due.
    fn append(
        &self,
        written: &mut Written,
        keys: &BTreeSet<RecordKey>,
        backends: &BTreeMap<BackendId, BackendSummary>,
        now: Timestamp,
    ) -> Result<bool> {
        let Some(extent) = written.extent else { return Ok(false) };
        let changed = backends.iter().filter(|(of, now)| written.backends.get(*of) != Some(*now));
        let changed = changed.map(|(of, now)| (*of, now.log_position())).collect();
        let records = self.state.records(keys, &changed, now);
        if records.is_empty() {
            return Ok(true);
        }
        written.extent = self.log.append(&records, extent)?;
        Ok(written.extent.is_some())
    }

    /// Copies the records of backends that are not known in this run.
    fn rewrite(&self, written: &mut Written, now: Timestamp) -> Result<()> {
        let mut snapshot = self.state.snapshot(now);
        snapshot.retired = written.retired.clone();
        let retired: BTreeSet<String> = written.retired.keys().map(BackendId::qualified).collect();
        let unlisted = self.state.backends().filter(|of| !snapshot.backends.contains_key(of));
        let unlisted: BTreeSet<String> = unlisted.map(|of| of.qualified()).collect();
        let keeps = |line: &str| match kind_and_name(line) {
            Some(("backend" | "extension", of)) => retired.contains(of) || unlisted.contains(of),
            Some(("pin" | "digest", of)) => retired.contains(of),
            _ => false,
        };
        let keeps: Option<&dyn Fn(&str) -> bool> =
            if retired.is_empty() && unlisted.is_empty() { None } else { Some(&keeps) };
        let extent = self.log.rewrite(snapshot.into_records(), keeps)?;
        (written.extent, written.full) = (Some(extent), extent.length);
        Ok(())
    }

    /// Reports a failure: in the log at its start and end, and in `/health` while it lasts.
    fn report(&self, failure: Option<&Error>) {
        let failure = failure.map(Error::report);
        let before = self.state.set_persist_error(failure.clone());
        match (before, failure) {
            (None, Some(report)) => {
                let path = self.log.path();
                let path = path.display();
                warn!(target: LOG_TARGET, %path, "state cannot be saved and would be lost on restart: {report}");
            }
            (Some(_), None) => info!(target: LOG_TARGET, "state is saved again"),
            _ => {}
        }
    }
}

impl Written {
    /// Due after a first listing, which voids records of another upstream, or if most are replaced.
    fn is_full_due(&self, backends: &BTreeMap<BackendId, BackendSummary>) -> bool {
        let length = self.extent.map_or(0, |extent| extent.length);
        backends.keys().any(|of| !self.backends.contains_key(of))
            || length > 2 * self.full + LENGTH_SLACK
    }
}

fn warn_of_retired(retired: &BTreeMap<BackendId, Timestamp>) {
    for (of, since) in retired {
        let until = since.checked_add(KEPT_RETIRED).unwrap_or(*since);
        warn!(target: LOG_TARGET,
            backend = %of.qualified(), %until,
            "no backend of this name is configured; its state and pinned digests are deleted after \
             that time; if the backend was renamed by mistake, restore the name"
        );
    }
}

fn cut_short(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "State was not read or written to the end").because(error)
}
