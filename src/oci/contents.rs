//! What was read by digest and never changes: manifests and config blobs, in bounded memory.

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;

use crate::models::digest::Digest;

/// Content by digest. Beyond its bound what was not asked for the longest goes.
pub struct Contents {
    max_bytes: usize,
    held: Mutex<Held>,
}

struct Held {
    by_digest: LruCache<Digest, Bytes>,
    bytes: usize,
}

impl Contents {
    /// Holds at most this many bytes of content.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, held: Mutex::new(Held { by_digest: LruCache::unbounded(), bytes: 0 }) }
    }

    /// The content of this digest, if it is held.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<Bytes> {
        self.held.lock().by_digest.get(digest).cloned()
    }

    /// Keeps content whose digest was checked.
    pub fn keep(&self, digest: Digest, content: Bytes) {
        let mut held = self.held.lock();
        held.bytes += content.len();
        if let Some(same) = held.by_digest.put(digest, content) {
            held.bytes -= same.len();
        }
        while held.bytes > self.max_bytes {
            let Some((_, oldest)) = held.by_digest.pop_lru() else { break };
            held.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first() {
        let contents = Contents::new(10);
        let digest = |text: &str| Digest::sha256(text.as_bytes());
        let keep = |text: &'static str| contents.keep(digest(text), Bytes::from(text));
        keep("aaaa");
        keep("bbbb");
        keep("bbbb");
        assert!(contents.get(&digest("aaaa")).is_some());
        keep("cccc");
        assert!(contents.get(&digest("bbbb")).is_none());
        assert_eq!(contents.get(&digest("aaaa")).unwrap(), "aaaa");
        keep("larger than all of it");
        assert!(contents.get(&digest("larger than all of it")).is_none());
    }
}
