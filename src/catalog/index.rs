//! What is known: a shelf for each backend, and the merged view that readers share.

mod kept;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::catalog::Merge;
use crate::catalog::moment::Moment;
use crate::catalog::ownership::{Bid, Standing, decide};
use crate::catalog::search::Words;
use crate::models::extension::Extension;
use crate::models::naming::{ExtensionId, ExtensionType};
use crate::models::source::Source;

/// Two answers of "no such repository" at least this far apart remove an extension.
const CERTAIN_AFTER: Duration = Duration::from_secs(10);

/// One extension as a reader sees it.
#[derive(Debug)]
pub struct Entry {
    /// The releases of its owner, or those of all backends pooled.
    pub extension: Arc<Extension>,
    /// Who answers for it.
    pub standing: Standing,
    /// What it is found by.
    pub words: Words,
    parts: Parts,
}

/// What each backend has of one name, in order; never empty.
type Parts = Vec<Part>;

/// What one backend has of a name, and when that was last read.
#[derive(Clone, Debug)]
struct Part {
    source: Source,
    extension: Arc<Extension>,
    read: Arc<Mutex<Moment>>,
}

impl Entry {
    /// Type and name.
    #[must_use]
    pub fn id(&self) -> &ExtensionId {
        self.extension.id()
    }

    /// Every backend that has it, in order.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        self.parts.iter().map(|part| part.source)
    }

    /// Whether releases of it come from this backend.
    #[must_use]
    pub fn is_of(&self, source: Source) -> bool {
        self.extension.releases().iter().any(|release| release.source == source)
    }

    /// The backends that it was read from this long ago, or longer.
    pub fn older_than(&self, age: Duration) -> impl Iterator<Item = Source> {
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
    known: Vec<Source>,
    merged: Entries,
    orphans: Entries,
    by_source: Vec<(Source, Entries)>,
}

impl View {
    /// Every listed extension of one backend, or of all merged, by name and then type.
    #[must_use]
    pub fn entries(&self, source: Option<Source>) -> &[Arc<Entry>] {
        match source {
            None => &self.merged,
            Some(source) => self.shelf(source),
        }
    }

    /// The same, of one type only.
    pub fn list(
        &self,
        extension_type: Option<ExtensionType>,
        source: Option<Source>,
    ) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries(source).iter().filter(move |entry| {
            extension_type.is_none_or(|wanted| wanted == entry.id().extension_type)
        })
    }

    /// One extension, from one backend or from its owner. Orphans are found too.
    #[must_use]
    pub fn get(&self, id: &ExtensionId, source: Option<Source>) -> Option<&Arc<Entry>> {
        let orphan = || if source.is_none() { find(&self.orphans, id) } else { None };
        find(self.entries(source), id).or_else(orphan)
    }

    /// Whether anything is known of this backend.
    #[must_use]
    pub fn knows(&self, source: Source) -> bool {
        self.known.contains(&source)
    }

    fn shelf(&self, source: Source) -> &[Arc<Entry>] {
        let shelf = self.by_source.iter().find(|(of, _)| *of == source);
        shelf.map_or(&[], |(_, entries)| entries)
    }
}

fn find<'a>(entries: &'a [Arc<Entry>], id: &ExtensionId) -> Option<&'a Arc<Entry>> {
    let at = entries.binary_search_by(|entry| entry.id().cmp(id)).ok()?;
    entries.get(at)
}

/// What one backend has.
struct Shelf {
    source: Source,
    known: bool,
    extensions: BTreeMap<ExtensionId, Part>,
    /// When a repository was first said to be gone.
    absent: HashMap<ExtensionId, Instant>,
}

impl Shelf {
    fn put(&mut self, extension: Arc<Extension>, read: Moment) {
        let (id, read) = (extension.id().clone(), Arc::new(Mutex::new(read)));
        self.extensions.insert(id, Part { source: self.source, extension, read });
    }
}

/// The writer's side of the catalogue.
pub struct Index {
    merge: Merge,
    shelves: Vec<Shelf>,
    owners: HashMap<ExtensionId, Source>,
    changed: bool,
    revision: u64,
}

impl Index {
    /// An index that knows nothing of these backends yet.
    #[must_use]
    pub fn new(sources: &[Source], merge: Merge) -> Self {
        let shelf = |source: &Source| Shelf {
            source: *source,
            known: false,
            extensions: BTreeMap::new(),
            absent: HashMap::new(),
        };
        Self {
            merge,
            shelves: sources.iter().map(shelf).collect(),
            owners: HashMap::new(),
            changed: false,
            revision: 0,
        }
    }

    /// Whether anything changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The backend was listed: from now on, what it lacks it is known to lack.
    pub fn listed(&mut self, source: Source) {
        let Some(shelf) = shelf_of(&mut self.shelves, source) else { return };
        self.changed |= !shelf.known;
        shelf.known = true;
    }

    /// The backend has this extension, as it is here, read at this instant.
    pub fn put(&mut self, source: Source, extension: Extension, now: Instant) {
        let Some(shelf) = shelf_of(&mut self.shelves, source) else { return };
        shelf.absent.remove(extension.id());
        match shelf.extensions.get(extension.id()) {
            Some(known) if *known.extension == extension => *known.read.lock() = now.into(),
            _ => {
                self.changed = true;
                shelf.put(Arc::new(extension), now.into());
            }
        }
    }

    /// The backend said that it has no such repository. Removes it at the second such answer;
    /// answers whether a second one is needed.
    pub fn missed(&mut self, source: Source, id: &ExtensionId, now: Instant) -> bool {
        let Some(shelf) = shelf_of(&mut self.shelves, source) else { return false };
        if !shelf.extensions.contains_key(id) {
            return false;
        }
        let first = *shelf.absent.entry(id.clone()).or_insert(now);
        let certain = now.duration_since(first) >= CERTAIN_AFTER;
        if certain {
            shelf.extensions.remove(id);
            shelf.absent.remove(id);
            self.changed = true;
        }
        !certain
    }

    /// Everything known of this backend that is not among these.
    #[must_use]
    pub fn beyond(&self, source: Source, listed: &BTreeSet<ExtensionId>) -> Vec<ExtensionId> {
        let shelf = self.shelves.iter().find(|shelf| shelf.source == source);
        let ids = shelf.into_iter().flat_map(|shelf| shelf.extensions.keys());
        ids.filter(|id| !listed.contains(*id)).cloned().collect()
    }

    /// The picture of what is known now; takes from the previous one what did not change.
    pub fn view(&mut self, previous: &View) -> View {
        let ids: BTreeSet<ExtensionId> =
            self.shelves.iter().flat_map(|shelf| shelf.extensions.keys()).cloned().collect();
        let mut merged = Vec::new();
        let mut orphans = Vec::new();
        let mut by_source: BTreeMap<Source, Vec<Arc<Entry>>> = BTreeMap::new();
        for id in &ids {
            let Some((parts, standing)) = self.name(id) else { continue };
            for Part { source, extension, .. } in &parts {
                let owned = Standing::Owned(*source);
                let entry = kept(previous.get(id, Some(*source)), &parts, owned)
                    .unwrap_or_else(|| new_entry(Arc::clone(extension), &parts, owned));
                by_source.entry(*source).or_default().push(entry);
            }
            let entry = kept(previous.get(id, None), &parts, standing)
                .or_else(|| Some(new_entry(pool(&parts, self.merge)?, &parts, standing)));
            match standing {
                Standing::Orphaned(_) => orphans.extend(entry),
                Standing::Owned(_) | Standing::Unsure(..) => merged.extend(entry),
            }
        }
        self.revision += 1;
        View {
            revision: self.revision,
            known: self.shelves.iter().filter(|shelf| shelf.known).map(|s| s.source).collect(),
            merged: merged.into(),
            orphans: orphans.into(),
            by_source: by_source.into_iter().map(|(s, entries)| (s, entries.into())).collect(),
        }
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
            known: shelf.known,
            has: parts.iter().any(|part| part.source == shelf.source),
        };
        let bids: Vec<Bid> = self.shelves.iter().map(bid).collect();
        let before = match self.merge {
            Merge::Owner => self.owners.get(id).copied(),
            Merge::Union => None,
        };
        let standing = decide(&bids, before)?;
        if let Standing::Owned(owner) = standing {
            self.owners.insert(id.clone(), owner);
        }
        Some((parts, standing))
    }
}

fn shelf_of(shelves: &mut [Shelf], source: Source) -> Option<&mut Shelf> {
    shelves.iter_mut().find(|shelf| shelf.source == source)
}

/// The entry of the previous view, if it would be made of the same again.
fn kept(previous: Option<&Arc<Entry>>, parts: &Parts, standing: Standing) -> Option<Arc<Entry>> {
    previous.filter(|entry| entry.is_made_of(parts, standing)).cloned()
}

fn new_entry(extension: Arc<Extension>, parts: &Parts, standing: Standing) -> Arc<Entry> {
    let words = Words::of(&extension);
    Arc::new(Entry { extension, standing, words, parts: parts.clone() })
}

/// What the merged view shows of a name: the first one's releases, or all pooled.
fn pool(parts: &Parts, merge: Merge) -> Option<Arc<Extension>> {
    let mut extensions = parts.iter().map(|part| Arc::clone(&part.extension));
    match merge {
        Merge::Owner => extensions.next(),
        Merge::Union => extensions.reduce(|pooled, next| Arc::new(pooled.union(&next))),
    }
}
