//! Cache of the contents of files, by the digest of their archive and their path. They never expire: a
//! digest names the same bytes.

use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::models::digest::Digest;

/// Maximum total size of the cached contents, in bytes.
pub(super) const BYTES_MAX: usize = 8 << 20;
/// Maximum length of a cached file, in bytes: that of a file that is shown.
const FILE_MAX: usize = 512 << 10;
const BOUNDS: LruBounds = LruBounds::new(1000, BYTES_MAX);

pub(super) struct FileCache(Mutex<BoundedLru<(Digest, String), Bytes>>);

impl Default for FileCache {
    fn default() -> Self {
        Self(Mutex::new(BoundedLru::new(BOUNDS)))
    }
}

impl FileCache {
    pub(super) fn get(&self, digest: &Digest, path: &str) -> Option<Bytes> {
        self.0.lock().get(&(digest.clone(), path.to_owned())).cloned()
    }

    /// A long file is not stored.
    pub(super) fn put(&self, digest: &Digest, path: &str, bytes: &Bytes) {
        if bytes.len() <= FILE_MAX {
            let key = (digest.clone(), path.to_owned());
            let weight = bytes.len() + path.len() + digest.hex().len() + size_of::<Bytes>();
            self.0.lock().put(key, weight as u64, bytes.clone());
        }
    }
}
