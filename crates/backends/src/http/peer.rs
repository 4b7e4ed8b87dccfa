//! The servers that requests go to, by their names in messages, metrics and logs.

use std::fmt;

use registry_core::models::backend_id::BackendId;

/// A server that requests go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The server of a backend.
    Backend(BackendId),
    /// Another server, by a name that reads well after "The".
    Other(&'static str),
}

impl Peer {
    /// Creates a server that is no backend, by a name that reads well after "The".
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self::Other(name)
    }

    /// Returns the name in metrics and logs.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Backend(backend) => backend.as_str(),
            Self::Other(name) => name,
        }
    }
}

impl From<BackendId> for Peer {
    fn from(backend: BackendId) -> Self {
        Self::Backend(backend)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(backend) => write!(f, "{backend} backend"),
            Self::Other(name) => f.write_str(name),
        }
    }
}
