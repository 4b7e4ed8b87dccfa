//! An LRU map bounded by the number of entries and by their total weight.

use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// Limits of a weighted map.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Maximum number of entries.
    pub entries: NonZeroUsize,
    /// Maximum total weight, in bytes.
    pub bytes: usize,
}

/// Values by key with their weights.
pub struct Weighted<K: Eq + Hash, V> {
    bounds: Bounds,
    by_key: LruCache<K, (usize, V)>,
    bytes: usize,
}

impl<K: Eq + Hash, V> Weighted<K, V> {
    /// Creates an empty map with these limits.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, by_key: LruCache::unbounded(), bytes: 0 }
    }

    /// Returns the value under this key and marks it as recently used.
    pub fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.by_key.get(key).map(|(_, value)| value)
    }

    /// Returns the value under this key without marking it as used.
    pub fn peek<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.by_key.peek(key).map(|(_, value)| value)
    }

    /// Removes a value.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some((weight, _)) = self.by_key.pop(key) {
            self.bytes -= weight;
        }
    }

    /// Inserts a value with this weight in bytes and returns the number of evicted entries. A value
    /// that exceeds the limit by itself is not inserted.
    pub fn put(&mut self, key: K, weight: usize, value: V) -> usize {
        // A stale value must not survive when its successor is too heavy.
        self.remove(&key);
        if weight > self.bounds.bytes {
            return 0;
        }
        self.bytes += weight;
        self.by_key.put(key, (weight, value));
        let mut left = 0;
        while self.bytes > self.bounds.bytes || self.by_key.len() > self.bounds.entries.get() {
            let Some((_, (oldest, _))) = self.by_key.pop_lru() else { break };
            self.bytes -= oldest;
            left += 1;
        }
        left
    }

    /// Removes the values for which `keep` returns false.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool)
    where
        K: Clone,
    {
        // `LruCache` has no `retain`, and the weights must be subtracted entry by entry.
        let gone = self.by_key.iter().filter(|(_, (_, value))| !keep(value));
        let gone: Vec<K> = gone.map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| self.remove(key));
    }

    /// Iterates over all values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.by_key.iter().map(|(_, (_, value))| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(entries: usize, bytes: usize) -> Weighted<String, String> {
        Weighted::new(Bounds { entries: NonZeroUsize::new(entries).unwrap(), bytes })
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let mut held = bounded(100, 10);
        let put = |held: &mut Weighted<_, _>, key: &str, weight| {
            held.put(key.to_owned(), weight, key.to_owned())
        };
        assert_eq!(put(&mut held, "a", 4), 0);
        assert_eq!(put(&mut held, "b", 4), 0);
        assert_eq!(put(&mut held, "b", 4), 0, "the same again takes its own place");
        assert!(held.get("a").is_some());
        assert_eq!(put(&mut held, "c", 4), 1);
        assert_eq!((held.get("a").is_some(), held.get("b")), (true, None));
        assert_eq!(put(&mut held, "larger than all of it", 11), 0);
        assert_eq!(held.get("larger than all of it"), None);
        assert_eq!(held.values().count(), 2, "nothing made room in vain");
        assert_eq!(put(&mut held, "c", 11), 0);
        assert_eq!(held.get("c"), None, "an old value does not outlive the new one");
    }

    #[test]
    fn what_is_forgotten_makes_room() {
        let mut held = bounded(100, 10);
        for key in ["a", "b"] {
            held.put(key.to_owned(), 5, key.to_owned());
        }
        held.retain(|value| value != "a");
        assert_eq!(held.put("c".to_owned(), 5, String::new()), 0);
        assert_eq!(held.get("a"), None);
        assert_eq!(held.values().count(), 2);
    }

    #[test]
    fn a_look_is_no_use() {
        let mut held = bounded(2, 10);
        held.put("a".to_owned(), 1, String::new());
        held.put("b".to_owned(), 1, String::new());
        assert!(held.peek("a").is_some());
        held.put("c".to_owned(), 1, String::new());
        assert_eq!((held.peek("a"), held.peek("b").is_some()), (None, true));
    }

    #[test]
    fn there_are_never_more_than_its_bounds_say() {
        let mut held = bounded(3, 1000);
        let left: usize = (0..10).map(|n| held.put(n.to_string(), 1, String::new())).sum();
        assert_eq!((left, held.values().count()), (7, 3));
    }
}
