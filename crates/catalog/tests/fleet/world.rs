//! Extensions that are published, changed and removed at seeded times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use registry_core::backend::Backend as _;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use tokio::time::Instant;

use crate::contents::Name;

/// Number of names at each backend.
const NAMES: usize = 60;
/// Minimum time between two changes of one extension: the catalog reads one at most once a second.
const MIN_INTERVAL: Duration = Duration::from_secs(6);
const TAG_PREFIX: &str = "1.0.";

/// The backends and their history.
pub struct World {
    pub backends: Vec<Arc<MemoryBackend>>,
    rng: Rng,
    /// Number of the last change.
    changes: u64,
    names: BTreeMap<Name, NameState>,
}

/// A change of one extension.
#[derive(Clone, Debug)]
pub struct WorldChange {
    pub name: Name,
    /// Number in the tag; `None` for a removal.
    pub published: Option<u64>,
}

#[derive(Clone, Copy, Default)]
struct NameState {
    is_published: bool,
    changed_at: Option<Instant>,
}

/// Returns the number of the change that published a tag.
pub fn change_number(tag: &str) -> u64 {
    tag.strip_prefix(TAG_PREFIX).and_then(|number| number.parse().ok()).unwrap()
}

impl World {
    pub fn new(seed: u64, backends: &[BackendId]) -> Self {
        let names = backends.iter().flat_map(|&backend| {
            let of_backend =
                (0..NAMES).map(move |number| id(&format!("taskserv/{backend}{number}")));
            of_backend.map(move |id| ((backend, id), NameState::default()))
        });
        let mut world = Self {
            backends: backends.iter().map(|&id| Arc::new(MemoryBackend::new(id))).collect(),
            rng: Rng::with_seed(seed),
            changes: 0,
            names: names.collect(),
        };
        let all: Vec<Name> = world.names.keys().cloned().collect();
        for name in all.iter().filter(|_| world.rng.u8(0..3) > 0).collect::<Vec<_>>() {
            world.publish(name);
        }
        world
    }

    /// Changes an extension. Returns `None` if all were changed just before.
    pub fn change(&mut self) -> Option<WorldChange> {
        let now = Instant::now();
        let rested = self.names.iter().filter(|(_, state)| {
            state.changed_at.is_none_or(|at| now.duration_since(at) >= MIN_INTERVAL)
        });
        let rested: Vec<Name> = rested.map(|(name, _)| name.clone()).collect();
        let name = self.rng.choice(rested)?;
        let is_published = self.names.get(&name).is_some_and(|state| state.is_published);
        let published = if is_published && self.rng.u8(0..6) == 0 {
            self.remove(&name);
            None
        } else {
            Some(self.publish(&name))
        };
        let state = NameState { is_published: published.is_some(), changed_at: Some(now) };
        self.names.insert(name.clone(), state);
        Some(WorldChange { name, published })
    }

    /// Returns the time until the next change, whose mean is given.
    pub fn pause(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-self.rng.f64().max(f64::EPSILON).ln())
    }

    /// Returns true for the given share of calls, in percent.
    pub fn happens(&mut self, percent: u8) -> bool {
        self.rng.u8(0..100) < percent
    }

    /// Returns a name of a backend, or one that does not exist.
    pub fn asked_name(&mut self) -> ExtensionId {
        if self.happens(10) {
            return id(&format!("taskserv/missing{}", self.rng.u8(0..10)));
        }
        let at = self.rng.usize(0..self.names.len());
        self.names.keys().nth(at).map(|(_, id)| id.clone()).unwrap()
    }

    /// Returns one of the given replicas.
    pub fn choose(&mut self, replicas: &[usize]) -> Option<usize> {
        self.rng.choice(replicas).copied()
    }

    /// Publishes a release in the place of the others, or beside them.
    fn publish(&mut self, name: &Name) -> u64 {
        self.changes += 1;
        let (number, (backend, id)) = (self.changes, name);
        let replaces = self.rng.bool();
        let backend = self.backends.iter().find(|one| one.id() == *backend).unwrap();
        if replaces {
            backend.remove(id);
        }
        let text = format!("WorldChange {number}");
        backend.publish(id, tag(&format!("{TAG_PREFIX}{number}")), about(&text, &[]), text.clone());
        self.names.entry(name.clone()).or_default().is_published = true;
        number
    }

    fn remove(&mut self, (backend, id): &Name) {
        self.changes += 1;
        self.backends.iter().find(|one| one.id() == *backend).unwrap().remove(id);
    }
}
