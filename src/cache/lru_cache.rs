//! A bounded memo: least recently used goes first, entries die after a time to live, or as soon
//! as what they were made from changed. Counts are exact, because a lock orders everything.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backend::weighted::{Bounds, Weighted};
use crate::metrics::caches::CacheCounters;

/// How often what does not hold any more is looked for. Nobody may ever ask for it again, and what
/// it was made from, perhaps a whole catalog of before, lives as long as it does.
const CLEAR_EVERY: Duration = Duration::from_secs(10);

/// Answers by key. Values are cheap to clone.
pub struct Memo<V> {
    held: Mutex<Held<V>>,
    ttl: Duration,
    counters: CacheCounters,
}

struct Held<V> {
    entries: Weighted<String, Slot<V>>,
    cleared: Instant,
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
    /// A memo of at most so much, each entry of which lives for `ttl`.
    #[must_use]
    pub fn new(bounds: Bounds, ttl: Duration, counters: CacheCounters) -> Arc<Self> {
        let held = Held { entries: Weighted::new(bounds), cleared: Instant::now() };
        Arc::new(Self { held: Mutex::new(held), ttl, counters })
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

    /// The same, uncounted: for who was counted already, or counts by a rule of his own.
    pub fn look_up(&self, key: &str, holds: impl FnOnce(&V) -> bool) -> Option<Hit<V>> {
        let entries = &mut self.held.lock().entries;
        let slot = entries.get(key)?;
        let age = slot.made.elapsed();
        if age < self.ttl && holds(&slot.value) {
            return Some(Hit { value: slot.value.clone(), age });
        }
        entries.remove(key);
        None
    }

    /// Keeps an answer of this weight, unless it does not hold any more: looked at under the lock,
    /// so that what took long to make never takes the place of something newer. The least recently
    /// used ones leave if there is no room, and every ten seconds all that hold no more.
    pub fn put(&self, key: String, weight: usize, value: V, holds: impl Fn(&V) -> bool) {
        let Held { entries, cleared } = &mut *self.held.lock();
        if cleared.elapsed() >= CLEAR_EVERY {
            entries.retain(|slot| slot.made.elapsed() < self.ttl && holds(&slot.value));
            *cleared = Instant::now();
        }
        if holds(&value) {
            let slot = Slot { value, made: Instant::now() };
            self.counters.evicted(entries.put(key, weight, slot));
        }
    }

    /// How many answers it holds that would still be given.
    pub fn len(&self, holds: impl Fn(&V) -> bool) -> usize {
        let entries = &self.held.lock().entries;
        let alive = |slot: &&Slot<V>| slot.made.elapsed() < self.ttl && holds(&slot.value);
        entries.values().filter(alive).count()
    }

    /// What is counted of it.
    #[must_use]
    pub const fn counters(&self) -> &CacheCounters {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::metrics::Metrics;

    fn memo(capacity: usize) -> Arc<Memo<u32>> {
        let counters = Metrics::new(&[], &[]).unwrap().cache("list");
        let entries = NonZeroUsize::new(capacity).unwrap();
        Memo::new(Bounds { entries, bytes: 1000 }, Duration::from_secs(300), counters)
    }

    fn value(memo: &Memo<u32>, key: &str) -> Option<u32> {
        memo.get(key, |_| true).map(|hit| hit.value)
    }

    fn put(memo: &Memo<u32>, key: &str, value: u32) {
        memo.put(key.to_owned(), 1, value, |_| true);
    }

    /// Hits, misses, evictions.
    fn counts(memo: &Memo<u32>) -> [u64; 3] {
        let counters = memo.counters();
        [counters.hits(), counters.misses(), counters.evictions()]
    }

    #[tokio::test(start_paused = true)]
    async fn entries_live_for_their_time() {
        let memo = memo(2);
        put(&memo, "a", 1);
        tokio::time::advance(Duration::from_secs(299)).await;
        let hit = memo.get("a", |_| true).unwrap();
        assert_eq!((hit.value, hit.age), (1, Duration::from_secs(299)));
        assert_eq!(memo.len(|_| true), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(memo.len(|_| true), 0);
        assert_eq!(value(&memo, "a"), None);
        assert_eq!(counts(&memo), [1, 1, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_again_does_not_keep_alive_what_it_was_made_from() {
        let counters = Metrics::new(&[], &[]).unwrap().cache("list");
        let bounds = Bounds { entries: NonZeroUsize::new(100).unwrap(), bytes: 1000 };
        let memo: Arc<Memo<(Arc<()>, u32)>> = Memo::new(bounds, Duration::from_secs(300), counters);
        let made_from: [Arc<()>; 3] = Default::default();
        let put = |revision: usize| {
            let value = (Arc::clone(&made_from[revision]), 0);
            let holds = |value: &(Arc<()>, u32)| Arc::ptr_eq(&value.0, &made_from[revision]);
            memo.put(revision.to_string(), 1, value, holds);
        };
        put(0);
        put(1);
        assert_eq!(Arc::strong_count(&made_from[0]), 2, "it is not looked for each time");
        tokio::time::advance(CLEAR_EVERY).await;
        put(2);
        let held = made_from.each_ref().map(|one| Arc::strong_count(one) - 1);
        assert_eq!(held, [0, 0, 1]);
        assert_eq!(memo.counters().evictions(), 0, "not for want of room");
    }

    #[tokio::test(start_paused = true)]
    async fn the_least_recently_used_leaves() {
        let memo = memo(2);
        put(&memo, "a", 1);
        put(&memo, "b", 2);
        assert_eq!(value(&memo, "a"), Some(1));
        put(&memo, "c", 3);
        assert_eq!(value(&memo, "b"), None);
        assert_eq!((value(&memo, "a"), value(&memo, "c")), (Some(1), Some(3)));
        put(&memo, "c", 4);
        assert_eq!(counts(&memo), [3, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_longer_holds_is_forgotten_or_never_kept() {
        let memo = memo(2);
        put(&memo, "a", 1);
        assert_eq!(memo.len(|value| *value != 1), 0);
        assert_eq!(memo.get("a", |value| *value != 1), None);
        assert_eq!(value(&memo, "a"), None);
        assert_eq!(counts(&memo), [0, 2, 0]);
        put(&memo, "a", 2);
        memo.put("a".to_owned(), 1, 1, |value| *value != 1);
        assert_eq!(value(&memo, "a"), Some(2), "the newer one stays");
    }
}
