//! What is known: a shelf for each backend, and the merged view that readers share.

mod kept;
mod owners;
mod patch;
mod refused;
mod room;
mod searched;
mod shelf;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::catalog::index::owners::Owners;
use crate::catalog::index::patch::{Changes, is_same, patched};
use crate::catalog::index::shelf::{Shelf, Taken};
use crate::catalog::moment::Moment;
use crate::catalog::ownership::{Bid, Standing, decide};
use crate::catalog::search::SearchIndex;
use crate::catalog::{Merge, Rules};
use crate::models::backend_kind::BackendKind;
use crate::models::extension::Extension;
use crate::models::naming::{ExtensionId, ExtensionType};

pub use crate::catalog::index::refused::Held;
pub use crate::catalog::index::shelf::Absence;

/// One extension as a reader sees it.
#[derive(Debug)]
pub struct Entry {
    /// The releases of its owner, or those of all backends pooled.
    pub extension: Arc<Extension>,
    /// Who answers for it.
    pub standing: Standing,
    parts: Parts,
}

/// What each backend has of one name, in order; never empty.
type Parts = Box<[Part]>;

/// What one backend has of a name, and when that was last read.
#[derive(Clone, Debug)]
struct Part {
    source: BackendKind,
    extension: Arc<Extension>,
    /// About how many bytes it takes up.
    weight: usize,
    read: Arc<Mutex<Moment>>,
}

impl Entry {
    /// Type and name.
    #[must_use]
    pub fn id(&self) -> &ExtensionId {
        self.extension.id()
    }

    /// Every backend that has it, in order.
    pub fn sources(&self) -> impl Iterator<Item = BackendKind> {
        self.parts.iter().map(|part| part.source)
    }

    /// Whether releases of it come from this backend.
    #[must_use]
    pub fn is_of(&self, source: BackendKind) -> bool {
        self.extension.releases().iter().any(|release| release.source == source)
    }

    /// The backends that it was read from this long ago, or longer.
    pub fn older_than(&self, age: Duration) -> impl Iterator<Item = BackendKind> {
        let old = move |part: &&Part| part.read.lock().elapsed() >= age;
        self.parts.iter().filter(old).map(|part| part.source)
    }

    fn is_made_of(&self, parts: &Parts, standing: Standing) -> bool {
        let same = |mine: &Part, theirs: &Part| {
            mine.source == theirs.source && Arc::ptr_eq(&mine.extension, &theirs.extension)
        };
        self.standing == standing
            && self.parts.len() == parts.len()
            && self.parts.iter().zip(parts).all(|(mine, theirs)| same(mine, theirs))
    }
}

/// Entries ordered by id.
type Entries = Arc<[Arc<Entry>]>;

/// An immutable picture of everything known. Entries that did not change are the same `Arc`s
/// from one view to the next, which is how memos of answers see whether they still hold.
#[derive(Debug, Default)]
pub struct View {
    /// Counts the views; equal numbers mean equal contents.
    pub revision: u64,
    known: Vec<BackendKind>,
    merged: Entries,
    orphans: Entries,
    by_source: Vec<(BackendKind, Entries)>,
    searches: Vec<(Option<BackendKind>, Arc<SearchIndex<Entry>>)>,
}

impl View {
    /// Every listed extension of one backend, or of all merged, by name and then type.
    #[must_use]
    pub fn entries(&self, source: Option<BackendKind>) -> &[Arc<Entry>] {
        match source {
            None => &self.merged,
            Some(source) => self.shelf(source),
        }
    }

    /// The same, of one type only.
    pub fn list(
        &self,
        extension_type: Option<ExtensionType>,
        source: Option<BackendKind>,
    ) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries(source).iter().filter(move |entry| {
            extension_type.is_none_or(|wanted| wanted == entry.id().extension_type)
        })
    }

    /// One extension, from one backend or from its owner. Orphans are found too.
    #[must_use]
    pub fn get(&self, id: &ExtensionId, source: Option<BackendKind>) -> Option<&Arc<Entry>> {
        let orphan = || if source.is_none() { find(&self.orphans, id) } else { None };
        find(self.entries(source), id).or_else(orphan)
    }

    /// Whether anything is known of this backend.
    #[must_use]
    pub fn knows(&self, source: BackendKind) -> bool {
        self.known.contains(&source)
    }

    fn shelf(&self, source: BackendKind) -> &[Arc<Entry>] {
        let shelf = self.by_source.iter().find(|(of, _)| *of == source);
        shelf.map_or(&[], |(_, entries)| entries)
    }

    fn of(&self, source: BackendKind) -> Entries {
        let shelf = self.by_source.iter().find(|(of, _)| *of == source);
        shelf.map_or_else(Entries::default, |(_, entries)| Arc::clone(entries))
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
    /// There is no room: what was known stays.
    NoRoom,
    /// Its list of releases is suddenly empty: what was known stays until [`Index::remove`].
    Emptied(Absence, Extension),
}

/// Something that two answers of a backend say is gone.
#[derive(Debug)]
pub enum Gone {
    /// The repository.
    Repository(ExtensionId),
    /// Every release; this is the extension without them.
    Releases(Extension),
}

impl Gone {
    /// The extension.
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
    /// Whether a name passes on when its owner loses it.
    takeover: bool,
    shelves: Vec<Shelf>,
    owners: Owners,
    /// The names of which something changed since the last view.
    touched: BTreeSet<ExtensionId>,
    changed: bool,
    revision: u64,
}

impl Index {
    /// An index that knows nothing of these backends yet.
    #[must_use]
    pub fn new(sources: &[BackendKind], rules: &Rules) -> Self {
        Self {
            merge: rules.merge,
            takeover: rules.allow_takeover,
            shelves: sources.iter().map(|source| Shelf::new(*source, rules.max_bytes)).collect(),
            owners: Owners::default(),
            touched: BTreeSet::new(),
            changed: false,
            revision: 0,
        }
    }

    /// Whether anything changed since the last view.
    #[must_use]
    pub const fn has_changed(&self) -> bool {
        self.changed
    }

    /// The number of the view that shows everything known now; perhaps it is yet to be made.
    #[must_use]
    pub fn due_revision(&self) -> u64 {
        self.revision + u64::from(self.changed)
    }

    /// The backend was listed: from now on, what it lacks it is known to lack.
    pub fn listed(&mut self, source: BackendKind) {
        let Some(shelf) = shelf_of(&mut self.shelves, source) else { return };
        if !std::mem::replace(&mut shelf.known, true) {
            self.touch_all();
        }
    }

    /// Takes in an extension that was read at this instant.
    pub fn put(&mut self, source: BackendKind, extension: Extension, now: Instant) -> Put {
        let Some(shelf) = shelf_of(&mut self.shelves, source) else { return Put::Taken };
        let id = extension.id().clone();
        match shelf.read(extension, now) {
            Taken::Same => Put::Taken,
            Taken::News => {
                self.touch(id);
                Put::Taken
            }
            Taken::Refused => {
                self.touch_elsewhere(source, [id].into());
                Put::NoRoom
            }
            Taken::Emptied(absence, extension) => Put::Emptied(absence, extension),
        }
    }

    /// The backend said that it has no such repository.
    pub fn missed(&mut self, source: BackendKind, id: &ExtensionId, now: Instant) -> Absence {
        let Some(shelf) = shelf_of(&mut self.shelves, source) else { return Absence::Unknown };
        let refused = shelf.room.lacks(id);
        let absence = shelf.missed(id, now);
        if refused && absence == Absence::Unknown {
            self.touch_elsewhere(source, [id.clone()].into());
        }
        absence
    }

    /// Removes an extension, or all its releases, for certain, unless it was seen again since.
    pub fn remove(&mut self, source: BackendKind, gone: Gone, now: Instant) {
        let id = gone.id().clone();
        let Some(shelf) = shelf_of(&mut self.shelves, source) else { return };
        let removed = match gone {
            Gone::Repository(id) => shelf.remove(&id),
            Gone::Releases(extension) => shelf.empty(extension, now),
        };
        if removed {
            self.touch(id);
        }
    }

    /// An extension that a backend has and that has no listed release.
    #[must_use]
    pub fn without_release(&self, source: BackendKind, id: &ExtensionId) -> Option<Arc<Extension>> {
        let part = self.shelf(source)?.extensions.get(id)?;
        part.extension.releases().is_empty().then(|| Arc::clone(&part.extension))
    }

    /// Number of extensions with releases of this backend, and some of them that it was not said
    /// to lack.
    #[must_use]
    pub fn undoubted(&self, source: BackendKind, max: usize) -> (usize, Vec<ExtensionId>) {
        let Some(shelf) = self.shelf(source) else { return Default::default() };
        let has_release = |(_, part): &(_, &Part)| !part.extension.releases().is_empty();
        let listed = || shelf.extensions.iter().filter(has_release).map(|(id, _)| id);
        let undoubted = listed().filter(|id| !shelf.absent.contains_key(*id));
        (listed().count(), undoubted.take(max).cloned().collect())
    }

    /// Whether everything is known of an extension of this backend, so that a version that it
    /// lacks does not exist.
    #[must_use]
    pub fn is_whole(&self, source: BackendKind, id: &ExtensionId) -> bool {
        let part = self.shelf(source).and_then(|shelf| shelf.extensions.get(id));
        part.is_some_and(|part| part.extension.is_whole())
    }

    /// Whether a backend has this extension.
    #[must_use]
    pub fn has(&self, source: BackendKind, id: &ExtensionId) -> bool {
        self.shelf(source).is_some_and(|shelf| shelf.extensions.contains_key(id))
    }

    /// Everything known of this backend that is not among these.
    #[must_use]
    pub fn beyond(&self, source: BackendKind, listed: &BTreeSet<ExtensionId>) -> Vec<ExtensionId> {
        let ids = self.shelf(source).into_iter().flat_map(|shelf| shelf.extensions.keys());
        ids.filter(|id| !listed.contains(*id)).cloned().collect()
    }

    /// The picture of what is known now: the previous one, with the names that changed since.
    pub fn view(&mut self, previous: &View) -> View {
        let touched = std::mem::take(&mut self.touched);
        let (mut merged, mut orphans): (Changes, Changes) = Default::default();
        let mut by_source: Vec<(BackendKind, Changes)> =
            self.shelves.iter().map(|shelf| (shelf.source, Changes::new())).collect();
        for id in touched {
            let named = self.name(&id);
            for (source, changes) in &mut by_source {
                let parts = named.as_ref().map(|(parts, _)| parts);
                let entry = parts.and_then(|parts| part_entry(parts, *source, previous));
                changes.push((id.clone(), entry));
            }
            let entry = named.and_then(|(parts, standing)| {
                let pools = self.merge == Merge::Union && parts.len() > 1;
                let owners = if pools { None } else { latest_of(&by_source, standing) };
                owners
                    .or_else(|| kept(previous.get(&id, None), &parts, standing))
                    .or_else(|| Some(new_entry(pool(&parts, self.merge)?, &parts, standing)))
            });
            let is_orphan = |entry: &Arc<Entry>| matches!(entry.standing, Standing::Orphaned(_));
            orphans.push((id.clone(), entry.clone().filter(is_orphan)));
            merged.push((id, entry.filter(|entry| !is_orphan(entry))));
        }
        self.changed = false;
        self.revision += 1;
        let merged = patched(&previous.merged, &merged);
        let list = |(source, changes): &(BackendKind, Changes)| {
            let entries = patched(&previous.of(*source), changes);
            // A backend that has everything alone has the merged list.
            let entries = if is_same(&entries, &merged) { Arc::clone(&merged) } else { entries };
            (*source, entries)
        };
        View {
            revision: self.revision,
            known: self.shelves.iter().filter(|shelf| shelf.known).map(|s| s.source).collect(),
            orphans: patched(&previous.orphans, &orphans),
            by_source: by_source.iter().map(list).collect(),
            merged,
            searches: Vec::new(),
        }
        .searched(previous)
    }

    /// Who has a name, and who answers for it, which is remembered. `None`: nobody has a release.
    fn name(&mut self, id: &ExtensionId) -> Option<(Parts, Standing)> {
        let held = |shelf: &Shelf| {
            let part = shelf.extensions.get(id)?;
            (!part.extension.releases().is_empty()).then(|| part.clone())
        };
        let parts: Parts = self.shelves.iter().filter_map(held).collect();
        let bid = |shelf: &Shelf| Bid {
            source: shelf.source,
            // What it has and there is no room for may be its own.
            known: shelf.known && !shelf.room.lacks(id),
            has: part_of(&parts, shelf.source).is_some(),
        };
        let bids: Vec<Bid> = self.shelves.iter().map(bid).collect();
        let before = match self.merge {
            Merge::Owner if !self.takeover => self.owners.owner_of(id),
            Merge::Owner | Merge::Union => None,
        };
        let standing = decide(&bids, before);
        match standing {
            Some(Standing::Owned(owner)) => self.owners.owned(id, owner),
            None | Some(Standing::Orphaned(_)) => self.owners.lost(id),
            Some(Standing::Unsure(..)) => {}
        }
        Some((parts, standing?))
    }

    fn touch(&mut self, id: ExtensionId) {
        self.touched.insert(id);
        self.changed = true;
    }

    fn touch_all(&mut self) {
        let ids = self.shelves.iter().flat_map(|shelf| shelf.extensions.keys());
        self.touch_these(ids.cloned().collect());
    }

    /// Many at once: sets are joined in one pass.
    fn touch_these(&mut self, mut ids: BTreeSet<ExtensionId>) {
        self.touched.append(&mut ids);
        self.changed = true;
    }

    fn shelf(&self, source: BackendKind) -> Option<&Shelf> {
        self.shelves.iter().find(|shelf| shelf.source == source)
    }
}

fn shelf_of(shelves: &mut [Shelf], source: BackendKind) -> Option<&mut Shelf> {
    shelves.iter_mut().find(|shelf| shelf.source == source)
}

fn part_of(parts: &Parts, source: BackendKind) -> Option<&Part> {
    parts.iter().find(|part| part.source == source)
}

/// The entry of one backend's own list, if it has the name.
fn part_entry(parts: &Parts, source: BackendKind, previous: &View) -> Option<Arc<Entry>> {
    let extension = &part_of(parts, source)?.extension;
    let owned = Standing::Owned(source);
    kept(previous.get(extension.id(), Some(source)), parts, owned)
        .or_else(|| Some(new_entry(Arc::clone(extension), parts, owned)))
}

/// The entry of the name looked at last in the list of its owner; what the owner shows is held once.
fn latest_of(by_source: &[(BackendKind, Changes)], standing: Standing) -> Option<Arc<Entry>> {
    let Standing::Owned(owner) = standing else { return None };
    let (_, changes) = by_source.iter().find(|(source, _)| *source == owner)?;
    changes.last()?.1.clone()
}

/// The entry of the previous view, if it would be made of the same again.
fn kept(previous: Option<&Arc<Entry>>, parts: &Parts, standing: Standing) -> Option<Arc<Entry>> {
    previous.filter(|entry| entry.is_made_of(parts, standing)).cloned()
}

fn new_entry(extension: Arc<Extension>, parts: &Parts, standing: Standing) -> Arc<Entry> {
    Arc::new(Entry { extension, standing, parts: parts.clone() })
}

/// What the merged view shows of a name: the first one's releases, or all pooled.
fn pool(parts: &Parts, merge: Merge) -> Option<Arc<Extension>> {
    let mut extensions = parts.iter().map(|part| Arc::clone(&part.extension));
    match merge {
        Merge::Owner => extensions.next(),
        Merge::Union => extensions.reduce(|pooled, next| Arc::new(pooled.union(&next))),
    }
}
