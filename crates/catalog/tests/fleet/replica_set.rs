//! The replicas of a fleet, with their paths to the backends and to the engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use fastrand::Rng;
use jiff::Timestamp;
use registry_catalog::state::Snapshot;
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_testing::fleet::engine::{EngineConnection, MemoryEngine};
use registry_testing::fleet::fault::Fault;
use registry_testing::memory::MemoryBackend;
use tokio::time::Instant;

use crate::applied_order::ObservedConnection;
use crate::backend_path::{BackendPath, Pace, PathState};
use crate::catalog_replica::{CatalogReplica, Membership};
use crate::contents::{Contents, Name, shown};
use crate::observer::Observer;
use crate::question_counts::QuestionCounts;
use crate::scenario::Scenario;

/// Replicas that share backends, and an engine unless there is one replica alone.
pub struct ReplicaSet {
    scenario: Scenario,
    pub engine: Arc<MemoryEngine>,
    pub questions: Arc<QuestionCounts>,
    backends: Vec<Arc<MemoryBackend>>,
    places: Vec<Place>,
    rng: Rng,
    begun: Instant,
}

/// A place of a replica, which may be restarted.
#[derive(Default)]
struct Place {
    running: Option<RunningReplica>,
    starts: usize,
    /// State directory of the replica that was here before.
    kept: Option<Snapshot>,
    /// Of the replicas that were here before.
    observers: Vec<Arc<Observer>>,
    violations: Vec<String>,
}

struct RunningReplica {
    replica: CatalogReplica,
    connection: Arc<EngineConnection>,
    order: Arc<ObservedConnection>,
    paths: Vec<Arc<BackendPath>>,
    observer: Arc<Observer>,
}

impl ReplicaSet {
    /// Starts every replica.
    pub fn start(scenario: Scenario, backends: &[Arc<MemoryBackend>]) -> Self {
        let places = (0..scenario.replicas).map(|_| Place::default());
        let mut replicas = Self {
            scenario,
            engine: MemoryEngine::new(),
            questions: Arc::default(),
            backends: backends.to_vec(),
            places: places.collect(),
            rng: Rng::with_seed(scenario.seed),
            begun: Instant::now(),
        };
        (0..scenario.replicas).for_each(|at| replicas.start_at(at));
        replicas
    }

    /// Starts a replica in the place of the one before, whose state it may have.
    pub fn start_at(&mut self, at: usize) {
        self.kill(at);
        let now = self.wall_clock();
        let connection = self.engine.connect();
        let (paths, dynamic) = self.paths();
        let Some(place) = self.places.get_mut(at) else { return };
        place.starts += 1;
        let order = ObservedConnection::new(Arc::clone(&connection));
        let membership = self.scenario.is_shared.then(|| Membership {
            connection: Arc::clone(&order),
            replica: format!("replica-{at}-{}", place.starts).parse().unwrap(),
            replicas: self.scenario.replicas,
        });
        let mut replica =
            CatalogReplica::start(dynamic, membership, place.kept.take().map(|kept| (kept, now)));
        let observer = Observer::new(at);
        let watch = Arc::clone(&observer).watch(replica.views(), self.scenario.backends.to_vec());
        replica.spawn(watch);
        place.running = Some(RunningReplica { replica, connection, order, paths, observer });
    }

    /// Ends a replica as a kill does: nothing that it began is carried out. Every second one has a state
    /// directory.
    pub fn kill(&mut self, at: usize) {
        let (now, keeps) = (self.wall_clock(), self.rng.bool());
        self.set_connection(at, Fault::Refused);
        self.set_path(at, PathState::Cut);
        let place = self.places.get_mut(at);
        if let Some((place, killed)) =
            place.and_then(|place| place.running.take().map(|it| (place, it)))
        {
            killed.observer.end();
            // One with what the log lacks loads a snapshot first, which may be older.
            place.kept = Some(killed.replica.state(now)).filter(|kept| {
                keeps && kept.backends.values().all(|state| state.log_position.is_some())
            });
            place.observers.push(killed.observer);
            place.violations.extend(killed.order.violations());
        }
    }

    pub fn set_connection(&self, at: usize, fault: Fault) {
        if let Some(running) = self.running(at) {
            running.connection.set_fault(fault);
        }
    }

    pub fn set_path(&self, at: usize, state: PathState) {
        if let Some(running) = self.running(at) {
            running.paths.iter().for_each(|path| path.set_state(state));
        }
    }

    /// Stops a replica, or lets it continue.
    pub fn set_paused(&self, at: usize, is_paused: bool) {
        self.set_path(at, if is_paused { PathState::Paused } else { PathState::Open });
        if let Some(running) = self.running(at) {
            running.connection.set_paused(is_paused);
        }
    }

    /// Delivers a webhook to a replica.
    pub fn notice(&self, at: usize, backend: BackendId, id: &ExtensionId) {
        if let Some(running) = self.running(at) {
            running.replica.notice(backend, id.clone());
        }
    }

    /// Reads an extension from a replica.
    pub fn read(&mut self, at: usize, id: ExtensionId) {
        let place = self.places.get_mut(at);
        if let Some(running) = place.and_then(|place| place.running.as_mut()) {
            running.replica.read(id);
        }
    }

    /// Returns the replicas that run.
    pub fn running_places(&self) -> Vec<usize> {
        (0..self.places.len()).filter(|at| self.running(*at).is_some()).collect()
    }

    /// Returns the replica that reads the first backend for all.
    pub fn writer(&self) -> Option<usize> {
        let is_writer = |at: &usize| self.running(*at).is_some_and(|it| it.replica.is_writer());
        (0..self.places.len()).find(is_writer)
    }

    /// Returns what all replicas show; `None` if they differ, or if one does not run.
    pub fn common_contents(&self) -> Option<Contents> {
        let running = self.places.iter().map(|place| place.running.as_ref());
        let mut contents = running
            .map(|running| running.map(|one| shown(&one.replica.view(), self.scenario.backends)));
        let first = contents.next().flatten()?;
        contents.all(|contents| contents.as_ref() == Some(&first)).then_some(first)
    }

    /// Returns the names of which a replica shows other tags than the backends have.
    pub fn differences(&self, stored: &Contents) -> Vec<String> {
        let mut differences = Vec::new();
        for (at, place) in self.places.iter().enumerate() {
            let Some(running) = &place.running else { continue };
            let shown = shown(&running.replica.view(), self.scenario.backends);
            let names: BTreeSet<&Name> = shown.keys().chain(stored.keys()).collect();
            for name in names.into_iter().filter(|name| shown.get(*name) != stored.get(*name)) {
                let (shown, stored) = (shown.get(name), stored.get(name));
                differences
                    .push(format!("replica {at} shows {shown:?} of {name:?}, not {stored:?}"));
            }
        }
        differences
    }

    /// Returns what was watched of every replica.
    pub fn observers(&self) -> Vec<Arc<Observer>> {
        let observers = self.places.iter().flat_map(|place| {
            let running = place.running.as_ref().map(|running| &running.observer);
            place.observers.iter().chain(running)
        });
        observers.map(Arc::clone).collect()
    }

    /// Returns the entries that any replica applied out of the order of the log.
    pub fn violations(&self) -> Vec<String> {
        let ended = self.places.iter().flat_map(|place| place.violations.clone());
        let running = self.places.iter().filter_map(|place| place.running.as_ref());
        ended.chain(running.flat_map(|it| it.order.violations())).collect()
    }

    fn wall_clock(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.begun.elapsed()
    }

    fn running(&self, at: usize) -> Option<&RunningReplica> {
        self.places.get(at)?.running.as_ref()
    }

    fn paths(&mut self) -> (Vec<Arc<BackendPath>>, Vec<Arc<dyn Backend>>) {
        let paths = self.backends.iter().enumerate().map(|(at, backend)| {
            let pace = Pace::new(self.rng.u64(..), self.scenario.has_tails);
            BackendPath::new(Arc::clone(backend), at == 0, Arc::clone(&self.questions), pace)
        });
        let paths: Vec<_> = paths.collect();
        let dynamic = paths.iter().map(|path| Arc::clone(path) as Arc<dyn Backend>);
        let dynamic = dynamic.collect();
        (paths, dynamic)
    }
}
