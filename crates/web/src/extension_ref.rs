//! Reference to one extension.

use std::fmt;

use crate::extension_type::TypeView;

/// Reference to one extension, at its owner or at one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionRef {
    /// Type of the extension.
    pub extension_type: TypeView,
    /// Name as its backend spells it.
    pub name: String,
    /// Name of the backend that answers; `None` for the owner.
    pub backend: Option<String>,
}

impl ExtensionRef {
    /// Returns a reference to an extension at its owner.
    #[must_use]
    pub fn new(extension_type: TypeView, name: impl Into<String>) -> Self {
        Self { extension_type, name: name.into(), backend: None }
    }

    /// Returns the reference to the extension at one backend.
    #[must_use]
    pub fn at_backend(self, backend: impl Into<String>) -> Self {
        Self { backend: Some(backend.into()), ..self }
    }
}

/// Writes `type/name`.
impl fmt::Display for ExtensionRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.extension_type, self.name)
    }
}
