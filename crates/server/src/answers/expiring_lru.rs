//! Bounded LRU cache. An entry expires after its time to live, or as soon as the data that it was
//! made from changes. Counters are exact, because one lock orders all accesses.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use tokio::time::Instant;

use crate::metrics::caches::CacheCounters;

/// Interval of the removal of expired entries, which keep their source data alive.
const CLEAR_EVERY: Duration = Duration::from_secs(10);

/// Cached responses by key. Values must be cheap to clone.
pub struct ExpiringLru<V> {
    held: Mutex<Held<V>>,
    ttl: Duration,
    counters: CacheCounters,
}

struct Held<V> {
    entries: BoundedLru<String, Slot<V>>,
    cleared: Instant,
}

struct Slot<V> {
    value: V,
    made: Instant,
}

/// A cached response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit<V> {
    /// The response.
    pub value: V,
    /// Time since the response was made.
    pub age: Duration,
}

impl<V> ExpiringLru<V> {
    /// Creates a cache with these bounds, whose entries live for `ttl`.
    #[must_use]
    pub fn new(bounds: LruBounds, ttl: Duration, counters: CacheCounters) -> Arc<Self> {
        let held = Held { entries: BoundedLru::new(bounds), cleared: Instant::now() };
        Arc::new(Self { held: Mutex::new(held), ttl, counters })
    }

    /// Returns what `read` takes from the response if it is young enough; `None` from `read` says
    /// that it is outdated. Counts a hit or a miss.
    pub fn get<T>(
        &self,
        key: &str,
        now: Instant,
        read: impl FnOnce(&V) -> Option<T>,
    ) -> Option<Hit<T>> {
        let hit = self.look_up(key, now, read);
        match hit {
            Some(_) => self.counters.hit(),
            None => self.counters.miss(),
        }
        hit
    }

    /// Like [`ExpiringLru::get`] without counting, for lookups that are counted elsewhere.
    pub fn look_up<T>(
        &self,
        key: &str,
        now: Instant,
        read: impl FnOnce(&V) -> Option<T>,
    ) -> Option<Hit<T>> {
        let entries = &mut self.held.lock().entries;
        let slot = entries.get(key)?;
        let age = now.saturating_duration_since(slot.made);
        if age < self.ttl
            && let Some(value) = read(&slot.value)
        {
            return Some(Hit { value, age });
        }
        // Too old or outdated, and neither can become valid again.
        entries.remove(key);
        None
    }

    /// Stores a response if it `holds`; checked under the lock, so that a slow response never
    /// replaces a newer one. Removes invalid entries every ten seconds.
    pub fn put(&self, key: String, weight: usize, value: V, holds: impl Fn(&V) -> bool) {
        let Held { entries, cleared } = &mut *self.held.lock();
        if cleared.elapsed() >= CLEAR_EVERY {
            entries.retain(|slot| slot.made.elapsed() < self.ttl && holds(&slot.value));
            *cleared = Instant::now();
        }
        if holds(&value) {
            let slot = Slot { value, made: Instant::now() };
            self.counters.evicted(entries.put(key, weight as u64, slot).len());
        }
    }

    /// Returns the number of valid entries, those of one group counted once.
    pub fn count<G: Eq + Hash>(
        &self,
        holds: impl Fn(&V) -> bool,
        group: impl Fn(&str) -> G,
    ) -> usize {
        let entries = &self.held.lock().entries;
        let alive =
            entries.iter().filter(|(_, slot)| slot.made.elapsed() < self.ttl && holds(&slot.value));
        alive.map(|(key, _)| group(key)).collect::<HashSet<G>>().len()
    }

    /// Returns the counters of this cache.
    #[must_use]
    pub const fn counters(&self) -> &CacheCounters {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn memo(capacity: usize) -> Arc<ExpiringLru<u32>> {
        let counters = Metrics::new(&[], &[]).unwrap().cache("list");
        ExpiringLru::new(LruBounds::new(capacity, 1000), Duration::from_mins(5), counters)
    }

    fn value(memo: &ExpiringLru<u32>, key: &str) -> Option<u32> {
        memo.get(key, Instant::now(), |value| Some(*value)).map(|hit| hit.value)
    }

    fn put(memo: &ExpiringLru<u32>, key: &str, value: u32) {
        memo.put(key.to_owned(), 1, value, |_| true);
    }

    fn counts(memo: &ExpiringLru<u32>) -> [u64; 3] {
        let counters = memo.counters();
        [counters.hits(), counters.misses(), counters.evictions()]
    }

    #[tokio::test(start_paused = true)]
    async fn entries_live_for_their_time() {
        let memo = memo(2);
        put(&memo, "a", 1);
        tokio::time::advance(Duration::from_secs(299)).await;
        let hit = memo.get("a", Instant::now(), |value| Some(*value)).unwrap();
        assert_eq!((hit.value, hit.age), (1, Duration::from_secs(299)));
        assert_eq!(memo.count(|_| true, str::to_owned), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(memo.count(|_| true, str::to_owned), 0);
        assert_eq!(value(&memo, "a"), None);
        assert_eq!(counts(&memo), [1, 1, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_again_does_not_keep_alive_what_it_was_made_from() {
        let counters = Metrics::new(&[], &[]).unwrap().cache("list");
        let bounds = LruBounds::new(100, 1000);
        let memo: Arc<ExpiringLru<(Arc<()>, u32)>> =
            ExpiringLru::new(bounds, Duration::from_mins(5), counters);
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
        assert_eq!(memo.count(|value| *value != 1, str::to_owned), 0);
        assert_eq!(memo.get("a", Instant::now(), |value| (*value != 1).then_some(())), None);
        assert_eq!(value(&memo, "a"), None);
        assert_eq!(counts(&memo), [0, 2, 0]);
        put(&memo, "a", 2);
        memo.put("a".to_owned(), 1, 1, |value| *value != 1);
        assert_eq!(value(&memo, "a"), Some(2), "the newer one stays");
    }
}
