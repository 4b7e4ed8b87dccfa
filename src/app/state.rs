//! State that survives a restart, and the upstreams that it belongs to.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use registry_catalog::Catalog;
use registry_catalog::state::Fingerprints;
use registry_catalog::state::persister::Persister;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::app::LOG_TARGET;
use crate::config::Config;

/// `None`, with a warning, without a directory. Fails if a newer release wrote the state.
pub(super) async fn restored(
    config: &Config,
    catalog: &Arc<Catalog>,
) -> io::Result<Option<Arc<Persister>>> {
    let Some(dir) = &config.cache.state_dir else {
        warn!(target: LOG_TARGET,
            "cache.state_dir is not set: after a restart the catalog is empty until every backend has \
             been listed, and the owners of removed names are forgotten"
        );
        return Ok(None);
    };
    let place = dir.clone();
    // A panic is in the log by now.
    let _ = spawn_blocking(move || warn_if_open_to_all(&place)).await;
    let persister = Persister::new(Arc::clone(catalog), dir, fingerprints(config));
    let read = persister.read(Timestamp::now()).await;
    read.map_err(|error| io::Error::other(format!("cache.state_dir: {}", error.report())))?;
    Ok(Some(persister))
}

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

/// Returns the fingerprint of each backend's configuration.
pub(super) fn fingerprints(config: &Config) -> Fingerprints {
    config.backends.iter().map(|backend| (backend.id, backend.fingerprint.clone())).collect()
}
