//! What may have changed at a backend since it was last asked.

use crate::backend::Fault;
use crate::models::coverage::Coverage;
use crate::models::naming::ExtensionId;

/// A place in a backend's history. Opaque: only the backend that made it can read it; it may be
/// stored and shown again after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeCursor(String);

impl ChangeCursor {
    /// Wraps a backend's own text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The backend's own text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a list of all repositories proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// How much of the list is proven.
    pub coverage: Coverage,
    /// The faults that the list shows, with the subject `Listing` or `Naming`.
    pub faults: Vec<Fault>,
}

/// The answer to "what may have changed since then?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Only these may differ from what was read before.
    These {
        /// To be read again, each once; some of them may be gone, some may not have changed.
        dirty: Vec<ExtensionId>,
        /// Where to go on from next time.
        cursor: ChangeCursor,
        /// What the list of repositories proved, where this question read one.
        listed: Option<Listed>,
    },
    /// The backend cannot say: take a new cursor (ask since `None`), then list everything.
    CannotTell,
}
