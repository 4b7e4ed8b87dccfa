//! Settings of the OCI pull API.

use std::time::Duration;

use registry_core::via::Via;

use crate::oci::repository::RepositoryPath;

/// Settings of the OCI pull API.
#[derive(Clone, Debug)]
pub struct PullSettings {
    /// True if it is served.
    pub enabled: bool,
    /// Namespace of all repositories.
    pub namespace: RepositoryPath,
    /// Time that a client waits for an archive whose digest is not known yet.
    pub patience: Duration,
    /// Identity of the service, so that it does not read from itself.
    pub via: Via,
}

impl Default for PullSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            namespace: RepositoryPath::extensions(),
            patience: Duration::from_secs(30),
            via: Via::default(),
        }
    }
}
