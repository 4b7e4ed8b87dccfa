//! Keeps what was seen of archives on disk: reads it at the start, writes it after news.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::catalog::first_seen::FirstSeen;
use crate::catalog::first_seen::stored::{from_json, to_json};
use crate::catalog::snapshot::file::StateFile;
use crate::error::{Error, ErrorKind, Result};

/// The form of the file. A new one is given out whenever an older service would misread it.
const VERSION: u32 = 1;
const NAME: &str = "digests.json";
/// Pause between two writes, so that many first downloads are one write.
const PAUSE: Duration = Duration::from_secs(1);
/// What is large is written less often: writing takes at most this part of the time.
const SHARE: u32 = 10;

/// What was seen, and the directory that it is kept in.
pub struct DigestKeeper {
    seen: Arc<FirstSeen>,
    file: StateFile,
    /// What a write last failed with, while it fails. Locked while writing.
    failure: Mutex<Option<String>>,
}

impl DigestKeeper {
    /// Keeps it in this directory.
    #[must_use]
    pub fn new(seen: Arc<FirstSeen>, dir: impl Into<PathBuf>) -> Arc<Self> {
        let file = StateFile::new(dir, NAME, VERSION);
        Arc::new(Self { seen, file, failure: Mutex::default() })
    }

    /// Takes over what was kept. A file that cannot be used is set aside and named in the log.
    pub fn read(&self, now: Timestamp) {
        self.file.remove_unfinished();
        match self.file.read(from_json) {
            Ok(known) => *self.seen.known.lock() = known.unwrap_or_default(),
            Err(error) => {
                let aside = self.file.set_aside(now);
                let aside =
                    aside.map_or_else(|error| error.to_string(), |p| p.display().to_string());
                warn!(
                    path = %self.file.path().display(), aside,
                    "pinned digests are lost: {}", error.report()
                );
            }
        }
    }

    /// Writes after news, until dropped.
    pub async fn run(self: Arc<Self>) {
        let mut news = self.seen.news.subscribe();
        // The sender is ours, so that there is always a next time.
        while news.changed().await.is_ok() {
            let begun = Instant::now();
            // A failure is in the log; the next news try again.
            let _ = self.save().await;
            sleep(PAUSE.max(begun.elapsed() * SHARE)).await;
        }
    }

    /// Writes what is known now.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub async fn save(self: &Arc<Self>) -> Result<()> {
        let this = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            let mut failure = this.failure.lock();
            let json = to_json(&this.seen.known.lock());
            let written = json.and_then(|json| this.file.write(|file| file.write_all(&json)));
            tell(&mut failure, written.as_ref().err());
            written
        });
        written.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, "A write was aborted").because(error))
        })
    }
}

/// Only the first failure in a row is news, and its end.
fn tell(before: &mut Option<String>, failure: Option<&Error>) {
    let failure = failure.map(Error::report);
    match (&before, &failure) {
        (None, Some(report)) => {
            warn!("pinned digests cannot be saved: {report}");
        }
        (Some(_), None) => info!("pinned digests are saved again"),
        _ => {}
    }
    *before = failure;
}
