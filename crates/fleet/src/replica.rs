//! The name of a replica.

use std::fmt;
use std::str::FromStr;

use crate::key_part::is_key_part;

/// Maximum length, in bytes.
const LENGTH_MAX: usize = 64;

/// Name of one process, new at each start: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(Box<str>);

/// A text outside the grammar of [`ReplicaId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 of A-Z a-z 0-9 . _ -")]
pub struct InvalidReplicaId;

impl ReplicaId {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReplicaId {
    type Err = InvalidReplicaId;

    fn from_str(text: &str) -> Result<Self, InvalidReplicaId> {
        if is_key_part(text, LENGTH_MAX) { Ok(Self(text.into())) } else { Err(InvalidReplicaId) }
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_a_key_of_an_engine() {
        let longest = "a".repeat(64);
        for good in ["a", "registry-7f9c.2", &longest] {
            assert_eq!(good.parse::<ReplicaId>().unwrap().as_str(), good);
        }
        let longer = "a".repeat(65);
        for wrong in ["", " ", "a b", "a:b", "a\n", "ä", &longer] {
            assert_eq!(wrong.parse::<ReplicaId>(), Err(InvalidReplicaId), "{wrong:?}");
        }
    }
}
