//! Explanations: what every backend has of one name, and why its owner answers for it.

pub mod owner_rule;
pub mod version_table;

use std::sync::Arc;

use registry_core::error::{Error, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;

use crate::backend_order::BackendOrder;
use crate::errors::not_found;
use crate::explanation::owner_rule::OwnerRule;
use crate::health::Health;
use crate::index::Index;
use crate::index::backend_extensions::BackendExtensions;
use crate::ownership::{Claim, Ownership, resolve_owner};
use crate::persistent_instant::PersistentInstant;
use crate::pins::Pins;
use crate::pins::pinned_file::PinnedFile;
use crate::read::ownership_check::unserved;
use crate::rules::{Merge, Rules};
use crate::store::CatalogStore;

/// Everything that the catalog knows about one name.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Type and name, spelled as the first backend that has it does.
    pub id: ExtensionId,
    /// Who answers for the name.
    pub standing: Standing,
    /// Why.
    pub rule: OwnerRule,
    /// Every configured backend, in order.
    pub backends: Vec<BackendReport>,
    /// Pins of versions: by backend, then newest version first.
    pub pins: Vec<PinnedFile>,
    /// Orders of the backends in which another one would own the name.
    pub other_orders: Vec<OtherOrder>,
}

/// Who answers for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This backend.
    Owned(BackendId),
    /// No backend, until one that may own the name was listed.
    Undetermined,
    /// No backend: this one owned the name and lost it.
    Orphaned(BackendId),
}

/// What one backend has of a name, and how sure that is.
#[derive(Clone, Debug)]
pub struct BackendReport {
    /// The backend.
    pub backend: BackendId,
    /// True if it has a release; `None` if it was not listed yet, or exceeds its capacity.
    pub has: Option<bool>,
    /// Its copy of the extension with all releases; `None` if it has no repository of the name.
    pub extension: Option<Arc<Extension>>,
    /// Time of the read, or of the complete list, that shows this; `None` if nothing does.
    pub checked: Option<PersistentInstant>,
    /// Time of the last contact with the backend, whatever it was about; `None` since the start.
    pub asked: Option<PersistentInstant>,
    /// Report of the backend's current failure; internal, like that in `/health`.
    pub last_error: Option<String>,
}

/// An order of the backends, and who would own the name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherOrder {
    /// The backends, the first one first.
    pub order: Vec<BackendId>,
    /// The owner in this order.
    pub owner: BackendId,
}

/// Explains names from the catalog as it is. It sends no request to a backend.
pub struct Explainer {
    store: Arc<CatalogStore>,
    health: Arc<Health>,
    pins: Arc<Pins>,
    backends: BackendOrder,
    rules: Rules,
}

impl Explainer {
    pub(super) const fn new(
        store: Arc<CatalogStore>,
        health: Arc<Health>,
        pins: Arc<Pins>,
        backends: BackendOrder,
        rules: Rules,
    ) -> Self {
        Self { store, health, pins, backends, rules }
    }

    /// Explains a name.
    ///
    /// # Errors
    ///
    /// `NotFound` if no backend ever had a release of it, and every one was listed completely.
    /// `BackendFaulty` if its only releases cannot be read.
    pub fn explain(&self, id: &ExtensionId) -> Result<Explanation> {
        let (backends, claims, remembered) = self.store.read(|index| {
            let known = self.backends.iter().filter_map(|backend| index.backend(backend));
            let reports = known.map(|known| (self.report(known, id), claim(known, id)));
            let (backends, claims): (Vec<_>, Vec<_>) = reports.unzip();
            (backends, claims, index.owner_of(id))
        });
        let (standing, rule) = self
            .standing(&claims, remembered)
            .ok_or_else(|| self.store.read(|index| self.absence(id, index)))?;
        let spelled = backends.iter().find_map(|report| report.extension.as_ref());
        Ok(Explanation {
            id: spelled.map_or(id, |extension| extension.id()).clone(),
            standing,
            rule,
            pins: self.backends.iter().flat_map(|of| self.pins.of_extension(of, id)).collect(),
            other_orders: other_orders(&claims, standing, self.lasting(remembered)),
            backends,
        })
    }

    fn report(&self, known: &BackendExtensions, id: &ExtensionId) -> BackendReport {
        let (backend, copy) = (known.id(), known.get(id));
        let Claim { has, known, .. } = claim(known, id);
        let health = self.health.get(backend);
        let status = health.map(|health| health.status.get()).unwrap_or_default();
        let heard = health.and_then(|health| health.contact()?.borrow().last_heard);
        BackendReport {
            backend,
            has: (has || known).then_some(has),
            extension: copy.map(|copy| Arc::clone(&copy.extension)),
            checked: match copy {
                Some(copy) => Some(copy.read_at()),
                None => status.complete_as_of.filter(|_| known),
            },
            asked: heard.max(status.last_request).map(PersistentInstant::from),
            last_error: status.last_error,
        }
    }

    /// Returns `None` if no backend has the name, had it, or may have it.
    fn standing(
        &self,
        claims: &[Claim],
        remembered: Option<BackendId>,
    ) -> Option<(Standing, OwnerRule)> {
        match resolve_owner(claims, self.lasting(remembered)) {
            Some(Ownership::Owned(owner)) => {
                let rule = match self.rules.merge {
                    Merge::Owner => OwnerRule::FirstInOrder,
                    Merge::Union => OwnerRule::Pooled,
                };
                return Some((Standing::Owned(owner), rule));
            }
            Some(Ownership::Undetermined(_, unread)) => {
                return Some((Standing::Undetermined, OwnerRule::ComesFirst(unread)));
            }
            Some(Ownership::Orphaned(owner)) => {
                return Some((Standing::Orphaned(owner), OwnerRule::Remembered));
            }
            None => {}
        }
        let mut unread = claims.iter().filter(|claim| !claim.known).map(|claim| claim.backend);
        match remembered {
            Some(owner) if !unread.clone().any(|backend| backend == owner) => {
                Some((Standing::Orphaned(owner), OwnerRule::Removed))
            }
            _ => unread.next().map(|first| (Standing::Undetermined, OwnerRule::Unread(first))),
        }
    }

    /// The former owner, if it still has a claim: with takeover or pooling it has none.
    fn lasting(&self, remembered: Option<BackendId>) -> Option<BackendId> {
        remembered.filter(|_| self.rules.merge == Merge::Owner && !self.rules.allow_takeover)
    }

    fn absence(&self, id: &ExtensionId, index: &Index) -> Error {
        unserved(id, Scope::All, index, &self.backends).unwrap_or_else(|| not_found(id))
    }
}

fn claim(known: &BackendExtensions, id: &ExtensionId) -> Claim {
    let has = known.get(id).is_some_and(|copy| !copy.extension.releases().is_empty());
    Claim { backend: known.id(), known: known.is_completely_listed(), has }
}

/// Puts each backend that has the name, and does not own it, first.
fn other_orders(
    claims: &[Claim],
    standing: Standing,
    before: Option<BackendId>,
) -> Vec<OtherOrder> {
    let others = claims.iter().filter(|claim| claim.has);
    let others = others.filter(|claim| standing != Standing::Owned(claim.backend));
    let orders = others.filter_map(|first| {
        let rest = claims.iter().filter(|claim| claim.backend != first.backend);
        let claims: Vec<Claim> = std::iter::once(first).chain(rest).copied().collect();
        let Some(Ownership::Owned(owner)) = resolve_owner(&claims, before) else { return None };
        Some(OtherOrder { order: claims.iter().map(|claim| claim.backend).collect(), owner })
    });
    orders.collect()
}
