//! What one replica shows over time.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use registry_catalog::index::view::View;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::contents::Name;
use crate::world::change_number;

/// Changes that a replica has shown, and those that it took back.
pub struct Observer {
    pub replica: usize,
    begun: Instant,
    ended: Mutex<Option<Instant>>,
    observations: Mutex<Observations>,
}

#[derive(Default)]
struct Observations {
    replica: usize,
    /// Number of views.
    views: u64,
    extensions: BTreeMap<Name, Shown>,
    /// Time of the first view with each change.
    shown_at: BTreeMap<(Name, u64), Instant>,
    backward: Vec<Backward>,
}

/// What was shown of an extension.
struct Shown {
    /// Number of the latest change.
    change: u64,
    /// Number of the last view with the extension.
    view: u64,
}

/// An older content after a newer one.
#[derive(Clone, Debug)]
pub struct Backward {
    pub replica: usize,
    pub id: ExtensionId,
    pub at: Instant,
    /// Number of the newer change, and of the older one.
    pub from: u64,
    pub to: u64,
}

impl Observer {
    /// Begins with a replica that starts now.
    pub fn new(replica: usize) -> Arc<Self> {
        let observations = Observations { replica, ..Observations::default() };
        let (begun, ended) = (Instant::now(), Mutex::default());
        Arc::new(Self { replica, begun, ended, observations: Mutex::new(observations) })
    }

    /// Watches views until the catalog is dropped.
    pub async fn watch(
        self: Arc<Self>,
        mut views: watch::Receiver<Arc<View>>,
        backends: Vec<BackendId>,
    ) {
        loop {
            let view = Arc::clone(&views.borrow_and_update());
            self.observations.lock().note(&view, &backends);
            if views.changed().await.is_err() {
                return;
            }
        }
    }

    /// Notes that the replica ends now.
    pub fn end(&self) {
        *self.ended.lock() = Some(Instant::now());
    }

    /// Returns true if the replica ran from one time to the other.
    pub fn ran(&self, from: Instant, to: Instant) -> bool {
        self.begun <= from && self.ended.lock().is_none_or(|ended| to < ended)
    }

    /// Returns the time at which a change, or a later one, was shown first.
    pub fn shown_at(&self, name: &Name, change: u64) -> Option<Instant> {
        let (first, last) = ((name.clone(), change), (name.clone(), u64::MAX));
        self.observations.lock().shown_at.range(first..=last).next().map(|(_, at)| *at)
    }

    pub fn backward(&self) -> Vec<Backward> {
        self.observations.lock().backward.clone()
    }
}

impl Observations {
    fn note(&mut self, view: &View, backends: &[BackendId]) {
        self.views += 1;
        for &backend in backends {
            for entry in view.entries(Scope::Backend(backend)) {
                if let Some(latest) = entry.extension.latest() {
                    let change = change_number(latest.tag.as_str());
                    self.shows((backend, entry.id().clone()), change);
                }
            }
        }
    }

    fn shows(&mut self, name: Name, change: u64) {
        let now = Instant::now();
        let shown = Shown { change, view: self.views };
        match self.extensions.get_mut(&name) {
            Some(before) if before.change == change && before.view + 1 == self.views => {
                before.view = self.views;
                return;
            }
            // Shown again after its removal, or older than before.
            Some(before) if before.change >= change => {
                let from = before.change;
                *before = shown;
                let (replica, (_, id)) = (self.replica, name);
                self.backward.push(Backward { replica, id, at: now, from, to: change });
                return;
            }
            _ => {}
        }
        self.shown_at.entry((name.clone(), change)).or_insert(now);
        self.extensions.insert(name, shown);
    }
}
