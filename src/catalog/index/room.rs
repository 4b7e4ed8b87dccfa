//! How much of one backend there is room for, and what of it was refused for want of room.
//!
//! A backend may name any number of extensions with any number of releases, and never lose one
//! when its listings are cut short. What it takes up is bounded here. A name that was refused is
//! remembered as such: nobody may be told that it is not there, nor may another backend have it.

use std::collections::BTreeSet;

use crate::models::naming::ExtensionId;

/// Refused names that are remembered; those beyond are counted.
const NAMES_MAX: usize = 100_000;

/// What a backend takes up, and may.
#[derive(Debug)]
pub(super) struct Room {
    max: usize,
    taken: usize,
    refused: Refused,
    /// Those of before the sweep under way, which still hold until it is over.
    before: Option<Refused>,
}

/// What there was no room for.
#[derive(Debug, Default)]
struct Refused {
    names: BTreeSet<ExtensionId>,
    beyond: usize,
}

impl Room {
    pub(super) const fn new(max: usize) -> Self {
        let refused = Refused { names: BTreeSet::new(), beyond: 0 };
        Self { max, taken: 0, refused, before: None }
    }

    /// Bytes taken up.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    /// Whether something that weighs this much may take the place of something that weighed that.
    pub(super) const fn fits(&self, before: usize, now: usize) -> bool {
        now <= before || (self.taken - before).saturating_add(now) <= self.max
    }

    /// Something took the place of something else; the name is refused no more.
    pub(super) fn takes(&mut self, id: &ExtensionId, before: usize, now: usize) {
        self.taken = (self.taken - before).saturating_add(now);
        self.forgets(id);
    }

    /// There is no room for this one.
    pub(super) fn refuses(&mut self, id: &ExtensionId) {
        self.refused.add(id);
    }

    /// This one is refused no more: it is there, or not even at the backend.
    pub(super) fn forgets(&mut self, id: &ExtensionId) {
        self.refused.names.remove(id);
        if let Some(before) = &mut self.before {
            before.names.remove(id);
        }
    }

    /// Whether the backend has this one, as it said, and there was no room for it.
    pub(super) fn lacks(&self, id: &ExtensionId) -> bool {
        let before = self.before.as_ref();
        self.refused.names.contains(id) || before.is_some_and(|before| before.names.contains(id))
    }

    /// How many there was no room for when they were last read.
    pub(super) fn refused(&self) -> usize {
        self.refused.count().max(self.before.as_ref().map_or(0, Refused::count))
    }

    /// Those that are remembered; ordered.
    pub(super) fn names(&self) -> Vec<ExtensionId> {
        let before = self.before.iter().flat_map(|before| &before.names);
        let names: BTreeSet<&ExtensionId> = self.refused.names.iter().chain(before).collect();
        names.into_iter().cloned().collect()
    }

    /// Everything is about to be read: what is refused is refused anew.
    pub(super) fn sweep_begins(&mut self) {
        let now = std::mem::take(&mut self.refused);
        self.before.get_or_insert_default().join(now);
    }

    /// Everything was read, or, if the listing was not complete, everything that it named. Answers
    /// with those that are refused no more.
    pub(super) fn sweep_ended(&mut self, complete: bool) -> BTreeSet<ExtensionId> {
        let before = self.before.take().unwrap_or_default();
        if complete {
            return before.names.difference(&self.refused.names).cloned().collect();
        }
        self.refused.join(before);
        BTreeSet::new()
    }
}

impl Refused {
    fn count(&self) -> usize {
        self.names.len().saturating_add(self.beyond)
    }

    fn add(&mut self, id: &ExtensionId) {
        if self.names.len() < NAMES_MAX {
            self.names.insert(id.clone());
        } else if !self.names.contains(id) {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    /// Takes over what was refused at another time. Those beyond may be the same ones.
    fn join(&mut self, others: Self) {
        let beyond = self.beyond.max(others.beyond);
        others.names.iter().for_each(|id| self.add(id));
        self.beyond = self.beyond.max(beyond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ExtensionId {
        ExtensionId::from_oci_repository(&format!("p{number}-provider")).unwrap()
    }

    #[test]
    fn what_is_there_may_shrink_and_what_comes_has_to_fit_in() {
        let mut room = Room::new(10);
        assert!(room.fits(0, 10) && !room.fits(0, 11) && !room.fits(0, usize::MAX));
        room.takes(&id(1), 0, 8);
        assert!(room.fits(8, 10) && !room.fits(8, 11) && !room.fits(0, 3));
        // Digests that are learned are taken over in any case.
        room.takes(&id(1), 8, 12);
        assert!(room.fits(12, 12) && room.fits(12, 11) && !room.fits(12, 13));
        room.takes(&id(1), 12, 0);
        assert_eq!(room.taken(), 0);
    }

    #[test]
    fn what_was_refused_holds_until_a_whole_sweep_has_seen_it_otherwise() {
        let mut room = Room::new(0);
        room.refuses(&id(1));
        room.refuses(&id(2));
        for _ in 0..2 {
            // The first of both sweeps breaks off.
            room.sweep_begins();
            room.refuses(&id(2));
            assert!(room.lacks(&id(1)) && room.lacks(&id(2)));
            assert_eq!(room.refused(), 2);
        }
        assert_eq!(room.sweep_ended(false), BTreeSet::new(), "it may be beyond the cut");
        assert_eq!(room.names(), [id(1), id(2)]);
        room.sweep_begins();
        room.refuses(&id(2));
        assert_eq!(room.sweep_ended(true), [id(1)].into());
        room.forgets(&id(2));
        assert_eq!(room.refused(), 0);
    }

    #[test]
    fn names_are_remembered_up_to_a_bound_and_counted_beyond() {
        let mut room = Room::new(0);
        for _ in 0..2 {
            room.sweep_begins();
            (0..NAMES_MAX + 7).for_each(|number| room.refuses(&id(number)));
        }
        assert_eq!((room.names().len(), room.refused()), (NAMES_MAX, NAMES_MAX + 7));
        room.sweep_ended(false);
        assert_eq!((room.names().len(), room.refused()), (NAMES_MAX, NAMES_MAX + 7));
    }
}
