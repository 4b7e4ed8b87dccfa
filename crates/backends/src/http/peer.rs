//! Names of servers in messages.

use std::fmt;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;

/// Name of a server in messages, such as `gitea backend`.
#[derive(Clone, Debug)]
pub struct Peer(Arc<str>);

impl Peer {
    /// Creates a name that reads well after "The".
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }
}

impl From<BackendId> for Peer {
    fn from(backend: BackendId) -> Self {
        Self::new(format!("{backend} backend"))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
