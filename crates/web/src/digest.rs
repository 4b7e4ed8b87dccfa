//! SHA-256 digests of archives and files.

use std::fmt;
use std::str::FromStr;

const DIGITS: usize = 64;
const SHORT: usize = 12;

/// SHA-256 digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestView {
    hex: String,
}

/// Text that is not a SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest must read `sha256:` and 64 hexadecimal digits")]
pub struct NotADigest;

impl FromStr for DigestView {
    type Err = NotADigest;

    /// Parses 64 hexadecimal digits, with or without `sha256:` before them.
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.len() == DIGITS && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self { hex: hex.to_ascii_lowercase() });
        }
        Err(NotADigest)
    }
}

impl DigestView {
    /// Returns the 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Returns the first 12 hexadecimal digits.
    #[must_use]
    pub fn short(&self) -> &str {
        self.hex.get(..SHORT).unwrap_or(&self.hex)
    }
}

/// Writes `sha256:` and the digits.
impl fmt::Display for DigestView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_parsed_with_and_without_their_algorithm() {
        let hex = "AB".repeat(32);
        let digest: DigestView = format!("sha256:{hex}").parse().unwrap();
        assert_eq!(digest, hex.parse().unwrap());
        assert_eq!(digest.to_string(), format!("sha256:{}", "ab".repeat(32)));
        assert_eq!(digest.short(), "abababababab");
        for wrong in ["", "sha256:", "sha512:00", &hex[1..], &format!("{}g", &hex[1..])] {
            assert_eq!(wrong.parse::<DigestView>(), Err(NotADigest), "{wrong}");
        }
    }
}
