//! Limit of open files: connections and downloads are files.

use registry_server::server::SPARE;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::app::LOG_TARGET;
use crate::config::ServerConfig;

// Other open files: the program, its log, its state, and connections to backends.
const OTHERS: usize = 256;

pub(super) fn allow(server: &ServerConfig) {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        warn!(target: LOG_TARGET, "cannot raise the limit of open files: {error}");
    }
    let Some(most) = getrlimit(Resource::Nofile).current else { return };
    let ServerConfig { max_connections, max_requests, .. } = server;
    let needed = max_connections.saturating_add(*max_requests).saturating_add(2 * SPARE + OTHERS);
    if usize::try_from(most).is_ok_and(|most| most < needed) {
        warn!(target: LOG_TARGET,
            most,
            needed,
            "the limit of open files is too low for server.max_connections and server.max_requests: raise it (LimitNOFILE, ulimit -Hn) or lower them"
        );
    }
}
