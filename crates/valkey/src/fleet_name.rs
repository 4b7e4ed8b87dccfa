//! Name of a fleet.

use std::fmt;
use std::str::FromStr;

/// Name under which replicas find each other in a database: 1 to 40 of `a-z 0-9 -`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetName(Box<str>);

/// A text outside the grammar of [`FleetName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 40 of a-z 0-9 -")]
pub struct InvalidFleetName;

impl FleetName {
    /// Returns the key for a name. The braces put all keys of a fleet into one slot.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("er:{{{self}}}:{name}")
    }
}

impl FromStr for FleetName {
    type Err = InvalidFleetName;

    fn from_str(text: &str) -> Result<Self, InvalidFleetName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.into())) } else { Err(InvalidFleetName) }
    }
}

impl fmt::Display for FleetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_key() {
        let longest = "a".repeat(40);
        for good in ["default", "prod-2", "-", "0", &longest] {
            let name: FleetName = good.parse().unwrap();
            assert_eq!(name.key("members"), format!("er:{{{good}}}:members"));
        }
        let longer = "a".repeat(41);
        for wrong in ["", " ", "Prod", "a b", "a:b", "{a}", "a}", "é", "a\n", "*", &longer] {
            assert_eq!(wrong.parse::<FleetName>(), Err(InvalidFleetName), "{wrong:?}");
        }
    }
}
