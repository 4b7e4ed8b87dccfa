//! Incremental changes at a backend.

use crate::backend::Fault;
use crate::models::coverage::Coverage;
use crate::models::naming::ExtensionId;

/// A position in a backend's history, opaque to others. May be persisted across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeCursor(String);

impl ChangeCursor {
    /// Wraps a text issued by a backend.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text as the backend issued it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Result of a list of all repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Coverage of the list.
    pub coverage: Coverage,
    /// Faults found in the list, with the subject `Listing` or `Naming`.
    pub faults: Vec<Fault>,
}

/// Response of a backend to a request for changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Only these extensions may differ from the cached state.
    These {
        /// Extensions to read again, each once; some may be gone, some may be unchanged.
        dirty: Vec<ExtensionId>,
        /// Cursor for the next request.
        cursor: ChangeCursor,
        /// Result of the list of repositories, if this request read one.
        listed: Option<Listed>,
    },
    /// Changes cannot be listed: take a new cursor (request with `None`), then list everything.
    CannotTell,
}
