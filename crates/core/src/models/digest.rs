//! Content digests: parsing, computation and comparison.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

/// A digest in OCI format (image-spec, descriptor): `sha256:` or `sha512:` and lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

/// Supported hash algorithms. Digests with another algorithm are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, which every backend supports.
    Sha256,
    /// SHA-512, the other algorithm registered by OCI.
    Sha512,
}

/// Error for a text that is not a digest of a supported algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is sha256: with 64 or sha512: with 128 lower-case hexadecimal digits")]
pub struct InvalidDigest;

impl Algorithm {
    /// Returns the prefix of a digest, without the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl Digest {
    /// Computes the SHA-256 digest of `bytes`.
    #[must_use]
    pub fn sha256(bytes: &[u8]) -> Self {
        let mut hasher = DigestHasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns true if `bytes` have this digest.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut hasher = DigestHasher::new(self.algorithm);
        hasher.update(bytes);
        hasher.finish() == *self
    }

    /// Returns the hash algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the hexadecimal digits, which are safe as a file name.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Returns the digest with these raw bytes; `None` if their number is not that of the algorithm.
    #[must_use]
    pub fn of_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() * 2 == algorithm.hex_len()).then(|| from_output(algorithm, bytes))
    }

    /// Returns true if `text` is this digest in OCI format.
    #[must_use]
    pub fn is_text(&self, text: &str) -> bool {
        let hex =
            text.strip_prefix(self.algorithm.as_str()).and_then(|rest| rest.strip_prefix(':'));
        hex == Some(&*self.hex)
    }

    /// Decodes the digest into raw bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let pairs = (0..self.hex.len()).step_by(2).filter_map(|at| self.hex.get(at..at + 2));
        pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let known = [Algorithm::Sha256, Algorithm::Sha512].into_iter().find_map(|algorithm| {
            Some((algorithm, text.strip_prefix(algorithm.as_str())?.strip_prefix(':')?))
        });
        let (algorithm, hex) = known.ok_or(InvalidDigest)?;
        // Upper case is refused as in the image-spec: two spellings would be two cache keys.
        let lower_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex.len() == algorithm.hex_len() && lower_hex {
            Ok(Self { algorithm, hex: hex.into() })
        } else {
            Err(InvalidDigest)
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

/// Incremental computation of a [`Digest`].
#[derive(Clone, Debug)]
pub struct DigestHasher(HasherState);

#[derive(Clone, Debug)]
enum HasherState {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl DigestHasher {
    /// Creates a hasher for the given algorithm.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => HasherState::Sha256(Sha256::new()),
            Algorithm::Sha512 => HasherState::Sha512(Sha512::new()),
        })
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            HasherState::Sha256(state) => state.update(bytes),
            HasherState::Sha512(state) => state.update(bytes),
        }
    }

    /// Returns the digest of all bytes added.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            HasherState::Sha256(state) => from_output(Algorithm::Sha256, &state.finalize()),
            HasherState::Sha512(state) => from_output(Algorithm::Sha512, &state.finalize()),
        }
    }
}

fn from_output(algorithm: Algorithm, output: &[u8]) -> Digest {
    let digits = output.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    let hex: String = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
    Digest { algorithm, hex: hex.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_JSON: &str =
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn computes_the_digest_of_the_empty_json_object() {
        let digest = Digest::sha256(b"{}");
        assert_eq!(digest.to_string(), EMPTY_JSON);
        assert_eq!(EMPTY_JSON.parse(), Ok(digest.clone()));
        assert!(digest.matches(b"{}"));
        assert!(!digest.matches(b"{ }"));
        assert_eq!(digest.to_bytes().len(), 32);
        assert_eq!(digest.to_bytes().first(), Some(&0x44));
    }

    #[test]
    fn sha512_is_known_and_others_are_refused() {
        let text = format!("sha512:{}", "0a".repeat(64));
        assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha256:44",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &EMPTY_JSON.to_uppercase(),
            &EMPTY_JSON.replace("sha256:44", "sha256:/."),
            &format!("sha256:{}", "0a".repeat(64)),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(InvalidDigest), "{bad}");
        }
    }
}
