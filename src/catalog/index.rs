//! The index: a shelf for each backend, and the merged view that readers share.

mod backend_state;
mod capacity;
mod capacity_use;
mod list;
mod owners;
mod patch;
mod restore;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::catalog::index::backend_state::{BackendState, PutOutcome};
use crate::catalog::index::owners::Owners;
use crate::catalog::index::patch::EntryChanges;
use crate::catalog::ownership::{Claim, Ownership, resolve_owner};
use crate::catalog::persistent_instant::PersistentInstant;
use crate::catalog::search::SearchIndex;
use crate::catalog::unsaved::{RecordKey, Unsaved};
use crate::catalog::{Merge, Rules};
use crate::models::backend_id::BackendId;
use crate::models::backend_kind::BackendKind;
use crate::models::extension::Extension;
use crate::models::naming::{ExtensionId, ExtensionType};
use crate::models::scope::Scope;

pub use crate::catalog::index::backend_state::Absence;
pub use crate::catalog::index::capacity_use::CapacityUse;

/// One extension as readers see it.
#[derive(Debug)]
pub struct Entry {
    /// The releases of the owner, or those of all backends pooled.
    pub extension: Arc<Extension>,
    /// The backend that answers for it.
    pub ownership: Ownership,
    parts: Parts,
}

/// The part of each backend that has a name, in order; never empty.
type Parts = Box<[Part]>;

#[derive(Clone, Debug)]
struct Part {
    backend: BackendId,
    extension: Arc<Extension>,
    weight: usize,
    read: Arc<Mutex<PersistentInstant>>,
}

impl Entry {
    /// Returns type and name.
    #[must_use]
    pub fn id(&self) -> &ExtensionId {
        self.extension.id()
    }

    /// Returns every backend that has this extension, in order.
    pub fn backends(&self) -> impl Iterator<Item = &BackendId> {
        self.parts.iter().map(|part| &part.backend)
    }

    /// Returns true if this backend has releases of the extension.
    #[must_use]
    pub fn is_of(&self, backend: BackendId) -> bool {
        self.extension.releases().iter().any(|release| release.backend == backend)
    }

    /// The backends from which it was last read this long ago or longer.
    pub fn older_than(&self, age: Duration) -> impl Iterator<Item = BackendId> {
        let old = self.parts.iter().filter(move |part| part.read.lock().elapsed() >= age);
        old.map(|part| part.backend)
    }

    // Pointers suffice: a shelf keeps the `Arc` of an extension that was read again unchanged.
    fn is_orphan(&self) -> bool {
        matches!(self.ownership, Ownership::Orphaned(_))
    }

    fn is_made_of(&self, parts: &Parts, ownership: Ownership) -> bool {
        self.ownership == ownership
            && self.parts.len() == parts.len()
            && self.parts.iter().zip(parts).all(|(mine, theirs)| {
                mine.backend == theirs.backend && Arc::ptr_eq(&mine.extension, &theirs.extension)
            })
    }
}

/// Entries ordered by id.
type Entries = Arc<[Arc<Entry>]>;

/// An immutable picture of everything known. Entries that did not change are the same `Arc`s
/// from one view to the next, by which cached responses see whether they are still valid.
#[derive(Debug, Default)]
pub struct View {
    /// Number of the view. Equal numbers mean equal contents.
    pub revision: u64,
    known: Vec<BackendId>,
    lists: Vec<List>,
}

#[derive(Debug, Default)]
struct List {
    scope: Scope,
    entries: Entries,
    /// Names that a later backend has and whose owner removed them: found by name, never listed.
    orphans: Entries,
    search: Arc<SearchIndex<Entry>>,
}

impl View {
    /// Every listed extension of a scope, by name and then type.
    #[must_use]
    pub fn entries(&self, scope: Scope) -> &[Arc<Entry>] {
        self.list_of(scope).map_or(&[], |list| &list.entries)
    }

    /// The extensions of a scope, of one type only where one is given.
    pub fn list(
        &self,
        extension_type: Option<ExtensionType>,
        scope: Scope,
    ) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries(scope).iter().filter(move |entry| {
            extension_type.is_none_or(|wanted| wanted == entry.id().extension_type)
        })
    }

    /// One extension, from its owner within the scope. Orphans are found too.
    #[must_use]
    pub fn get(&self, id: &ExtensionId, scope: Scope) -> Option<&Arc<Entry>> {
        // A named backend serves what it has, so orphans are in its list.
        let list = self.list_of(scope)?;
        find(&list.entries, id).or_else(|| find(&list.orphans, id))
    }

    /// Returns true if the backend was listed.
    #[must_use]
    pub fn knows(&self, backend: BackendId) -> bool {
        self.known.contains(&backend)
    }

    fn list_of(&self, scope: Scope) -> Option<&List> {
        self.lists.iter().find(|list| list.scope == scope).or_else(|| {
            // The only backend of a kind is all of the kind.
            let Scope::Kind(kind) = scope else { return None };
            let mut lists = self.lists.iter();
            lists.find(|list| matches!(list.scope, Scope::Backend(one) if one.kind() == kind))
        })
    }
}

fn find<'a>(entries: &'a [Arc<Entry>], id: &ExtensionId) -> Option<&'a Arc<Entry>> {
    let at = entries.binary_search_by(|entry| entry.id().cmp(id)).ok()?;
    entries.get(at)
}

/// The result of putting an extension into the index.
#[derive(Debug)]
pub enum Put {
    /// It is in the index.
    Taken,
    /// It does not fit. The previous state stays.
    OverCapacity,
    /// Its list of releases is suddenly empty. The previous state stays until [`Index::remove`].
    Emptied(Absence, Extension),
}

/// Something that two responses of a backend reported as gone.
#[derive(Debug)]
pub enum Gone {
    /// The repository.
    Repository(ExtensionId),
    /// Every release; this is the extension without them.
    Releases(Extension),
}

impl Gone {
    /// Returns the id of the extension.
    #[must_use]
    pub const fn id(&self) -> &ExtensionId {
        match self {
            Self::Repository(id) => id,
            Self::Releases(extension) => extension.id(),
        }
    }
}

/// The writer's side of the catalog.
pub struct Index {
    merge: Merge,
    /// If true, a name passes to the next backend when its owner loses it.
    takeover: bool,
    shelves: Vec<BackendState>,
    /// Scopes that have a list, single backends first and the scope of all backends last.
    scopes: Vec<Scope>,
    owners: Owners,
    unsaved: Arc<Unsaved>,
    touched: BTreeSet<ExtensionId>,
    changed: bool,
    revision: u64,
}

impl Index {
    /// Creates an empty index for these backends.
    #[must_use]
    pub fn new(backends: &[BackendId], rules: &Rules) -> Self {
        Self {
            merge: rules.merge,
            takeover: rules.allow_takeover,
            shelves: backends.iter().map(|id| BackendState::new(*id, rules.max_bytes)).collect(),
            scopes: scopes(backends),
            owners: Owners::default(),
            unsaved: Arc::default(),
            touched: BTreeSet::new(),
            changed: false,
            revision: 0,
        }
    }

    /// Returns true if anything changed since the last view.
    #[must_use]
    pub const fn has_changed(&self) -> bool {
        self.changed
    }

    /// Returns the number of the view that shows all changes, which may not have been made yet.
    #[must_use]
    pub fn due_revision(&self) -> u64 {
        self.revision + u64::from(self.changed)
    }

    /// Marks a backend as listed: extensions it lacks are absent from now on, not unknown.
    pub fn listed(&mut self, backend: BackendId) {
        let Some(shelf) = shelf_of(&mut self.shelves, backend) else { return };
        // Only the first listing changes who may own a name; later ones change single names.
        if !std::mem::replace(&mut shelf.known, true) {
            self.touch_all();
        }
    }

    /// Takes in an extension that was read at this instant.
    pub fn put(&mut self, backend: BackendId, extension: Extension, now: Instant) -> Put {
        let id = extension.id().clone();
        let outcome = self.change_capacity(backend, |shelf| shelf.read(extension, now));
        match outcome.unwrap_or(PutOutcome::Same) {
            PutOutcome::Same => Put::Taken,
            PutOutcome::News => {
                self.changed(backend, id);
                Put::Taken
            }
            PutOutcome::Refused => Put::OverCapacity,
            PutOutcome::Emptied(absence, extension) => Put::Emptied(absence, extension),
        }
    }

    /// Records that the backend reported "no such repository".
    pub fn missed(&mut self, backend: BackendId, id: &ExtensionId, now: Instant) -> Absence {
        let shelf = shelf_of(&mut self.shelves, backend);
        shelf.map_or(Absence::Unknown, |shelf| shelf.missed(id, now))
    }

    /// Removes an extension, or all its releases, unless it was seen again in the meantime.
    pub fn remove(&mut self, backend: BackendId, gone: Gone, now: Instant) {
        let id = gone.id().clone();
        let Some(shelf) = shelf_of(&mut self.shelves, backend) else { return };
        let removed = match gone {
            Gone::Repository(id) => shelf.remove(&id),
            Gone::Releases(extension) => shelf.empty(extension, now),
        };
        if removed {
            self.changed(backend, id);
        }
    }

    /// Returns an extension that the backend has and that lists no release.
    #[must_use]
    pub fn without_release(&self, backend: BackendId, id: &ExtensionId) -> Option<Arc<Extension>> {
        let part = self.shelf(backend)?.extensions.get(id)?;
        part.extension.releases().is_empty().then(|| Arc::clone(&part.extension))
    }

    /// Returns the number of this backend's extensions with releases, and up to `max` ids that are
    /// not doubted.
    #[must_use]
    pub fn undoubted(&self, backend: BackendId, max: usize) -> (usize, Vec<ExtensionId>) {
        let Some(shelf) = self.shelf(backend) else { return Default::default() };
        let known = shelf.extensions.iter();
        let listed = known.filter(|(_, part)| !part.extension.releases().is_empty());
        let undoubted = listed.clone().filter(|(id, _)| !shelf.absent.contains_key(*id));
        (listed.count(), undoubted.take(max).map(|(id, _)| id.clone()).collect())
    }

    /// Returns true if every release is known, so that an unlisted version does not exist.
    #[must_use]
    pub fn is_whole(&self, backend: BackendId, id: &ExtensionId) -> bool {
        let part = self.shelf(backend).and_then(|shelf| shelf.extensions.get(id));
        part.is_some_and(|part| part.extension.is_whole())
    }

    /// Returns true if the backend has this extension.
    #[must_use]
    pub fn has(&self, backend: BackendId, id: &ExtensionId) -> bool {
        self.shelf(backend).is_some_and(|shelf| shelf.extensions.contains_key(id))
    }

    /// Returns the ids held for this backend that are not in `listed`.
    #[must_use]
    pub fn beyond(&self, backend: BackendId, listed: &BTreeSet<ExtensionId>) -> Vec<ExtensionId> {
        let ids = self.shelf(backend).into_iter().flat_map(|shelf| shelf.extensions.keys());
        ids.filter(|id| !listed.contains(*id)).cloned().collect()
    }

    /// Makes the view of the current state from the previous view and the names that changed since.
    pub fn view(&mut self, previous: &View) -> View {
        let touched = std::mem::take(&mut self.touched);
        let scopes = self.scopes.clone();
        let mut changes: Vec<EntryChanges> = scopes.iter().map(|_| EntryChanges::new()).collect();
        for id in touched {
            let parts: Parts = self.shelves.iter().filter_map(|shelf| shelf.listed(&id)).collect();
            for (at, scope) in scopes.iter().enumerate() {
                let ownership = self.ownership(&id, *scope, &parts);
                let entry = ownership.and_then(|ownership| {
                    self.owned_alone(&parts, *scope, ownership)
                        .and_then(|owner| changes.get(owner)?.last()?.1.clone())
                        .or_else(|| kept(previous.get(&id, *scope), &parts, ownership))
                        .or_else(|| new_entry(self.merge, *scope, &parts, ownership))
                });
                if let Some(changes) = changes.get_mut(at) {
                    changes.push((id.clone(), entry));
                }
            }
        }
        self.changed = false;
        self.revision += 1;
        let mut lists: Vec<List> = Vec::with_capacity(scopes.len());
        for (scope, changes) in scopes.into_iter().zip(changes).rev() {
            lists.push(List::next(scope, &changes, previous.list_of(scope), lists.first()));
        }
        let known = self.shelves.iter().filter(|shelf| shelf.known).map(|shelf| shelf.backend);
        View { revision: self.revision, known: known.collect(), lists }
    }

    /// Returns `None` if no backend of the scope has a release. Remembers the owner among all.
    fn ownership(&mut self, id: &ExtensionId, scope: Scope, parts: &Parts) -> Option<Ownership> {
        if let Scope::Backend(one) = scope {
            return part_of(parts, one).map(|_| Ownership::Owned(one));
        }
        let in_scope = self.shelves.iter().filter(|shelf| scope.includes(shelf.backend));
        let claims = in_scope.map(|shelf| Claim {
            backend: shelf.backend,
            known: shelf.is_completely_listed(),
            has: part_of(parts, shelf.backend).is_some(),
        });
        let claims: Vec<Claim> = claims.collect();
        let before = match self.merge {
            Merge::Owner if !self.takeover => self.owners.owner_of(id),
            // With takeover or pooling, a former owner has no claim.
            Merge::Owner | Merge::Union => None,
        };
        let ownership = resolve_owner(&claims, before);
        if scope == Scope::All {
            let changed = match ownership {
                Some(Ownership::Owned(owner)) => self.owners.owned(id, owner),
                None | Some(Ownership::Orphaned(_)) => self.owners.lost(id),
                Some(Ownership::Undetermined(..)) => None,
            };
            if let Some(id) = changed {
                self.unsaved.note(RecordKey::Owner(id));
            }
        }
        ownership
    }

    /// Position of the owner's list if the scope shows the same, so that its entry is held once.
    fn owned_alone(&self, parts: &Parts, scope: Scope, ownership: Ownership) -> Option<usize> {
        let Ownership::Owned(owner) = ownership else { return None };
        let own = Scope::from(owner);
        let pools = self.merge == Merge::Union
            && parts.iter().filter(|part| scope.includes(part.backend)).count() > 1;
        if pools || own == scope { None } else { self.scopes.iter().position(|one| *one == own) }
    }

    fn touch(&mut self, id: ExtensionId) {
        self.touched.insert(id);
        self.changed = true;
    }

    fn touch_all(&mut self) {
        let ids = self.shelves.iter().flat_map(|shelf| shelf.extensions.keys());
        self.touch_these(ids.cloned().collect());
    }

    /// Takes many ids at once: `BTreeSet::append` joins sets in one pass.
    fn touch_these(&mut self, mut ids: BTreeSet<ExtensionId>) {
        self.touched.append(&mut ids);
        self.changed = true;
    }

    fn shelf(&self, backend: BackendId) -> Option<&BackendState> {
        self.shelves.iter().find(|shelf| shelf.backend == backend)
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

fn shelf_of(shelves: &mut [BackendState], backend: BackendId) -> Option<&mut BackendState> {
    shelves.iter_mut().find(|shelf| shelf.backend == backend)
}

fn part_of(parts: &Parts, backend: BackendId) -> Option<&Part> {
    parts.iter().find(|part| part.backend == backend)
}

fn kept(previous: Option<&Arc<Entry>>, parts: &Parts, ownership: Ownership) -> Option<Arc<Entry>> {
    previous.filter(|entry| entry.is_made_of(parts, ownership)).cloned()
}

fn new_entry(
    merge: Merge,
    scope: Scope,
    parts: &Parts,
    ownership: Ownership,
) -> Option<Arc<Entry>> {
    let in_scope = parts.iter().filter(|part| scope.includes(part.backend));
    let mut extensions = in_scope.map(|part| Arc::clone(&part.extension));
    let extension = match merge {
        Merge::Owner => extensions.next(),
        Merge::Union => extensions.reduce(|pooled, next| Arc::new(pooled.union(&next))),
    };
    Some(Arc::new(Entry { extension: extension?, ownership, parts: parts.clone() }))
}
