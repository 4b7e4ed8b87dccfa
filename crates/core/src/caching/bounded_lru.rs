//! LRU map with bounds on the number of entries and on their total weight in bytes.

use std::borrow::Borrow;
use std::hash::Hash;

use lru::LruCache;

/// Bounds of a [`BoundedLru`].
#[derive(Clone, Copy, Debug)]
pub struct LruBounds {
    /// Maximum number of entries.
    pub entries: usize,
    /// Maximum total weight, in bytes.
    pub bytes: u64,
}

impl LruBounds {
    /// Bounds both the entries and their total weight in bytes.
    #[must_use]
    pub const fn new(entries: usize, bytes: usize) -> Self {
        Self { entries, bytes: bytes as u64 }
    }

    /// Bounds only the number of entries.
    #[must_use]
    pub const fn entries(entries: usize) -> Self {
        Self { entries, bytes: u64::MAX }
    }
}

/// Values by key. The least recently used entries are evicted first.
pub struct BoundedLru<K, V> {
    bounds: LruBounds,
    // Unbounded, because a bounded one allocates memory for all its entries at once.
    by_key: LruCache<K, (u64, V)>,
    bytes: u64,
}

impl<K: Eq + Hash, V> BoundedLru<K, V> {
    /// Creates an empty map, without an allocation.
    #[must_use]
    pub fn new(bounds: LruBounds) -> Self {
        Self { bounds, by_key: LruCache::unbounded(), bytes: 0 }
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_key.len()
    }

    /// Returns the total weight in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns a value and marks it as used.
    pub fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.by_key.get_mut(key).map(|(_, value)| value)
    }

    /// Returns a value without marking it as used.
    pub fn peek<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.by_key.peek(key).map(|(_, value)| value)
    }

    /// Returns all values, the most recently used first.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Returns all entries, the most recently used first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.by_key.iter().map(|(key, (_, value))| (key, value))
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

    /// Stores a value that weighs `weight` bytes, and returns the keys that it evicts. A value that
    /// alone exceeds the bound is not stored and evicts nothing.
    pub fn put(&mut self, key: K, weight: u64, value: V) -> Vec<K> {
        // The old value must not outlive a new one that is too heavy.
        self.remove(&key);
        if weight > self.bounds.bytes {
            return Vec::new();
        }
        self.bytes += weight;
        self.by_key.put(key, (weight, value));
        self.evict()
    }

    /// Changes the bound on the total weight, and returns the keys that it evicts.
    pub fn limit_bytes(&mut self, bytes: u64) -> Vec<K> {
        self.bounds.bytes = bytes;
        self.evict()
    }

    /// Removes the least recently used entry if its value matches.
    pub fn remove_oldest_if(&mut self, matches: impl FnOnce(&V) -> bool) {
        if self.by_key.peek_lru().is_some_and(|(_, (_, value))| matches(value)) {
            self.remove_oldest();
        }
    }

    /// Removes all values except those that match.
    pub fn retain(&mut self, matches: impl Fn(&V) -> bool)
    where
        K: Clone,
    {
        let gone = self.by_key.iter().filter(|(_, (_, value))| !matches(value));
        let gone: Vec<K> = gone.map(|(key, _)| key.clone()).collect();
        for key in &gone {
            self.remove(key);
        }
    }

    fn remove_oldest(&mut self) -> Option<K> {
        let (key, (weight, _)) = self.by_key.pop_lru()?;
        self.bytes -= weight;
        Some(key)
    }

    fn evict(&mut self) -> Vec<K> {
        let mut evicted = Vec::new();
        while self.bytes > self.bounds.bytes || self.by_key.len() > self.bounds.entries {
            let Some(key) = self.remove_oldest() else { break };
            evicted.push(key);
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(held: &mut BoundedLru<String, ()>, key: &str, weight: u64) -> Vec<String> {
        held.put(key.to_owned(), weight, ())
    }

    #[test]
    fn the_least_recently_used_entry_is_evicted_first() {
        let mut held = BoundedLru::new(LruBounds::new(100, 10));
        assert!(put(&mut held, "a", 4).is_empty());
        assert!(put(&mut held, "b", 4).is_empty());
        assert!(put(&mut held, "b", 4).is_empty(), "a new value takes the place of the old one");
        assert!(held.get("a").is_some());
        assert_eq!(put(&mut held, "c", 4), ["b"]);
        assert_eq!((held.peek("a").is_some(), held.peek("b")), (true, None));
        assert!(put(&mut held, "heavier than the bound", 11).is_empty());
        assert_eq!(held.peek("heavier than the bound"), None);
        assert_eq!((held.count(), held.bytes()), (2, 8), "nothing is evicted for it");
        assert!(put(&mut held, "c", 11).is_empty());
        assert_eq!(held.peek("c"), None, "the old value does not outlive the new one");
    }

    #[test]
    fn removed_entries_free_their_weight() {
        let mut held = BoundedLru::new(LruBounds::new(100, 10));
        held.put("a", 5, 1);
        held.put("b", 5, 2);
        held.retain(|value| *value != 1);
        assert!(held.put("c", 5, 3).is_empty());
        assert_eq!(held.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [3, 2]);
        held.remove_oldest_if(|value| *value == 3);
        assert_eq!(held.count(), 2);
        held.remove_oldest_if(|value| *value == 2);
        assert_eq!((held.count(), held.bytes()), (1, 5));
        held.retain(|_| false);
        assert_eq!((held.count(), held.bytes()), (0, 0));
    }

    #[test]
    fn a_peek_does_not_count_as_use() {
        let mut held = BoundedLru::new(LruBounds::entries(2));
        put(&mut held, "a", 0);
        put(&mut held, "b", 0);
        assert!(held.peek("a").is_some());
        assert_eq!(put(&mut held, "c", 0), ["a"]);
    }

    #[test]
    fn both_bounds_hold() {
        let mut held = BoundedLru::new(LruBounds::new(3, 1000));
        let evicted: usize = (0..10).map(|n| put(&mut held, &n.to_string(), 1).len()).sum();
        assert_eq!((evicted, held.count()), (7, 3));
        assert_eq!(held.limit_bytes(1), ["7", "8"]);
    }
}
