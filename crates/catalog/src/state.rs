//! State that survives a restart: what each backend has, the owners of names, and pins. It is a set
//! of records by key, so that a write has only those that changed.

mod batches;
pub mod catalog_state;
mod file;
mod legacy;
mod log;
pub mod persister;
mod record;
mod restore;
pub(crate) mod stored_backend;
pub(crate) mod webhook_file;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use registry_core::backend::Fault;
use registry_core::backend::changes::ChangeCursor;
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::naming::ExtensionId;
use registry_fleet::epoch::LogPosition;

use crate::persistent_instant::PersistentInstant;
use crate::pins::backend_pins::BackendPins;
use crate::state::record::Record;
use crate::stored::extension::ReadExtension;

/// Time for which records are kept after their backend left the configuration.
const KEPT_RETIRED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Fingerprints of the configuration of each backend: equal text means the same upstream.
pub type Fingerprints = Vec<(BackendId, String)>;

/// All records, with wall clock times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Each backend that was ever listed.
    pub backends: BTreeMap<BackendId, BackendState>,
    /// Extensions of each backend, including those without releases.
    pub extensions: BTreeMap<BackendId, BTreeMap<ExtensionId, ReadExtension>>,
    /// The last certain owner of each name, including names that the owner lost.
    pub owners: BTreeMap<ExtensionId, BackendId>,
    /// Time since when no backend of this name is configured.
    pub retired: BTreeMap<BackendId, Timestamp>,
    pub(super) pins: HashMap<BackendId, BackendPins>,
}

/// State of one backend, without its extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendState {
    /// Fingerprint of the configuration. A different fingerprint means a different upstream.
    pub fingerprint: String,
    /// Start of the last successful sync cycle.
    pub current_as_of: Timestamp,
    /// Time up to which the absence of unlisted names is proven.
    pub complete_as_of: Option<Timestamp>,
    /// Time of the last successful response.
    pub last_success: Option<Timestamp>,
    /// Cursor for the next request for changes.
    pub cursor: Option<ChangeCursor>,
    /// Start of the last full sweep.
    pub swept: Option<Timestamp>,
    /// Stable identity of the upstream, so that another one under its name is refused.
    pub identity: Option<String>,
    /// Position of the log of all replicas whose entries it has; `None` without a log, and while it has
    /// what the log lacks.
    pub log_position: Option<LogPosition>,
    /// Coverage of the last list of repositories.
    pub listing: Coverage,
    /// Faults of the backend.
    pub faults: Vec<Fault>,
    /// Extensions that need another read, and the number of those that did not fit.
    pub unsettled: Unsettled,
}

/// Extensions of a backend that need another read, and the number of those that did not fit. Times
/// are left out: they would count only within one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Extensions that were reported as gone once.
    pub doubted: Vec<ExtensionId>,
    /// Extensions in the refresh queue.
    pub scheduled: Vec<ExtensionId>,
    /// Number of extensions that did not fit into `catalog.max_bytes`.
    pub refused: usize,
    /// Extensions whose last read failed or was incomplete.
    pub incomplete: Vec<ExtensionId>,
}

impl BackendState {
    /// Returns the moments up to which the data is current and absence is proven, given a clock that
    /// shows `now`. Equal times become equal moments, because change cycles compare them.
    pub(crate) fn as_of(&self, now: Timestamp) -> (PersistentInstant, Option<PersistentInstant>) {
        let moment = |written| PersistentInstant::of_wall_clock(written, now);
        let current = moment(self.current_as_of);
        let complete = self.complete_as_of;
        (current, complete.map(|at| if at == self.current_as_of { current } else { moment(at) }))
    }
}

impl Snapshot {
    /// Applies records in their order; the last one of a key counts.
    pub(super) fn of(records: impl IntoIterator<Item = Record>) -> Self {
        let mut snapshot = Self::default();
        let mut extensions: BTreeMap<BackendId, Vec<_>> = BTreeMap::new();
        let mut owners = Vec::new();
        for record in records {
            match record {
                Record::Backend(of, state) => drop(snapshot.backends.insert(of, *state)),
                Record::Retired(of, since) => drop(snapshot.retired.insert(of, since)),
                Record::Extension(of, id, value) => {
                    extensions.entry(of).or_default().push((id, value));
                }
                Record::Owner(id, owner) => owners.push((id, owner)),
                Record::Pins(of, id, name, pins) => {
                    snapshot.pins.entry(of).or_default().put_pins(id, name, pins);
                }
                Record::Digest(of, key, digest) => {
                    snapshot.pins.entry(of).or_default().put_digest(key, digest);
                }
            }
        }
        snapshot.owners = latest(owners);
        snapshot.extensions = extensions.into_iter().map(|(of, all)| (of, latest(all))).collect();
        snapshot
    }

    pub(super) fn into_records(self) -> impl Iterator<Item = Record> {
        let backends = self.backends.into_iter();
        let extensions = self.extensions.into_iter().flat_map(|(of, all)| {
            all.into_iter().map(move |(id, value)| Record::Extension(of, id, Some(value)))
        });
        let owners = self.owners.into_iter().map(|(id, owner)| Record::Owner(id, Some(owner)));
        let retired = self.retired.into_iter().map(|(of, since)| Record::Retired(of, since));
        let pins = self.pins.into_iter().flat_map(|(of, pins)| records_of(of, pins));
        let backends = backends.map(|(of, state)| Record::Backend(of, Box::new(state)));
        retired.chain(backends).chain(owners).chain(pins).chain(extensions)
    }

    fn named(&self) -> BTreeSet<BackendId> {
        let owners = self.owners.values().chain(self.backends.keys());
        owners.chain(self.pins.keys()).chain(self.extensions.keys()).copied().collect()
    }

    /// Notes the time of removed backends, and drops their records after [`KEPT_RETIRED`].
    fn retire(&mut self, configured: &BTreeSet<BackendId>, now: Timestamp) {
        let before = std::mem::take(&mut self.retired);
        for of in self.named().difference(configured) {
            let since = before.get(of).copied().unwrap_or(now);
            if now.duration_since(since) < KEPT_RETIRED {
                self.retired.insert(*of, since);
                continue;
            }
            self.backends.remove(of);
            self.extensions.remove(of);
            self.pins.remove(of);
            self.owners.retain(|_, owner| owner != of);
        }
    }
}

fn records_of(of: BackendId, pins: BackendPins) -> impl Iterator<Item = Record> {
    let (versions, digests) = pins.into_parts();
    let pins = versions.into_iter().flat_map(move |(id, versions)| {
        let of_one = versions.into_iter();
        of_one.map(move |(name, pins)| Record::Pins(of, id.clone(), name, Some(pins)))
    });
    let digests = digests.into_iter();
    pins.chain(digests.map(move |(key, digest)| Record::Digest(of, key, Some(digest))))
}

/// The last value of each name; `None` deletes the name.
fn latest<V>(mut values: Vec<(ExtensionId, Option<V>)>) -> BTreeMap<ExtensionId, V> {
    // Names compare without case, which is slow, and a full write is in order: a stable sort and one
    // pass are cheaper at startup than as many inserts into a map.
    values.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut last: Vec<(ExtensionId, Option<V>)> = Vec::with_capacity(values.len());
    for (id, value) in values {
        match last.last_mut() {
            Some(before) if before.0 == id => *before = (id, value),
            _ => last.push((id, value)),
        }
    }
    last.into_iter().filter_map(|(id, value)| Some((id, value?))).collect()
}
