//! Standing of a backend towards one extension.

use crate::head::ExtensionHead;
use crate::links::Links;

/// Standing of one backend towards the extension.
#[derive(Clone, Debug)]
pub struct KeptAt {
    /// Name of the backend.
    pub backend: String,
    /// Its standing.
    pub standing: KeptStanding,
}

/// Standing of a backend towards an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptStanding {
    /// It answers for the name.
    Owner,
    /// It has the name too, but another backend answers.
    Also {
        /// Oldest version.
        oldest: String,
        /// Newest version.
        newest: String,
        /// True if it has the version on the page.
        has_version: bool,
    },
    /// It has no such extension.
    Absent,
    /// It was not listed yet.
    Unknown,
}

impl KeptStanding {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Owner => "owns the name: first in the order that has it".to_owned(),
            Self::Also { oldest, newest, .. } if oldest == newest => {
                format!("also has {newest}; not used.")
            }
            Self::Also { oldest, newest, .. } => {
                format!("also has {oldest} to {newest}; not used.")
            }
            Self::Absent => "does not have it".to_owned(),
            Self::Unknown => "not listed yet".to_owned(),
        }
    }
}

impl KeptAt {
    /// Returns the address of the comparison of the version on the page with the one here.
    pub(super) fn comparison(&self, links: &Links, head: &ExtensionHead) -> Option<String> {
        let KeptStanding::Also { has_version: true, .. } = self.standing else { return None };
        let version = &head.version.tag;
        let here = format!("{version}@{}", self.backend);
        Some(links.extension(&head.id).changes_between(version, &here))
    }
}
