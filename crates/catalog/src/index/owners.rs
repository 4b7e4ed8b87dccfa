//! Owners of names, remembered after a loss, so that no other backend takes the name over.

use std::collections::{BTreeMap, HashMap};

use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;

use crate::index::delta::OwnerChange;
use crate::ownership::Ownership;

/// Maximum number of remembered losses, a bound for names that come and go by the thousand.
const LOST_MAX: usize = 100_000;

pub(super) struct Owners {
    by_name: HashMap<ExtensionId, BackendId>,
    /// Names that their owner lost, in the order of the loss.
    lost: BoundedLru<ExtensionId, ()>,
}

impl Default for Owners {
    fn default() -> Self {
        Self { by_name: HashMap::new(), lost: BoundedLru::new(LruBounds::entries(LOST_MAX)) }
    }
}

impl Owners {
    pub(super) fn owner_of(&self, id: &ExtensionId) -> Option<BackendId> {
        self.by_name.get(id).copied()
    }

    /// Returns the change that a view makes; most names keep their owner in every view.
    pub(super) fn change_to(
        &self,
        id: &ExtensionId,
        ownership: Option<Ownership>,
    ) -> Option<OwnerChange> {
        let before = self.owner_of(id);
        // A second loss does not count: it would move the name behind names that were lost later.
        let is_lost = self.lost.peek(id).is_some();
        match ownership {
            Some(Ownership::Owned(owner)) => {
                (is_lost || before != Some(owner)).then(|| OwnerChange::Owned(id.clone(), owner))
            }
            None | Some(Ownership::Orphaned(_)) => {
                (!is_lost && before.is_some()).then(|| OwnerChange::Lost(id.clone()))
            }
            Some(Ownership::Undetermined(..)) => None,
        }
    }

    /// Applies a change. Returns the names that it concerns, a forgotten one too.
    pub(super) fn apply(&mut self, change: OwnerChange) -> Vec<ExtensionId> {
        match change {
            OwnerChange::Owned(id, owner) => {
                self.lost.remove(&id);
                self.by_name.insert(id.clone(), owner);
                vec![id]
            }
            OwnerChange::Lost(id) => {
                let mut names = self.lost.put(id.clone(), 0, ());
                for forgotten in &names {
                    self.by_name.remove(forgotten);
                }
                names.push(id);
                names
            }
        }
    }

    pub(super) fn all(&self) -> BTreeMap<ExtensionId, BackendId> {
        self.by_name.iter().map(|(id, owner)| (id.clone(), *owner)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ExtensionId {
        ExtensionId::from_oci_repository(&format!("p{number}-provider")).unwrap()
    }

    fn show(owners: &mut Owners, id: &ExtensionId, ownership: Option<Ownership>) {
        let change = owners.change_to(id, ownership);
        if let Some(change) = change {
            owners.apply(change);
        }
    }

    #[test]
    fn names_that_were_lost_are_kept_up_to_a_bound_and_the_first_goes_first() {
        let mut owners = Owners::default();
        let max = LOST_MAX;
        let owned = Some(Ownership::Owned(BackendId::GITEA));
        for number in 0..=max {
            show(&mut owners, &id(number), owned);
        }
        assert_eq!(owners.all().len(), max + 1, "names that are there have no bound");
        for number in (0..=max).chain([1]) {
            show(&mut owners, &id(number), None);
        }
        assert_eq!(owners.owner_of(&id(0)), None);
        assert_eq!(owners.owner_of(&id(1)), Some(BackendId::GITEA));
        assert_eq!(owners.all().len(), max);
        show(&mut owners, &id(1), owned);
        show(&mut owners, &id(max + 1), None);
        assert_eq!(owners.all().len(), max, "nobody ever owned that one");
    }
}
