//! The next view: the previous one with changed names merged over the backends again.

use std::collections::BTreeSet;
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;

use crate::index::Index;
use crate::index::backend_extensions::BackendExtensions;
use crate::index::delta::OwnerChange;
use crate::index::entry::{BackendCopy, Copies, Entry};
use crate::index::patch::EntryChanges;
use crate::index::view::{List, View};
use crate::ownership::{Claim, Ownership, resolve_owner};
use crate::rules::Merge;

impl Index {
    /// Makes the view of the current state from the previous view and the names that changed since.
    /// Returns the owners that it shows and that are not recorded yet, too.
    #[must_use]
    pub fn view(
        &self,
        previous: &View,
        touched: &BTreeSet<ExtensionId>,
    ) -> (View, Vec<OwnerChange>) {
        let mut changes: Vec<EntryChanges> =
            self.scopes.iter().map(|_| EntryChanges::new()).collect();
        let mut owners = Vec::new();
        for id in touched {
            let copies: Copies =
                self.backends.iter().filter_map(|backend| backend.visible(id)).cloned().collect();
            for (at, scope) in self.scopes.iter().enumerate() {
                let ownership = self.ownership(id, *scope, &copies);
                if *scope == Scope::All {
                    owners.extend(self.owners.change_to(id, ownership));
                }
                let entry = ownership.and_then(|ownership| {
                    self.owned_alone(&copies, *scope, ownership)
                        .and_then(|owner| changes.get(owner)?.last()?.1.clone())
                        .or_else(|| kept(previous.get(id, *scope), &copies, ownership))
                        .or_else(|| new_entry(self.merge, *scope, &copies, ownership))
                });
                if let Some(changes) = changes.get_mut(at) {
                    changes.push((id.clone(), entry));
                }
            }
        }
        let mut lists: Vec<List> = Vec::with_capacity(self.scopes.len());
        for (scope, changes) in self.scopes.iter().zip(changes).rev() {
            lists.push(List::next(*scope, &changes, previous.list_of(*scope), lists.first()));
        }
        let known = self.backends.iter().filter(|backend| backend.is_listed());
        let known = known.map(BackendExtensions::id).collect();
        (View { revision: previous.revision + 1, known, lists }, owners)
    }

    /// Returns `None` if no backend of the scope has a release.
    fn ownership(&self, id: &ExtensionId, scope: Scope, copies: &Copies) -> Option<Ownership> {
        if let Scope::Backend(one) = scope {
            return copy_of(copies, one).map(|_| Ownership::Owned(one));
        }
        let in_scope = self.backends.iter().filter(|backend| scope.includes(backend.id()));
        let claims = in_scope.map(|backend| Claim {
            backend: backend.id(),
            known: backend.is_completely_listed(),
            has: copy_of(copies, backend.id()).is_some(),
        });
        let claims: Vec<Claim> = claims.collect();
        let before = match self.merge {
            Merge::Owner if !self.takeover => self.owners.owner_of(id),
            // With takeover or pooling, a former owner has no claim.
            Merge::Owner | Merge::Union => None,
        };
        resolve_owner(&claims, before)
    }

    /// Position of the owner's list if the scope shows the same, so that its entry is held once.
    fn owned_alone(&self, copies: &Copies, scope: Scope, ownership: Ownership) -> Option<usize> {
        let Ownership::Owned(owner) = ownership else { return None };
        let own = Scope::from(owner);
        let pools = self.merge == Merge::Union
            && copies.iter().filter(|copy| scope.includes(copy.backend)).count() > 1;
        if pools || own == scope { None } else { self.scopes.iter().position(|one| *one == own) }
    }
}

fn copy_of(copies: &Copies, backend: BackendId) -> Option<&BackendCopy> {
    copies.iter().find(|copy| copy.backend == backend)
}

fn kept(
    previous: Option<&Arc<Entry>>,
    copies: &Copies,
    ownership: Ownership,
) -> Option<Arc<Entry>> {
    previous.filter(|entry| entry.is_made_of(copies, ownership)).cloned()
}

fn new_entry(
    merge: Merge,
    scope: Scope,
    copies: &Copies,
    ownership: Ownership,
) -> Option<Arc<Entry>> {
    let in_scope = copies.iter().filter(|copy| scope.includes(copy.backend));
    let mut extensions = in_scope.map(|copy| Arc::clone(&copy.extension));
    let extension = match merge {
        Merge::Owner => extensions.next(),
        Merge::Union => extensions.reduce(|pooled, next| Arc::new(pooled.union(&next))),
    };
    Some(Arc::new(Entry { extension: extension?, ownership, copies: copies.clone() }))
}
