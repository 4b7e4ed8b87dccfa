//! What a registry made us remember: the latest of it, bounded in number and in bytes, since a
//! registry decides how long each piece is.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// The most that is remembered of one kind.
const ENTRIES_MAX: NonZeroUsize = NonZeroUsize::new(16 * 1024).unwrap();
/// The most bytes of it.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// What an entry takes beside its texts.
const ENTRY_COST: usize = 256;

/// What has texts, and how long they are together.
pub(super) trait Weighed {
    fn bytes(&self) -> usize;
}

impl Weighed for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

/// The latest entries, by key.
pub(super) struct Remembered<K: Hash + Eq, V> {
    entries: LruCache<K, V>,
    bytes: usize,
}

impl<K: Hash + Eq + Weighed, V: Weighed> Remembered<K, V> {
    pub(super) fn new() -> Self {
        Self { entries: LruCache::new(ENTRIES_MAX), bytes: 0 }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    pub(super) fn peek(&self, key: &K) -> Option<&V> {
        self.entries.peek(key)
    }

    pub(super) fn forget(&mut self, key: &K) {
        if let Some((key, value)) = self.entries.pop_entry(key) {
            self.bytes = self.bytes.saturating_sub(cost(&key, &value));
        }
    }

    /// Remembers an entry in place of any other of its key; those not used for longest go for it.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.bytes = self.bytes.saturating_add(cost(&key, &value));
        // Another entry of that key, or the oldest where there are too many.
        if let Some((key, value)) = self.entries.push(key, value) {
            self.bytes = self.bytes.saturating_sub(cost(&key, &value));
        }
        while self.bytes > BYTES_MAX
            && let Some((key, value)) = self.entries.pop_lru()
        {
            self.bytes = self.bytes.saturating_sub(cost(&key, &value));
        }
    }
}

fn cost(key: &impl Weighed, value: &impl Weighed) -> usize {
    ENTRY_COST.saturating_add(key.bytes()).saturating_add(value.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(remembered: &Remembered<String, String>) -> usize {
        remembered.entries.iter().map(|(key, value)| cost(key, value)).sum()
    }

    #[test]
    fn entries_are_bounded_in_number_and_in_bytes() {
        for length in [1, 1_000, 10_000, BYTES_MAX] {
            let mut remembered = Remembered::new();
            for number in 0..40_000 {
                remembered.put(number.to_string(), "v".repeat(length));
                if length == BYTES_MAX && number == 3 {
                    break;
                }
            }
            assert!(remembered.entries.len() <= ENTRIES_MAX.get(), "{length}");
            assert!(held(&remembered) <= BYTES_MAX, "{length}: {}", held(&remembered));
            assert_eq!(held(&remembered), remembered.bytes, "{length}");
            assert_eq!(remembered.peek(&"39999".to_owned()).is_some(), length < BYTES_MAX);
        }
    }

    #[test]
    fn an_entry_takes_the_place_of_another_of_its_key() {
        let mut remembered = Remembered::new();
        let key = || "key".to_owned();
        remembered.put(key(), "long".repeat(100));
        remembered.put(key(), "short".to_owned());
        assert_eq!(remembered.get(&key()).unwrap(), "short");
        assert_eq!(held(&remembered), remembered.bytes);
        remembered.forget(&key());
        assert_eq!((remembered.peek(&key()), remembered.bytes), (None, 0));
    }
}
