//! The index: the extensions of each backend and the owners of names. Deltas alone change it.

pub mod backend_extensions;
pub mod capacity;
pub mod delta;
pub mod entry;
mod list;
mod next_view;
mod owners;
mod patch;
pub mod rows;
pub(crate) mod stored_delta;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;

use crate::index::backend_extensions::BackendExtensions;
use crate::index::delta::Delta;
use crate::index::owners::Owners;
use crate::rules::{Merge, Rules};

/// The writer's side of the catalog.
pub struct Index {
    merge: Merge,
    /// If true, a name passes to the next backend when its owner loses it.
    takeover: bool,
    backends: Vec<BackendExtensions>,
    /// Scopes that have a list, single backends first and the scope of all backends last.
    scopes: Vec<Scope>,
    owners: Owners,
}

impl Index {
    /// Creates an empty index for these backends.
    #[must_use]
    pub fn new(backends: &[BackendId], rules: &Rules) -> Self {
        Self {
            merge: rules.merge,
            takeover: rules.allow_takeover,
            backends: backends
                .iter()
                .map(|id: &BackendId| BackendExtensions::new(*id, rules.max_bytes))
                .collect(),
            scopes: scopes(backends),
            owners: Owners::default(),
        }
    }

    /// Applies a delta. Returns the names whose entries it may have changed; `None` if the next view
    /// would equal the present one.
    pub fn apply(&mut self, delta: Delta) -> Option<BTreeSet<ExtensionId>> {
        self.apply_shown(delta, &|_, reported| Arc::clone(reported))
    }

    /// Applies a delta like [`Index::apply`]. Readers see each reported extension as `shown` returns
    /// it.
    pub(crate) fn apply_shown(
        &mut self,
        delta: Delta,
        shown: &dyn Fn(BackendId, &Arc<Extension>) -> Arc<Extension>,
    ) -> Option<BTreeSet<ExtensionId>> {
        let (of, change) = match delta {
            Delta::Owners(changes) => {
                return Some(changes.into_iter().flat_map(|one| self.owners.apply(one)).collect());
            }
            Delta::Backend(of, change) => (of, change),
        };
        let backend = self.backends.iter_mut().find(|backend| backend.id() == of)?;
        let before = backend.is_completely_listed();
        let touched = backend.apply(change, &|reported| shown(of, reported));
        if backend.is_completely_listed() == before {
            return touched;
        }
        // Any name may be that of a backend that is not completely listed.
        Some(self.backends.iter().flat_map(BackendExtensions::names).cloned().collect())
    }

    /// Changes what readers see of an extension, which no delta carries: pins are applied by each
    /// process for itself. Returns the name unless that stays as it is.
    pub(crate) fn show(
        &mut self,
        of: BackendId,
        extension: Arc<Extension>,
    ) -> Option<BTreeSet<ExtensionId>> {
        self.backends.iter_mut().find(|backend| backend.id() == of)?.show(extension)
    }

    /// Returns the extensions of a backend; `None` if it is not configured.
    #[must_use]
    pub fn backend(&self, id: BackendId) -> Option<&BackendExtensions> {
        self.backends.iter().find(|backend| backend.id() == id)
    }

    /// Returns the last certain owner of a name.
    #[must_use]
    pub fn owner_of(&self, id: &ExtensionId) -> Option<BackendId> {
        self.owners.owner_of(id)
    }

    /// Returns every name with its last certain owner.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<ExtensionId, BackendId> {
        self.owners.all()
    }
}

/// Returns each backend, each kind of several backends, and all.
fn scopes(backends: &[BackendId]) -> Vec<Scope> {
    let mut scopes: Vec<Scope> = backends.iter().map(|backend| Scope::from(*backend)).collect();
    for kind in BackendKind::ALL {
        if backends.iter().filter(|backend| backend.kind() == kind).count() > 1 {
            scopes.push(Scope::Kind(kind));
        }
    }
    scopes.push(Scope::All);
    scopes
}
