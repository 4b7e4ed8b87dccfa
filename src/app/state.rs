//! Where what is known is kept over a restart, and which upstreams it is known of.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::warn;

use crate::app::LOG_TARGET;
use crate::catalog::Catalog;
use crate::catalog::pins::keeper::DigestKeeper;
use crate::catalog::snapshot::Fingerprints;
use crate::catalog::snapshot::keeper::Keeper;
use crate::config::Config;

/// Restores the state of the last run; `None`, with a warning, if no directory is configured.
pub(super) async fn restored(config: &Config, catalog: &Arc<Catalog>) -> Option<Persisters> {
    let Some(dir) = &config.cache.state_dir else {
        warn!(target: LOG_TARGET,
            "cache.state_dir is not set: after a restart the catalog is empty until every backend has \
             been listed, and the owners of removed names are forgotten"
        );
        return None;
    };
    let now = Timestamp::now();
    let digests = DigestKeeper::new(Arc::clone(catalog.pins()), dir);
    let (place, reading) = (dir.clone(), Arc::clone(&digests));
    // Before the catalog, which is completed by it. A panic is in the log by now.
    let _ = spawn_blocking(move || {
        warn_if_open_to_all(&place);
        reading.read(now);
    })
    .await;
    let known = Keeper::new(Arc::clone(catalog), dir, fingerprints(config));
    known.read(now).await;
    Some(Persisters { known, digests })
}

/// Warns where everybody on this machine can put something into the state directory.
fn warn_if_open_to_all(dir: &Path) {
    let Ok(metadata) = std::fs::metadata(dir) else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o002 != 0 {
        let path = dir.display();
        warn!(target: LOG_TARGET,
            %path,
            mode = format!("{mode:o}"),
            "cache.state_dir is writable by every user of this machine, who could change what is served after a restart; restrict it to the user of the service (chmod o-w {path})"
        );
    }
}

/// Who keeps what is known.
pub(super) struct Persisters {
    known: Arc<Keeper>,
    digests: Arc<DigestKeeper>,
}

impl Persisters {
    /// Keeps it up to date on disk.
    pub(super) fn run(&self, tasks: &mut JoinSet<()>) {
        tasks.spawn(Arc::clone(&self.known).run());
        tasks.spawn(Arc::clone(&self.digests).run());
    }

    /// Writes it one last time. A failure is in the log, and no reason to end otherwise.
    pub(super) async fn save(&self, now: Timestamp) {
        let _ = self.digests.save().await;
        let _ = self.known.save(now).await;
    }
}

/// What each backend is configured to be.
fn fingerprints(config: &Config) -> Fingerprints {
    config.backends.iter().map(|backend| (backend.id, backend.fingerprint.clone())).collect()
}
