//! A memo bounded by the bytes it holds: for answers whose sizes differ by orders of magnitude.

use lru::LruCache;
use parking_lot::Mutex;

/// Values by key with their weights. Beyond its bound what was not asked for the longest goes.
pub struct Weighted<V> {
    max_bytes: usize,
    held: Mutex<Held<V>>,
}

struct Held<V> {
    by_key: LruCache<String, (usize, V)>,
    bytes: usize,
}

impl<V: Clone> Weighted<V> {
    /// Holds at most this many bytes.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, held: Mutex::new(Held { by_key: LruCache::unbounded(), bytes: 0 }) }
    }

    /// The value under this key, if it is held.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<V> {
        self.held.lock().by_key.get(key).map(|(_, value)| value.clone())
    }

    /// Keeps a value that weighs this many bytes.
    pub fn put(&self, key: String, bytes: usize, value: V) {
        let mut held = self.held.lock();
        held.bytes += bytes;
        if let Some((before, _)) = held.by_key.put(key, (bytes, value)) {
            held.bytes -= before;
        }
        while held.bytes > self.max_bytes {
            let Some((_, (oldest, _))) = held.by_key.pop_lru() else { break };
            held.bytes -= oldest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_goes_first() {
        let memo = Weighted::new(10);
        let put = |key: &str, bytes| memo.put(key.to_owned(), bytes, key.to_owned());
        put("a", 4);
        put("b", 4);
        put("b", 4);
        assert!(memo.get("a").is_some());
        put("c", 4);
        assert_eq!((memo.get("a").is_some(), memo.get("b")), (true, None));
        put("larger than all of it", 11);
        assert_eq!(memo.get("larger than all of it"), None);
        assert_eq!(memo.get("a"), None, "it made room in vain");
    }
}
