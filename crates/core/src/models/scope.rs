//! The backends that a request is about.

use crate::models::backend_id::BackendId;
use crate::models::backend_kind::BackendKind;

/// The backends that a request is about: `?source=` takes a kind, `?backend=` a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every configured backend, merged.
    #[default]
    All,
    /// The backends of one kind, in their order.
    Kind(BackendKind),
    /// One backend.
    Backend(BackendId),
    /// A name that no configured backend has.
    Nothing,
}

impl Scope {
    /// Returns true if the backend is part of the scope.
    #[must_use]
    pub fn includes(self, backend: BackendId) -> bool {
        match self {
            Self::All => true,
            Self::Kind(kind) => backend.kind() == kind,
            Self::Backend(one) => backend == one,
            Self::Nothing => false,
        }
    }

    /// The subject of a message about the backends of the scope.
    #[must_use]
    pub fn subject(self) -> String {
        match self {
            Self::All | Self::Nothing => "A backend".to_owned(),
            Self::Kind(kind) => format!("The {kind} backend"),
            Self::Backend(one) => format!("The {one} backend"),
        }
    }

    /// Query parameter that asks for the scope, as name and value; `None` for `All` and `Nothing`.
    #[must_use]
    pub fn parameter(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::All | Self::Nothing => None,
            Self::Kind(kind) => Some(("source", kind.as_str())),
            Self::Backend(one) => Some(("backend", one.as_str())),
        }
    }

    /// The query that asks for the scope, such as `source=oci`.
    #[must_use]
    pub fn query(&self) -> Option<String> {
        self.parameter().map(|(name, value)| format!("{name}={value}"))
    }
}

impl From<BackendId> for Scope {
    fn from(backend: BackendId) -> Self {
        Self::Backend(backend)
    }
}
