//! The configuration that replicas have in common.

use registry_core::models::digest::Digest;

/// Number of hexadecimal digits: 64 bits.
const DIGITS: usize = 16;

/// Short digest of the configuration that is the same on all replicas of a fleet. Tells mistakes, and
/// proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigDigest(Box<str>);

impl ConfigDigest {
    /// Returns the digest of a configuration as text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let digest = Digest::sha256(text.as_bytes());
        Self(digest.hex().chars().take(DIGITS).collect())
    }

    /// Returns the digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
