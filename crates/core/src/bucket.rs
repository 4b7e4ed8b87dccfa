//! A bucket of objects by key, which the instances of a service share.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;

use crate::backend::download::Download;
use crate::error::Result;
use crate::models::digest::Digest;

/// Maximum length of a key, in bytes; with a prefix it stays below the 1,024 bytes of S3.
const KEY_MAX: usize = 512;

/// Key of an object: segments of `A-Z a-z 0-9 . _ -`, separated by single slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectKey(Box<str>);

/// A text outside the grammar of [`ObjectKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {KEY_MAX} characters: segments of A-Z a-z 0-9 . _ - with single slashes between \
     them, and no segment of dots alone"
)]
pub struct InvalidObjectKey;

/// Objects by key. Content is not verified, and an object may change or vanish at any time.
#[async_trait]
pub trait Bucket: Send + Sync {
    /// Opens an object. Fails with `NotFound` if it is missing.
    async fn get(&self, key: &ObjectKey) -> Result<Download>;

    /// Returns the size of an object in bytes. Fails with `NotFound` if it is missing.
    async fn size(&self, key: &ObjectKey) -> Result<u64>;

    /// Stores an object, and replaces one under this key. A failure of `content` stores nothing.
    async fn put(&self, key: &ObjectKey, content: Download) -> Result<()>;

    /// Deletes an object. Succeeds if it is missing.
    async fn delete(&self, key: &ObjectKey) -> Result<()>;

    /// Returns the keys that begin with the segments of this one, at most `most`, in any order.
    async fn list(&self, below: &ObjectKey, most: usize) -> Result<Vec<ObjectKey>>;
}

impl ObjectKey {
    /// Returns the key of the archive with this digest.
    #[must_use]
    pub fn of_archive(digest: &Digest) -> Self {
        let (algorithm, hex) = (digest.algorithm().as_str(), digest.hex());
        let start = hex.get(..2).unwrap_or(hex);
        Self(format!("archives/{algorithm}/{start}/{hex}").into())
    }

    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidObjectKey;

    fn from_str(text: &str) -> Result<Self, InvalidObjectKey> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        // URLs drop segments of dots, so that another object would be named.
        let is_segment =
            |segment: &str| segment.bytes().all(plain) && !segment.trim_matches('.').is_empty();
        if text.len() <= KEY_MAX && text.split('/').all(is_segment) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidObjectKey)
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain_paths() {
        for good in ["a", "a/b", "A-1/b_2/c.d", "a/..b/c..", &"x".repeat(KEY_MAX)] {
            assert_eq!(good.parse::<ObjectKey>().map(|key| key.to_string()).as_deref(), Ok(good));
        }
        let long = "x".repeat(KEY_MAX + 1);
        for bad in ["", "/", "/a", "a/", "a//b", ".", "a/..", "a/../b", "a b", "a%2fb", "ä", &long]
        {
            assert_eq!(bad.parse::<ObjectKey>(), Err(InvalidObjectKey), "{bad}");
        }
    }

    #[test]
    fn the_key_of_an_archive_is_its_digest() {
        let digest = Digest::sha256(b"x");
        let key = ObjectKey::of_archive(&digest);
        let hex = digest.hex();
        assert_eq!(key.as_str(), format!("archives/sha256/{}/{hex}", &hex[..2]));
        assert_eq!(key.as_str().parse(), Ok(key.clone()));
    }
}
