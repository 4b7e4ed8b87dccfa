//! What is stored and when it was last used: decides what leaves for want of room.

use lru::LruCache;

use crate::models::digest::Digest;

/// What distinguishes a file from what it was when it was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Bytes.
    pub(super) size: u64,
    /// Seconds and nanoseconds of the last change of its content, which whoever changes it can set.
    pub(super) modified: (i64, i64),
    /// Those of the last change of anything of it, which only the system sets.
    pub(super) changed: (i64, i64),
    /// Its number in its file system.
    pub(super) inode: u64,
}

/// One artifact takes at most this part of the store: no single release may empty it.
const SHARE_OF_ONE: u64 = 4;
/// Fetches under way take at most this part of it together: their bytes are not verified yet, and
/// what they are worth nobody knows.
const SHARE_OF_FILLS: u64 = 2;
/// Artifacts that are stored at most, however small: each is a file, and is known in memory.
const STORED_MAX: usize = 200_000;

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
    /// Bytes that came of fetches under way.
    filling: u64,
}

impl Shelf {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, stored: LruCache::unbounded(), bytes: 0, filling: 0 }
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

    /// Nothing is stored any more; what fetches under way hold stays held.
    pub(super) fn clear(&mut self) {
        self.stored.clear();
        self.bytes = 0;
    }

    /// It is stored no more.
    pub(super) fn remove(&mut self, digest: &Digest) {
        if let Some(stored) = self.stored.pop(digest) {
            self.bytes -= stored.size;
        }
    }

    /// Whether an artifact of this size is kept at all. Nothing leaves for what is only announced.
    pub(super) const fn takes(&self, size: u64) -> bool {
        size <= self.max_bytes / SHARE_OF_ONE
    }

    /// So many bytes of a fetch came; answers with what has to leave for them. `None`: they have
    /// no room, since other fetches have it.
    pub(super) fn arrive(&mut self, bytes: u64) -> Option<Vec<Digest>> {
        let filling = self.filling.checked_add(bytes)?;
        if filling > self.max_bytes / SHARE_OF_FILLS {
            return None;
        }
        self.filling = filling;
        Some(self.make_room())
    }

    /// A fetch ended of which so many bytes came.
    pub(super) const fn ended(&mut self, bytes: u64) {
        self.filling = self.filling.saturating_sub(bytes);
    }

    fn make_room(&mut self) -> Vec<Digest> {
        let mut left = Vec::new();
        while self.bytes.saturating_add(self.filling) > self.max_bytes
            || self.stored.len() > STORED_MAX
        {
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
    fn room_is_made_for_what_came_and_not_for_what_is_announced() {
        let mut shelf = Shelf::new(16);
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
        let mut shelf = Shelf::new(u64::MAX);
        for number in 0..STORED_MAX {
            shelf.put(Digest::sha256(&number.to_ne_bytes()), 1, None);
        }
        assert_eq!(shelf.put(digest(1), 1, None), [Digest::sha256(&0_usize.to_ne_bytes())]);
        assert_eq!(shelf.len(), STORED_MAX);
    }
}
