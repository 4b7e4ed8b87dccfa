//! Memory limit of one backend's extensions, and the names that were refused for lack of room.
//!
//! A backend may list any number of extensions with any number of releases, and a listing that was
//! cut short never removes one. The limit bounds their memory. A refused name is remembered: a read
//! must not report it as absent, and another backend must not take it over.

use std::collections::BTreeSet;

use crate::models::naming::ExtensionId;

/// Maximum number of refused names that are remembered; further ones are only counted.
const NAMES_MAX: usize = 100_000;

#[derive(Debug)]
pub(super) struct Capacity {
    max: usize,
    taken: usize,
    refused: RefusedNames,
    /// Refusals from before the sweep in progress; valid until that sweep ends.
    before: Option<RefusedNames>,
}

/// Refused names, and the number of refusals beyond [`NAMES_MAX`].
#[derive(Debug, Default)]
struct RefusedNames {
    names: BTreeSet<ExtensionId>,
    beyond: usize,
}

impl Capacity {
    pub(super) const fn new(max: usize) -> Self {
        let refused = RefusedNames { names: BTreeSet::new(), beyond: 0 };
        Self { max, taken: 0, refused, before: None }
    }

    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    pub(super) const fn fits(&self, before: usize, now: usize) -> bool {
        // A smaller one always fits: learned digests may have pushed the sum over the limit.
        now <= before || (self.taken - before).saturating_add(now) <= self.max
    }

    /// Replaces `before` bytes by `now` bytes; the name is no longer refused.
    pub(super) fn takes(&mut self, id: &ExtensionId, before: usize, now: usize) {
        self.taken = (self.taken - before).saturating_add(now);
        self.forgets(id);
    }

    pub(super) fn refuses(&mut self, id: &ExtensionId) {
        self.refused.add(id);
    }

    pub(super) fn forgets(&mut self, id: &ExtensionId) {
        self.refused.names.remove(id);
        if let Some(before) = &mut self.before {
            before.names.remove(id);
        }
    }

    pub(super) fn lacks(&self, id: &ExtensionId) -> bool {
        let before = self.before.as_ref();
        self.refused.names.contains(id) || before.is_some_and(|before| before.names.contains(id))
    }

    pub(super) fn refused(&self) -> usize {
        // During a sweep both sets may name the same extensions, so they are not added up.
        self.refused.count().max(self.before.as_ref().map_or(0, RefusedNames::count))
    }

    pub(super) fn names(&self) -> Vec<ExtensionId> {
        let before = self.before.iter().flat_map(|before| &before.names);
        let names: BTreeSet<&ExtensionId> = self.refused.names.iter().chain(before).collect();
        names.into_iter().cloned().collect()
    }

    /// Starts a sweep: refusals are counted anew, while those from before stay valid.
    pub(super) fn sweep_begins(&mut self) {
        let now = std::mem::take(&mut self.refused);
        // Joined, not replaced: a sweep that broke off has not seen every name of the one before.
        self.before.get_or_insert_default().join(now);
    }

    /// Returns the names that are no longer refused; empty after an incomplete listing.
    pub(super) fn sweep_ended(&mut self, complete: bool) -> BTreeSet<ExtensionId> {
        let before = self.before.take().unwrap_or_default();
        if complete {
            return before.names.difference(&self.refused.names).cloned().collect();
        }
        self.refused.join(before);
        BTreeSet::new()
    }
}

impl RefusedNames {
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

    /// Counts are not added up: those beyond the limit may be the same extensions.
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
        let mut room = Capacity::new(10);
        assert!(room.fits(0, 10) && !room.fits(0, 11) && !room.fits(0, usize::MAX));
        room.takes(&id(1), 0, 8);
        assert!(room.fits(8, 10) && !room.fits(8, 11) && !room.fits(0, 3));
        // Learned digests are taken over even without room.
        room.takes(&id(1), 8, 12);
        assert!(room.fits(12, 12) && room.fits(12, 11) && !room.fits(12, 13));
        room.takes(&id(1), 12, 0);
        assert_eq!(room.taken(), 0);
    }

    #[test]
    fn what_was_refused_holds_until_a_whole_sweep_has_seen_it_otherwise() {
        let mut room = Capacity::new(0);
        room.refuses(&id(1));
        room.refuses(&id(2));
        for _ in 0..2 {
            // The first run of both sweeps breaks off.
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
        let mut room = Capacity::new(0);
        for _ in 0..2 {
            room.sweep_begins();
            (0..NAMES_MAX + 7).for_each(|number| room.refuses(&id(number)));
        }
        assert_eq!((room.names().len(), room.refused()), (NAMES_MAX, NAMES_MAX + 7));
        room.sweep_ended(false);
        assert_eq!((room.names().len(), room.refused()), (NAMES_MAX, NAMES_MAX + 7));
    }
}
