//! Owners of names, remembered after a loss, so that no other backend takes the name over.

use std::collections::{BTreeMap, HashMap};

use crate::caching::bounded_lru::{BoundedLru, Bounds};
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;

/// Maximum number of remembered losses, a bound for names that come and go by the thousand.
const LOST_MAX: usize = 100_000;

pub(super) struct Owners {
    of: HashMap<ExtensionId, BackendId>,
    /// Names that their owner lost, in the order of the loss.
    lost: BoundedLru<ExtensionId, ()>,
}

impl Default for Owners {
    fn default() -> Self {
        Self { of: HashMap::new(), lost: BoundedLru::new(Bounds::entries(LOST_MAX)) }
    }
}

impl Owners {
    pub(super) fn owner_of(&self, id: &ExtensionId) -> Option<BackendId> {
        self.of.get(id).copied()
    }

    pub(super) fn owned(&mut self, id: &ExtensionId, owner: BackendId) -> Option<ExtensionId> {
        self.lost.remove(id);
        // A clone of the id is made only for a new owner: most names keep theirs in every view.
        if self.of.get(id) == Some(&owner) {
            return None;
        }
        self.of.insert(id.clone(), owner);
        Some(id.clone())
    }

    /// Returns the name whose owner is forgotten to make room.
    pub(super) fn lost(&mut self, id: &ExtensionId) -> Option<ExtensionId> {
        // A second loss does not count: it would move the name behind names that were lost later.
        if !self.of.contains_key(id) || self.lost.peek(id).is_some() {
            return None;
        }
        let given_up = self.lost.put(id.clone(), 0, ()).into_iter().next()?;
        self.of.remove(&given_up);
        Some(given_up)
    }

    /// Restores owners from before a restart. Owners found since then take precedence.
    pub(super) fn restore(&mut self, owners: BTreeMap<ExtensionId, BackendId>) {
        for (id, owner) in owners {
            self.of.entry(id).or_insert(owner);
        }
    }

    pub(super) fn all(&self) -> BTreeMap<ExtensionId, BackendId> {
        self.of.iter().map(|(id, owner)| (id.clone(), *owner)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ExtensionId {
        ExtensionId::from_oci_repository(&format!("p{number}-provider")).unwrap()
    }

    #[test]
    fn names_that_were_lost_are_kept_up_to_a_bound_and_the_first_goes_first() {
        let mut owners = Owners::default();
        let max = LOST_MAX;
        for number in 0..=max {
            owners.owned(&id(number), BackendId::GITEA);
        }
        assert_eq!(owners.all().len(), max + 1, "names that are there have no bound");
        for number in (0..=max).chain([1]) {
            owners.lost(&id(number));
        }
        assert_eq!(owners.owner_of(&id(0)), None);
        assert_eq!(owners.owner_of(&id(1)), Some(BackendId::GITEA));
        assert_eq!(owners.all().len(), max);
        owners.owned(&id(1), BackendId::GITEA);
        owners.lost(&id(max + 1));
        assert_eq!(owners.all().len(), max, "nobody ever owned that one");
    }
}
