//! A watchdog: a simulation that hangs ends with a message, not with the patience of CI.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

/// The last event of a simulation.
#[derive(Debug, Default)]
pub struct LastEvent(Mutex<(u64, String)>);

/// A simulation in which nothing has happened for too long.
#[derive(Debug)]
pub struct Stuck {
    seed: u64,
    idle: Duration,
    event: String,
}

impl LastEvent {
    pub fn note(&self, event: impl fmt::Display) {
        let mut last = self.0.lock();
        *last = (last.0 + 1, event.to_string());
    }

    fn get(&self) -> (u64, String) {
        self.0.lock().clone()
    }
}

/// Runs a simulation in a thread of its own. Fails if no event comes for `idle` on the wall clock; the
/// thread is then left as it is.
pub fn watched<T: Send + 'static>(
    seed: u64,
    idle: Duration,
    simulation: impl FnOnce(Arc<LastEvent>) -> T + Send + 'static,
) -> Result<T, Stuck> {
    let last = Arc::<LastEvent>::default();
    let (ended, outcome) = channel();
    let event = Arc::clone(&last);
    let thread = thread::spawn(move || {
        // The receiver is gone if the simulation was given up.
        let _ = ended.send(simulation(event));
    });
    let mut before = None;
    loop {
        let (number, event) = last.get();
        match outcome.recv_timeout(idle) {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => resume_unwind(thread.join().unwrap_err()),
            Err(RecvTimeoutError::Timeout) if before == Some(number) => {
                return Err(Stuck { seed, idle, event });
            }
            Err(RecvTimeoutError::Timeout) => before = Some(number),
        }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, idle, event } = self;
        write!(f, "seed {seed} hangs: nothing in {idle:?} since {event}")
    }
}

#[test]
fn a_simulation_that_hangs_is_given_up_with_its_seed_and_its_last_event() {
    let (held, never) = channel::<()>();
    let stuck = watched(7, Duration::from_millis(10), move |last| {
        last.note("the last event");
        // Ends with the sender, after the check.
        never.recv()
    });
    let message = stuck.unwrap_err().to_string();
    assert!(message.contains("seed 7") && message.contains("the last event"), "{message}");
    drop(held);
}

#[test]
#[should_panic(expected = "it fails")]
fn the_failure_of_a_simulation_is_that_of_its_test() {
    let _ = watched(7, Duration::from_mins(1), |_| panic!("it fails"));
}
