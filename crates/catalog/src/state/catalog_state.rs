//! The catalog as the state log has it: export as records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use registry_core::backend::Fault;
use registry_core::models::backend_id::BackendId;
use registry_fleet::epoch::LogPosition;

use crate::Catalog;
use crate::index::Index;
use crate::index::backend_extensions::BackendExtensions;
use crate::index::entry::BackendCopy;
use crate::persistent_instant::PersistentInstant;
use crate::state::record::Record;
use crate::state::{BackendState, Fingerprints, Snapshot, Unsettled};
use crate::stored::extension::ReadExtension;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::cycle_state::CyclePosition;
use crate::unsaved::{RecordKey, Unsaved};

/// State that decides about another write of a backend's record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BackendSummary {
    as_of: PersistentInstant,
    log_position: Option<LogPosition>,
    unsettled: Unsettled,
    faults: Vec<Fault>,
}

impl BackendSummary {
    pub(super) const fn log_position(&self) -> Option<LogPosition> {
        self.log_position
    }

    /// Returns true if more than the age of the data differs.
    pub(super) fn differs_from(&self, written: Option<&Self>) -> bool {
        written.is_none_or(|it| self.unsettled != it.unsettled || self.faults != it.faults)
    }
}

/// A catalog, and the fingerprints of the configuration of each backend.
pub struct CatalogState {
    pub(super) catalog: Arc<Catalog>,
    fingerprints: Fingerprints,
}

impl CatalogState {
    /// Pairs a catalog with fingerprints.
    #[must_use]
    pub const fn new(catalog: Arc<Catalog>, fingerprints: Fingerprints) -> Self {
        Self { catalog, fingerprints }
    }

    pub(super) fn unsaved(&self) -> &Arc<Unsaved> {
        self.catalog.store.unsaved()
    }

    pub(super) fn backends(&self) -> impl Iterator<Item = BackendId> {
        self.catalog.backends.iter()
    }

    pub(super) fn extensions_of(&self, backend: BackendId) -> usize {
        self.catalog.store.view().entries(backend.into()).len()
    }

    pub(super) fn set_persist_error(&self, reason: Option<String>) -> Option<String> {
        self.catalog.health.set_persist_error(reason)
    }

    /// Exports all records but those of backends that were not listed, given the wall clock `now`.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let log_positions = self.log_positions();
        let positions = self.positions();
        let (owners, backends) = self.catalog.store.read(|index| {
            let backends = positions.filter_map(|(handle, position)| {
                let listed = listed(handle, index)?;
                let mut state = self.state_of(handle, position, listed, now)?;
                state.log_position = log_positions.get(&handle.id()).copied();
                Some((handle.id(), state, listed.all().cloned().collect::<Vec<_>>()))
            });
            (index.owners(), backends.collect::<Vec<_>>())
        });
        let mut snapshot =
            Snapshot { owners, pins: self.catalog.pins.all(), ..Snapshot::default() };
        // Without the lock of the index: there may be many extensions.
        for (of, state, copies) in backends {
            snapshot.backends.insert(of, state);
            let read = copies.iter().map(|copy| (copy.extension.id().clone(), read_of(copy, now)));
            snapshot.extensions.insert(of, read.collect());
        }
        snapshot
    }

    /// Leaves out extensions of backends that have no fingerprint or were not listed. `backends` come with
    /// the positions of the log before the keys were taken: later entries may have other keys.
    pub(super) fn records(
        &self,
        keys: &BTreeSet<RecordKey>,
        backends: &BTreeMap<BackendId, Option<LogPosition>>,
        now: Timestamp,
    ) -> Vec<Record> {
        let positions = self.positions().filter(|(handle, _)| backends.contains_key(&handle.id()));
        self.catalog.store.read(|index| {
            let states = positions.filter_map(|(handle, position)| {
                let mut state = self.state_of(handle, position, listed(handle, index)?, now)?;
                state.log_position = backends.get(&handle.id()).copied().flatten();
                Some(Record::Backend(handle.id(), Box::new(state)))
            });
            states.chain(keys.iter().filter_map(|key| self.record(key, index, now))).collect()
        })
    }

    fn record(&self, key: &RecordKey, index: &Index, now: Timestamp) -> Option<Record> {
        Some(match key {
            RecordKey::Extension(of, id) => {
                self.fingerprint_of(*of)?;
                let known = index.backend(*of).filter(|known| known.is_listed())?;
                let value = known.get(id).map(|copy| read_of(copy, now));
                Record::Extension(*of, id.clone(), value)
            }
            RecordKey::Owner(id) => Record::Owner(id.clone(), index.owner_of(id)),
            RecordKey::Pins(of, id, name) => {
                let pins = self.catalog.pins.pins_of(*of, id, name);
                Record::Pins(*of, id.clone(), name.clone(), pins)
            }
            RecordKey::Digest(of, key) => {
                Record::Digest(*of, key.clone(), self.catalog.pins.digest_of(*of, key))
            }
        })
    }

    pub(super) fn summaries(&self) -> BTreeMap<BackendId, BackendSummary> {
        let log_positions = self.log_positions();
        self.catalog.store.read(|index| {
            let handles = self.catalog.syncer.handles().iter();
            let summaries = handles.filter_map(|handle| {
                let known = listed(handle, index)?;
                self.fingerprint_of(handle.id())?;
                let as_of = handle.health.status.current_as_of()?;
                let (faults, _) = handle.health.evidence.faults();
                let log_position = log_positions.get(&handle.id()).copied();
                let unsettled = unsettled(handle, known);
                let summary = BackendSummary { as_of, log_position, unsettled, faults };
                Some((handle.id(), summary))
            });
            summaries.collect()
        })
    }

    /// Returns each backend with its position. Positions are taken before the extensions: an old
    /// cursor only repeats a read, a new one would skip changes.
    fn positions(&self) -> impl Iterator<Item = (&BackendHandle, CyclePosition)> {
        let handles = self.catalog.syncer.handles().iter();
        let positions: Vec<_> = handles.map(|one| (&**one, one.cycle.position())).collect();
        positions.into_iter()
    }

    /// Returns the positions of the log that the content includes. Taken before the content: an entry is
    /// applied twice rather than missed.
    fn log_positions(&self) -> BTreeMap<BackendId, LogPosition> {
        let shares = self.catalog.syncer.handles().iter().filter_map(|handle| {
            let position = handle.share.as_ref()?.complete_position()?;
            Some((handle.id(), position))
        });
        shares.collect()
    }

    pub(super) fn fingerprint_of(&self, backend: BackendId) -> Option<&String> {
        let mut fingerprints = self.fingerprints.iter();
        fingerprints.find(|(of, _)| *of == backend).map(|(_, fingerprint)| fingerprint)
    }

    fn state_of(
        &self,
        handle: &BackendHandle,
        position: CyclePosition,
        known: &BackendExtensions,
        now: Timestamp,
    ) -> Option<BackendState> {
        backend_state(handle, position, known, self.fingerprint_of(handle.id())?, now)
    }
}

/// Returns the state of a backend, with times of a clock that shows `now`; `None` before its first
/// cycle.
pub(crate) fn backend_state(
    handle: &BackendHandle,
    position: CyclePosition,
    known: &BackendExtensions,
    fingerprint: &str,
    now: Timestamp,
) -> Option<BackendState> {
    let (status, evidence) = (handle.health.status.get(), &handle.health.evidence);
    let current = status.current_as_of?;
    let current_as_of = current.to_wall_clock(now);
    // With faults beyond the limit, absence is not proven: any name may have one.
    let (faults, faults_beyond) = evidence.faults();
    let complete = status.complete_as_of.filter(|_| faults_beyond == 0);
    // Equal moments get equal times, because `restore` compares them.
    let complete_as_of =
        complete.map(|at| if at == current { current_as_of } else { at.to_wall_clock(now) });
    Some(BackendState {
        fingerprint: fingerprint.to_owned(),
        current_as_of,
        complete_as_of,
        last_success: status.last_success,
        cursor: position.cursor,
        swept: position.swept.map(|at| at.to_wall_clock(now)),
        identity: handle.backend.identity(),
        log_position: None,
        listing: evidence.listing(),
        faults,
        unsettled: unsettled(handle, known),
    })
}

/// Returns the extensions of a backend that was listed: state would present those before the first
/// listing as complete.
fn listed<'a>(handle: &BackendHandle, index: &'a Index) -> Option<&'a BackendExtensions> {
    index.backend(handle.id()).filter(|known| known.is_listed())
}

fn read_of(copy: &BackendCopy, now: Timestamp) -> ReadExtension {
    (Arc::clone(&copy.reported), copy.read_at().to_wall_clock(now))
}

fn unsettled(handle: &BackendHandle, known: &BackendExtensions) -> Unsettled {
    Unsettled {
        doubted: known.doubted().into_iter().collect(),
        scheduled: handle.refreshes.scheduled(),
        refused: known.capacity_use().refused,
        incomplete: handle.health.evidence.incomplete(),
    }
}
