//! The identity of a configured backend.

use std::fmt;
use std::str::{self, FromStr};

use crate::models::backend_kind::BackendKind;

// Maximum length, in characters (all ASCII).
const NAME_MAX: usize = 32;

/// The name of a backend: `[a-z][a-z0-9-]{0,31}`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendName {
    // Padded with zeros, so that names compare as texts. Inline: names are copied like numbers.
    bytes: [u8; NAME_MAX],
    length: u8,
}

/// A text outside the grammar of [`BackendName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {NAME_MAX} of a-z 0-9 - and begin with a letter")]
pub struct InvalidBackendName;

impl BackendName {
    /// The default name of the only backend of a kind.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "names of kinds have fewer than 256 bytes")]
    pub const fn of_kind(kind: BackendKind) -> Self {
        let text = kind.as_str().as_bytes();
        let mut bytes = [0; NAME_MAX];
        if let Some((start, _)) = bytes.as_mut_slice().split_at_mut_checked(text.len()) {
            start.copy_from_slice(text);
        }
        Self { bytes, length: text.len() as u8 }
    }

    /// The name as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        // Only ASCII gets in.
        str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for BackendName {
    type Err = InvalidBackendName;

    fn from_str(text: &str) -> Result<Self, InvalidBackendName> {
        let fits = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let length = u8::try_from(text.len()).map_err(|_| InvalidBackendName)?;
        let mut bytes = [0; NAME_MAX];
        match bytes.get_mut(..text.len()) {
            Some(start) if fits => {
                start.copy_from_slice(text.as_bytes());
                Ok(Self { bytes, length })
            }
            _ => Err(InvalidBackendName),
        }
    }
}

/// One configured backend: unique name and kind, which identify it everywhere (contract §8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId {
    name: BackendName,
    kind: BackendKind,
}

impl BackendId {
    /// The Gitea backend without a name.
    pub const GITEA: Self = Self::of_kind(BackendKind::Gitea);
    /// The OCI backend without a name.
    pub const OCI: Self = Self::of_kind(BackendKind::Oci);
    /// The local backend without a name.
    pub const LOCAL: Self = Self::of_kind(BackendKind::Local);

    /// A backend of this name and kind.
    #[must_use]
    pub const fn new(name: BackendName, kind: BackendKind) -> Self {
        Self { name, kind }
    }

    /// The only backend of a kind, named like the kind.
    #[must_use]
    pub const fn of_kind(kind: BackendKind) -> Self {
        Self::new(BackendName::of_kind(kind), kind)
    }

    /// The name, by which everything else identifies the backend.
    #[must_use]
    pub const fn name(&self) -> BackendName {
        self.name
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.name.as_str()
    }

    /// Returns `KIND/NAME` for the state on disk, or `KIND` for a backend named like its kind.
    #[must_use]
    pub fn qualified(&self) -> String {
        let (kind, name) = (self.kind.as_str(), self.as_str());
        if kind == name { name.to_owned() } else { format!("{kind}/{name}") }
    }

    /// The kind of server it reads.
    #[must_use]
    pub const fn kind(&self) -> BackendKind {
        self.kind
    }
}

/// A text that is neither a kind nor a kind, a slash and a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the kind of a backend, or KIND/NAME")]
pub struct InvalidBackendId;

impl FromStr for BackendId {
    type Err = InvalidBackendId;

    fn from_str(text: &str) -> Result<Self, InvalidBackendId> {
        let (kind, name) = text.split_once('/').unwrap_or((text, text));
        let name = name.parse().map_err(|_| InvalidBackendId)?;
        Ok(Self::new(name, kind.parse().map_err(|_| InvalidBackendId)?))
    }
}

impl From<BackendKind> for BackendId {
    fn from(kind: BackendKind) -> Self {
        Self::of_kind(kind)
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_grammar_are_refused() {
        for good in ["gitea", "a", "internal-2", "x--", &"a".repeat(32)] {
            assert_eq!(good.parse::<BackendName>().map(|name| name.to_string()), Ok(good.into()));
        }
        for bad in ["", "2a", "-a", "A", "a_b", "a.b", "a b", "é", "a\0", &"a".repeat(33)] {
            assert_eq!(bad.parse::<BackendName>(), Err(InvalidBackendName), "{bad:?}");
        }
        assert!(InvalidBackendName.to_string().contains("1 to 32"));
    }

    #[test]
    fn names_compare_as_their_texts() {
        let texts = ["a", "a-b", "ab", "abc", "b"];
        let names: Vec<BackendName> = texts.iter().map(|text| text.parse().unwrap()).collect();
        assert!(names.is_sorted());
        assert_eq!(BackendId::OCI.to_string(), BackendKind::Oci.to_string());
    }

    #[test]
    fn state_names_kind_and_name() {
        let internal = BackendId::new("internal".parse().unwrap(), BackendKind::Gitea);
        for (id, text) in [(BackendId::OCI, "oci"), (internal, "gitea/internal")] {
            assert_eq!(id.qualified(), text);
            assert_eq!(text.parse(), Ok(id));
        }
        for bad in ["", "internal", "gitea/", "oci/A", "svn/internal"] {
            assert_eq!(bad.parse::<BackendId>(), Err(InvalidBackendId), "{bad:?}");
        }
    }
}
