//! A bounded memo: least recently used goes first, entries die after a time to live, or as soon
//! as what they were made from changed. Counts are exact, because a lock orders everything.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::metrics::CacheCounters;

/// Answers by key. Values are cheap to clone.
pub struct Memo<V> {
    entries: Mutex<LruCache<String, Slot<V>>>,
    ttl: Duration,
    counters: CacheCounters,
    evictions: Mutex<u64>,
}

struct Slot<V> {
    value: V,
    made: Instant,
}

/// An answer from a memo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit<V> {
    /// The answer.
    pub value: V,
    /// How long ago it was made.
    pub age: Duration,
}

impl<V: Clone> Memo<V> {
    /// A memo of at most `capacity` entries, each of which lives for `ttl`.
    #[must_use]
    pub fn new(capacity: NonZeroUsize, ttl: Duration, counters: CacheCounters) -> Arc<Self> {
        let entries = Mutex::new(LruCache::new(capacity));
        Arc::new(Self { entries, ttl, counters, evictions: Mutex::new(0) })
    }

    /// The answer under this key, if it is young enough and still holds; counts a hit or a miss.
    pub fn get(&self, key: &str, holds: impl FnOnce(&V) -> bool) -> Option<Hit<V>> {
        let hit = self.look_up(key, holds);
        match hit {
            Some(_) => self.counters.hit(),
            None => self.counters.miss(),
        }
        hit
    }

    fn look_up(&self, key: &str, holds: impl FnOnce(&V) -> bool) -> Option<Hit<V>> {
        let mut entries = self.entries.lock();
        let slot = entries.get(key)?;
        let age = slot.made.elapsed();
        if age < self.ttl && holds(&slot.value) {
            return Some(Hit { value: slot.value.clone(), age });
        }
        entries.pop(key);
        None
    }

    /// Keeps an answer; the least recently used one leaves if there is no room.
    pub fn put(&self, key: String, value: V) {
        let slot = Slot { value, made: Instant::now() };
        let replaced = self.entries.lock().push(key.clone(), slot);
        if replaced.is_some_and(|(left, _)| left != key) {
            *self.evictions.lock() += 1;
        }
    }

    /// How many answers it holds that would still be given.
    pub fn len(&self, holds: impl Fn(&V) -> bool) -> usize {
        let entries = self.entries.lock();
        let alive = |slot: &Slot<V>| slot.made.elapsed() < self.ttl && holds(&slot.value);
        entries.iter().filter(|(_, slot)| alive(slot)).count()
    }

    /// Answers given, questions not answered, and answers that left for want of room, so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            hits: self.counters.hits(),
            misses: self.counters.misses(),
            evictions: *self.evictions.lock(),
        }
    }
}

/// What became of a memo's questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Answered.
    pub hits: u64,
    /// Not answered.
    pub misses: u64,
    /// Answers that left for want of room.
    pub evictions: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn memo(capacity: usize) -> Arc<Memo<u32>> {
        let counters = Metrics::new(&[], &[]).unwrap().cache("list");
        Memo::new(NonZeroUsize::new(capacity).unwrap(), Duration::from_secs(300), counters)
    }

    fn value(memo: &Memo<u32>, key: &str) -> Option<u32> {
        memo.get(key, |_| true).map(|hit| hit.value)
    }

    #[tokio::test(start_paused = true)]
    async fn entries_live_for_their_time() {
        let memo = memo(2);
        memo.put("a".to_owned(), 1);
        tokio::time::advance(Duration::from_secs(299)).await;
        let hit = memo.get("a", |_| true).unwrap();
        assert_eq!((hit.value, hit.age), (1, Duration::from_secs(299)));
        assert_eq!(memo.len(|_| true), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(memo.len(|_| true), 0);
        assert_eq!(value(&memo, "a"), None);
        assert_eq!(memo.counts(), Counts { hits: 1, misses: 1, evictions: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn the_least_recently_used_leaves() {
        let memo = memo(2);
        memo.put("a".to_owned(), 1);
        memo.put("b".to_owned(), 2);
        assert_eq!(value(&memo, "a"), Some(1));
        memo.put("c".to_owned(), 3);
        assert_eq!(value(&memo, "b"), None);
        assert_eq!((value(&memo, "a"), value(&memo, "c")), (Some(1), Some(3)));
        memo.put("c".to_owned(), 4);
        assert_eq!(memo.counts(), Counts { hits: 3, misses: 1, evictions: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_longer_holds_is_forgotten() {
        let memo = memo(2);
        memo.put("a".to_owned(), 1);
        assert_eq!(memo.len(|value| *value != 1), 0);
        assert_eq!(memo.get("a", |value| *value != 1), None);
        assert_eq!(value(&memo, "a"), None);
        assert_eq!(memo.counts().misses, 2);
    }
}
