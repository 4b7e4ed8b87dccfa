//! Sentinels as operators name them.

use std::fmt;
use std::str::FromStr;

use crate::host_port::HostPort;

/// Maximum number of sentinels. Five are many.
const SENTINELS_MAX: usize = 15;
/// Maximum length of a name, in bytes.
const NAME_MAX: usize = 100;

/// Sentinels that watch one primary and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentinels {
    addresses: Vec<HostPort>,
    /// Name under which they watch the primary.
    pub name: SentinelName,
    /// User of the sentinels; `None` for their default user.
    pub username: Option<String>,
}

/// Name under which sentinels watch a primary: 1 to 100 of `A-Z a-z 0-9 . - _`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelName(Box<str>);

/// A text outside the grammar of [`SentinelName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to 100 of A-Z a-z 0-9 . - _, as behind `sentinel monitor` in the configuration of the sentinels"
)]
pub struct InvalidSentinelName;

/// Addresses that cannot be those of all sentinels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSentinels {
    /// There are too few or too many.
    #[error("must have 1 to {SENTINELS_MAX} entries, not {0}")]
    Number(usize),
    /// One is named more than once.
    #[error("names {0} more than once; name each sentinel once")]
    Repeated(HostPort),
}

impl Sentinels {
    /// Names sentinels by their addresses, 1 to 15 different ones.
    pub fn new(
        addresses: Vec<HostPort>,
        name: SentinelName,
        username: Option<String>,
    ) -> Result<Self, InvalidSentinels> {
        if !(1..=SENTINELS_MAX).contains(&addresses.len()) {
            return Err(InvalidSentinels::Number(addresses.len()));
        }
        let mut earlier = Vec::new();
        for address in &addresses {
            if earlier.contains(&address) {
                return Err(InvalidSentinels::Repeated(address.clone()));
            }
            earlier.push(address);
        }
        Ok(Self { addresses, name, username })
    }

    /// Returns the addresses, as they were named.
    #[must_use]
    pub fn addresses(&self) -> &[HostPort] {
        &self.addresses
    }
}

impl FromStr for SentinelName {
    type Err = InvalidSentinelName;

    fn from_str(text: &str) -> Result<Self, InvalidSentinelName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let fits = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.into())) } else { Err(InvalidSentinelName) }
    }
}

impl fmt::Display for SentinelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentinels(addresses: &[String]) -> Result<Sentinels, InvalidSentinels> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Sentinels::new(addresses, "mymaster".parse().unwrap(), None)
    }

    #[test]
    fn there_are_1_to_15_different_ones() {
        let many: Vec<String> = (1..=16).map(|port| format!("sentinel:{port}")).collect();
        assert_eq!(sentinels(&many[..15]).unwrap().addresses().len(), 15);
        assert_eq!(sentinels(&many), Err(InvalidSentinels::Number(16)));
        assert_eq!(sentinels(&[]), Err(InvalidSentinels::Number(0)));
        let twice = ["a:1", "b:1", "A:1"].map(str::to_owned);
        assert_eq!(sentinels(&twice), Err(InvalidSentinels::Repeated("a:1".parse().unwrap())));
    }

    #[test]
    fn names_are_those_that_sentinels_accept() {
        let longest = "a".repeat(100);
        for good in ["mymaster", "My.Master-2_b", "0", &longest] {
            assert_eq!(good.parse::<SentinelName>().unwrap().to_string(), good);
        }
        let longer = "a".repeat(101);
        for wrong in ["", " ", "my master", "a\n", "a*", "é", "a:b", &longer] {
            assert_eq!(wrong.parse::<SentinelName>(), Err(InvalidSentinelName), "{wrong:?}");
        }
    }
}
