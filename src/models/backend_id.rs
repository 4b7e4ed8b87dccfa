//! The configured name of a backend.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::models::backend_kind::BackendKind;

/// Longest name, in characters (all of them ASCII).
const NAME_MAX: usize = 32;

/// The name of one configured backend, unique over all kinds; by default the word of its kind.
///
/// JSON, metrics, logs, ownership and the state on disk identify a backend by it (contract §8).
/// Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(Arc<str>);

/// A text outside the grammar of [`BackendId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("backend must be 1 to {NAME_MAX} of a-z 0-9 - and begin with a letter")]
pub struct InvalidBackendId;

impl BackendId {
    /// The name as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if this is the default name of a kind.
    #[must_use]
    pub fn is_default_of(&self, kind: BackendKind) -> bool {
        self.as_str() == kind.as_str()
    }
}

impl From<BackendKind> for BackendId {
    fn from(kind: BackendKind) -> Self {
        Self(Arc::from(kind.as_str()))
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BackendId {
    type Err = InvalidBackendId;

    fn from_str(text: &str) -> Result<Self, InvalidBackendId> {
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=NAME_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(inside);
        if fits { Ok(Self(Arc::from(text))) } else { Err(InvalidBackendId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_grammar_are_refused() {
        for good in ["gitea", "a", "internal-2", "x--", &"a".repeat(32)] {
            assert_eq!(good.parse::<BackendId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "2a", "-a", "A", "a_b", "a.b", "a b", "é", "a\0", &"a".repeat(33)] {
            assert_eq!(bad.parse::<BackendId>(), Err(InvalidBackendId), "{bad:?}");
        }
    }
}
