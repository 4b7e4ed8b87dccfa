//! One simulation, in virtual time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, sleep_until};

use crate::contents::stored;
use crate::incident::{Incident, IncidentRecord};
use crate::replica_set::ReplicaSet;
use crate::report::Report;
use crate::scenario::{Activity, IncidentChoice, Scenario};
use crate::watchdog::{LastEvent, Stuck, watched};
use crate::webhook::{Delay, Webhook};
use crate::world::World;

/// Mean time between two changes, and between two reads of clients.
const BETWEEN_CHANGES: Duration = Duration::from_secs(6);
const BETWEEN_READS: Duration = Duration::from_secs(2);
/// Time between the starts of two incidents.
const BETWEEN_INCIDENTS: Duration = Duration::from_mins(1);
/// Maximum time from the start of an incident to that of a second one.
const SECOND_MAX: Duration = Duration::from_secs(10);
/// Share of changes that a webhook tells, in percent.
const ANNOUNCED: u8 = 80;
/// Time on the wall clock without an event after which a simulation hangs.
const IDLE_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(250);

struct Simulation {
    scenario: Scenario,
    world: Mutex<World>,
    replicas: Mutex<ReplicaSet>,
    begun: Instant,
    ends_at: Instant,
    webhooks: Mutex<Vec<Webhook>>,
    incidents: Mutex<Vec<IncidentRecord>>,
    last: Arc<LastEvent>,
}

/// Plays a scenario. Panics if it hangs.
pub fn play(scenario: Scenario) -> Report {
    try_play(scenario).unwrap_or_else(|stuck| panic!("{stuck}"))
}

/// Plays a scenario, unless it hangs.
pub fn try_play(scenario: Scenario) -> Result<Report, Stuck> {
    watched(scenario.seed, IDLE_MAX, move |last| run(scenario, last))
}

fn run(scenario: Scenario, last: Arc<LastEvent>) -> Report {
    // The catalogs draw from the generator of the thread.
    fastrand::seed(scenario.seed);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let simulation = Simulation::start(scenario, last);
        tokio::join!(
            simulation.change(),
            simulation.read(),
            simulation.disturb(),
            sleep_until(simulation.ends_at)
        );
        simulation.settle().await
    })
}

impl Simulation {
    fn start(scenario: Scenario, last: Arc<LastEvent>) -> Self {
        let world = World::new(scenario.seed, scenario.backends);
        let replicas = ReplicaSet::start(scenario, &world.backends);
        Self {
            scenario,
            world: Mutex::new(world),
            replicas: Mutex::new(replicas),
            begun: Instant::now(),
            ends_at: Instant::now() + scenario.duration,
            webhooks: Mutex::default(),
            incidents: Mutex::default(),
            last,
        }
    }

    /// Changes extensions, and delivers webhooks about most changes.
    async fn change(&self) {
        while self.scenario.activity == Activity::Busy && self.pause(BETWEEN_CHANGES).await {
            let running = self.replicas.lock().running_places();
            let mut world = self.world.lock();
            let Some(change) = world.change() else { continue };
            self.note(format_args!("{change:?}"));
            if change.published.is_none() {
                let mut webhooks = self.webhooks.lock();
                let of_name = webhooks.iter_mut().filter(|webhook| webhook.name == change.name);
                of_name.for_each(Webhook::is_removed);
            }
            if !world.happens(ANNOUNCED) {
                continue;
            }
            let Some(receiver) = world.choose(&running) else { continue };
            let (backend, id) = &change.name;
            self.replicas.lock().notice(receiver, *backend, id);
            if let Some(number) = change.published {
                let read_at = self.replicas.lock().questions.read_at(&change.name);
                self.webhooks.lock().push(Webhook::new(change.name, number, receiver, read_at));
            }
        }
    }

    /// Reads extensions like clients.
    async fn read(&self) {
        while self.scenario.activity == Activity::Busy && self.pause(BETWEEN_READS).await {
            let running = self.replicas.lock().running_places();
            let mut world = self.world.lock();
            let id = world.asked_name();
            if let Some(at) = world.choose(&running) {
                self.replicas.lock().read(at, id);
            }
        }
    }

    /// Waits for a random time. Returns false if the simulation ends before.
    async fn pause(&self, mean: Duration) -> bool {
        let until = Instant::now() + self.world.lock().pause(mean);
        sleep_until(until.min(self.ends_at)).await;
        until < self.ends_at
    }

    /// Lets incidents happen, alone or two at a time.
    async fn disturb(&self) {
        if self.scenario.incidents == IncidentChoice::None {
            return;
        }
        let mut rng = Rng::with_seed(self.scenario.seed);
        let mut next = self.begun + BETWEEN_INCIDENTS;
        while next < self.ends_at {
            sleep_until(next).await;
            let first = self.incident(&mut rng);
            let second = self.incident(&mut rng);
            let delay = rng.bool().then(|| SECOND_MAX.mul_f64(rng.f64()));
            let delay = delay.filter(|_| self.scenario.incidents == IncidentChoice::Any);
            let second = async {
                sleep(delay?).await;
                Some(self.happen(second).await)
            };
            let (first, second) = tokio::join!(self.happen(first), second);
            let records = [Some(first), second].into_iter().flatten();
            let held_lease = records.clone().map(|record| record.incident.held_lease()).max();
            let agreed_after = self.agree(held_lease.unwrap_or_default()).await;
            let records = records.map(|record| IncidentRecord { agreed_after, ..record });
            self.incidents.lock().extend(records);
            next = (next + BETWEEN_INCIDENTS).max(Instant::now());
        }
    }

    fn incident(&self, rng: &mut Rng) -> Incident {
        if self.scenario.incidents == IncidentChoice::WriterEnds {
            let writer = self.replicas.lock().writer();
            return Incident::of_writer(rng, writer.unwrap());
        }
        Incident::random(rng, self.scenario.replicas)
    }

    async fn happen(&self, incident: Incident) -> IncidentRecord {
        let begun = Instant::now();
        self.note(format_args!("{incident:?} began"));
        incident.happen(&self.replicas).await;
        self.note(format_args!("{incident:?} ended"));
        IncidentRecord { incident, begun, ended: Instant::now(), agreed_after: None }
    }

    /// Waits until all replicas show the same, given how long the lease may be held by a replica that
    /// does not know it. Returns how long that took; `None` if they did not in time.
    async fn agree(&self, held_lease: Duration) -> Option<Duration> {
        let begun = Instant::now();
        while begun.elapsed() <= self.scenario.agree_within() + held_lease {
            if self.replicas.lock().common_contents().is_some() {
                return Some(begun.elapsed());
            }
            sleep(LOOK_EVERY).await;
        }
        None
    }

    /// Waits until all replicas show what the backends have.
    async fn settle(self) -> Report {
        let begun = Instant::now();
        let backends = self.world.lock().backends.clone();
        let truth = stored(&backends).await;
        let mut right_after = None;
        while begun.elapsed() <= self.scenario.right_within() && right_after.is_none() {
            self.note("the end, while the replicas come to agree");
            let is_right = self.replicas.lock().common_contents().as_ref() == Some(&truth);
            right_after = is_right.then(|| begun.elapsed());
            sleep(LOOK_EVERY).await;
        }
        let wrong = if right_after.is_none() {
            self.replicas.lock().differences(&truth)
        } else {
            Vec::new()
        };
        self.report(right_after, wrong)
    }

    /// Notes an event for the watchdog.
    fn note(&self, event: impl fmt::Display) {
        self.last.note(format_args!("{event} at {:.1} s", self.begun.elapsed().as_secs_f64()));
    }

    fn report(self, right_after: Option<Duration>, wrong: Vec<String>) -> Report {
        let (replicas, webhooks) = (self.replicas.into_inner(), self.webhooks.into_inner());
        let (incidents, observers) = (self.incidents.into_inner(), replicas.observers());
        let mut delays = Vec::new();
        for webhook in &webhooks {
            for observer in &observers {
                let allowed =
                    webhook.allowed(observer.replica, self.begun, &incidents, &self.scenario);
                if !observer.ran(webhook.at, webhook.at + allowed.unwrap_or_default()) {
                    continue;
                }
                let shown_at = observer.shown_at(&webhook.name, webhook.change);
                let (replica, after) = (observer.replica, shown_at.map(|at| at - webhook.at));
                delays.push(Delay { replica, webhook: webhook.clone(), after, allowed });
            }
        }
        Report {
            scenario: self.scenario,
            begun: self.begun,
            questions: Arc::clone(&replicas.questions),
            entries: replicas.engine.appended(),
            disordered: replicas.engine.disordered(),
            webhooks: webhooks.len(),
            delays,
            backward: observers.iter().flat_map(|observer| observer.backward()).collect(),
            violations: replicas.violations(),
            incidents,
            right_after,
            wrong,
        }
    }
}
