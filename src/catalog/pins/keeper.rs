//! Persistence of pins and learned digests: loads them at startup, saves them after changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::catalog::pins::Pins;
use crate::catalog::pins::stored::{from_json, to_json};
use crate::catalog::snapshot::file::StateFile;
use crate::error::{Error, ErrorKind, Result};

/// Version of the file format. It is raised when an older service would misread the file.
const VERSION: u32 = 1;
const NAME: &str = "digests.json";
/// Minimum pause between two writes, so that many first downloads are one write.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause after a write, as a multiple of the time that the write took: large files are written less
/// often.
const SHARE: u32 = 10;

/// The pins and digests, and the file that they are saved in.
pub struct DigestKeeper {
    seen: Arc<Pins>,
    file: StateFile,
    /// Error of the last write, while writes fail. Locked during a write, so writes do not overlap.
    failure: Mutex<Option<String>>,
}

impl DigestKeeper {
    /// Creates a keeper for a file in this directory.
    #[must_use]
    pub fn new(seen: Arc<Pins>, dir: impl Into<PathBuf>) -> Arc<Self> {
        let file = StateFile::new(dir, NAME, VERSION);
        Arc::new(Self { seen, file, failure: Mutex::default() })
    }

    /// Loads the saved state. An unusable file is renamed, and the log names it.
    pub fn read(&self, now: Timestamp) {
        self.file.remove_unfinished();
        match self.file.read(from_json) {
            Ok(known) => *self.seen.known.lock() = known.unwrap_or_default(),
            // Kept for the operator: lost pins mean that replaced archives go unnoticed.
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

    /// Saves after each change, until dropped.
    pub async fn run(self: Arc<Self>) {
        let mut news = self.seen.news.subscribe();
        // Never an error: `self` holds the sender.
        while news.changed().await.is_ok() {
            let begun = Instant::now();
            // The failure is in the log, and the next change tries again.
            let _ = self.save().await;
            sleep(PAUSE.max(begun.elapsed() * SHARE)).await;
        }
    }

    /// Saves the current state.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn save(self: &Arc<Self>) -> Result<()> {
        let this = Arc::clone(self);
        // Writing and `fsync` block, so they must not run on a thread of the runtime.
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

/// Logs the first failure in a row, and the end of the failures.
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
