//! The kinds of upstream that an answer can come from.

use std::fmt;
use std::str::FromStr;

use crate::models::tag::TagStyle;

/// The kind of a backend, as `source` shows it in JSON and `[catalog] order` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendKind {
    /// Releases of a Gitea or Forgejo organization.
    Gitea,
    /// Artifacts of an OCI registry's namespace.
    Oci,
    /// OCI image layouts in a directory of this machine.
    Local,
}

/// A text that is not one of the kinds of backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("source must be one of gitea, oci, local")]
pub struct InvalidBackendKind;

impl BackendKind {
    /// Every source, in the default order of ownership.
    pub const ALL: [Self; 3] = [Self::Gitea, Self::Oci, Self::Local];

    /// Spelling of versions in tags of this kind.
    #[must_use]
    pub const fn tag_style(self) -> TagStyle {
        match self {
            Self::Gitea => TagStyle::Plain,
            Self::Oci | Self::Local => TagStyle::Oci,
        }
    }

    /// The word used in JSON, configuration, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gitea => "gitea",
            Self::Oci => "oci",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BackendKind {
    type Err = InvalidBackendKind;

    fn from_str(text: &str) -> Result<Self, InvalidBackendKind> {
        Self::ALL.into_iter().find(|source| source.as_str() == text).ok_or(InvalidBackendKind)
    }
}
