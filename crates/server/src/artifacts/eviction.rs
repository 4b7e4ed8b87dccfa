//! Index of the stored artifacts and their last use; decides on evictions.

use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::models::digest::Digest;

use crate::artifacts::blobs::BlobStamp;

/// Divisor of the store's size: one artifact must not evict everything.
const SHARE_OF_ONE: u64 = 4;
/// Divisor of the store's size: limit for all fetches in progress, whose bytes are unverified.
const SHARE_OF_FILLS: u64 = 2;
/// Maximum number of stored artifacts. Each takes a file, and an entry in memory.
const STORED_MAX: usize = 200_000;

/// Stored artifacts, evicted in least recently used order, within a limit in bytes.
pub(super) struct EvictionQueue {
    max_bytes: u64,
    /// Stamp of each artifact at its last verification; `None` before the first in this process.
    stored: BoundedLru<Digest, Option<BlobStamp>>,
    filling: u64,
}

impl EvictionQueue {
    pub(super) fn new(max_bytes: u64) -> Self {
        let bounds = LruBounds { entries: STORED_MAX, bytes: max_bytes };
        Self { max_bytes, stored: BoundedLru::new(bounds), filling: 0 }
    }

    pub(super) const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.stored.bytes()
    }

    pub(super) fn len(&self) -> usize {
        self.stored.count()
    }

    /// Adds a stored artifact as the most recently used one. Returns the evicted ones.
    pub(super) fn put(
        &mut self,
        digest: Digest,
        size: u64,
        verified: Option<BlobStamp>,
    ) -> Vec<Digest> {
        let mut left = self.stored.put(digest.clone(), size, verified);
        // Found at the start, and larger than the store is now.
        if self.stored.peek(&digest).is_none() {
            left.push(digest);
        }
        left
    }

    /// Returns the stamp of a stored blob; the inner `None` stands for a blob not yet verified.
    #[expect(clippy::option_option, reason = "a blob that is stored may be unverified")]
    pub(super) fn get(&mut self, digest: &Digest) -> Option<Option<BlobStamp>> {
        self.stored.get(digest).copied()
    }

    pub(super) fn verified(&mut self, digest: &Digest, stamp: BlobStamp) {
        if let Some(stored) = self.stored.get(digest) {
            *stored = Some(stamp);
        }
    }

    /// Keeps the space of fetches in progress reserved.
    pub(super) fn clear(&mut self) {
        self.stored.retain(|_| false);
    }

    pub(super) fn remove(&mut self, digest: &Digest) {
        self.stored.remove(digest);
    }

    /// Evicts nothing: the size is only announced.
    pub(super) const fn takes(&self, size: u64) -> bool {
        size <= self.max_bytes / SHARE_OF_ONE
    }

    /// Reserves space for arrived bytes. Returns the evicted artifacts; `None` without room.
    pub(super) fn arrive(&mut self, bytes: u64) -> Option<Vec<Digest>> {
        let filling = self.filling.checked_add(bytes)?;
        if filling > self.max_bytes / SHARE_OF_FILLS {
            return None;
        }
        self.filling = filling;
        Some(self.stored.limit_bytes(self.max_bytes - filling))
    }

    pub(super) fn ended(&mut self, bytes: u64) {
        self.filling = self.filling.saturating_sub(bytes);
        self.stored.limit_bytes(self.max_bytes - self.filling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: u8) -> Digest {
        Digest::sha256(&[of])
    }

    #[test]
    fn the_longest_unused_leaves_for_what_comes() {
        let mut shelf = EvictionQueue::new(10);
        assert_eq!(shelf.put(digest(1), 4, None), []);
        assert_eq!(shelf.put(digest(2), 4, None), []);
        assert_eq!(shelf.get(&digest(1)), Some(None));
        assert_eq!(shelf.put(digest(3), 4, None), [digest(2)]);
        assert_eq!((shelf.bytes(), shelf.len()), (8, 2));
        assert_eq!(shelf.put(digest(3), 5, None), [], "the same again, and larger");
        assert_eq!(shelf.bytes(), 9);
        shelf.remove(&digest(3));
        assert_eq!(shelf.bytes(), 4);
    }

    #[test]
    fn room_is_made_for_what_came_and_not_for_what_is_announced() {
        let mut shelf = EvictionQueue::new(16);
        for of in 0..4 {
            assert_eq!(shelf.put(digest(of), 4, None), []);
        }
        assert!(shelf.takes(4));
        assert!(!shelf.takes(5), "more than a quarter");
        assert!(!shelf.takes(u64::MAX));
        assert_eq!(shelf.len(), 4, "a look costs nothing");
        assert_eq!(shelf.arrive(1), Some(vec![digest(0)]));
        assert_eq!(shelf.arrive(3), Some(vec![]), "there is room by now");
        assert_eq!(shelf.arrive(4), Some(vec![digest(1)]));
        assert_eq!(shelf.arrive(1), None, "half of it is what nobody has verified");
        assert_eq!((shelf.bytes(), shelf.len()), (8, 2));
        shelf.ended(4);
        assert_eq!(shelf.put(digest(4), 4, None), []);
        assert_eq!(shelf.arrive(4), Some(vec![digest(2)]), "what is being filled stays");
    }

    #[test]
    fn however_small_they_are_there_are_never_more_than_so_many() {
        let mut shelf = EvictionQueue::new(u64::MAX);
        for number in 0..STORED_MAX {
            shelf.put(Digest::sha256(&number.to_ne_bytes()), 1, None);
        }
        assert_eq!(shelf.put(digest(1), 1, None), [Digest::sha256(&0_usize.to_ne_bytes())]);
        assert_eq!(shelf.len(), STORED_MAX);
    }
}
