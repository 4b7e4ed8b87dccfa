//! What is stored and when it was last used: decides what leaves for want of room.

use lru::LruCache;

use crate::models::digest::Digest;

/// What distinguishes a file from what it was when it was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Bytes.
    pub(super) size: u64,
    /// Seconds and nanoseconds of its last change.
    pub(super) modified: (i64, i64),
}

/// One stored artifact.
#[derive(Clone, Copy, Debug)]
struct Stored {
    size: u64,
    /// As it was when this process last verified it.
    verified: Option<Stamp>,
}

/// Stored artifacts, least recently used first to go, within a bound of bytes.
pub(super) struct Shelf {
    max_bytes: u64,
    stored: LruCache<Digest, Stored>,
    bytes: u64,
    /// Bytes promised to fetches under way.
    reserved: u64,
}

impl Shelf {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, stored: LruCache::unbounded(), bytes: 0, reserved: 0 }
    }

    /// The most bytes that may be stored.
    pub(super) const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Bytes stored.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many artifacts are stored.
    pub(super) fn len(&self) -> usize {
        self.stored.len()
    }

    /// Takes note of a stored artifact as the one used last; answers with what has to leave.
    pub(super) fn put(
        &mut self,
        digest: Digest,
        size: u64,
        verified: Option<Stamp>,
    ) -> Vec<Digest> {
        if let Some(before) = self.stored.put(digest, Stored { size, verified }) {
            self.bytes -= before.size;
        }
        self.bytes += size;
        self.make_room()
    }

    /// Whether it is stored, and as what it was verified; uses it.
    pub(super) fn get(&mut self, digest: &Digest) -> Option<Option<Stamp>> {
        self.stored.get(digest).map(|stored| stored.verified)
    }

    /// It was verified as this.
    pub(super) fn verified(&mut self, digest: &Digest, stamp: Stamp) {
        if let Some(stored) = self.stored.get_mut(digest) {
            stored.verified = Some(stamp);
        }
    }

    /// It is stored no more.
    pub(super) fn remove(&mut self, digest: &Digest) {
        if let Some(stored) = self.stored.pop(digest) {
            self.bytes -= stored.size;
        }
    }

    /// Promises room for a fetch; answers with what has to leave for it. `None`: there is no room,
    /// whatever leaves.
    pub(super) fn reserve(&mut self, size: u64) -> Option<Vec<Digest>> {
        if self.reserved.checked_add(size)? > self.max_bytes {
            return None;
        }
        self.reserved += size;
        Some(self.make_room())
    }

    /// Ends a promise.
    pub(super) const fn release(&mut self, size: u64) {
        self.reserved -= size;
    }

    fn make_room(&mut self) -> Vec<Digest> {
        let mut left = Vec::new();
        while self.bytes.saturating_add(self.reserved) > self.max_bytes {
            let Some((digest, stored)) = self.stored.pop_lru() else { break };
            self.bytes -= stored.size;
            left.push(digest);
        }
        left
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
        let mut shelf = Shelf::new(10);
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
    fn room_is_promised_only_where_it_can_be_made() {
        let mut shelf = Shelf::new(10);
        shelf.put(digest(1), 6, None);
        assert_eq!(shelf.reserve(11), None, "larger than everything");
        assert_eq!(shelf.reserve(4), Some(vec![]));
        assert_eq!(shelf.reserve(6), Some(vec![digest(1)]));
        assert_eq!(shelf.reserve(1), None, "all of it is promised");
        shelf.release(6);
        assert_eq!(shelf.put(digest(1), 6, None), []);
    }
}
