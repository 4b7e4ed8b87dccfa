//! Many seeds at once, for `scripts/fleet-simulation`.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::scenario::Scenario;
use crate::simulation::try_play;
use crate::watchdog::Stuck;

/// Time on the wall clock from which on the time of a seed is printed.
const SLOW: Duration = Duration::from_secs(100);

/// The rules that a seed broke.
type Outcome = Result<Vec<&'static str>, Stuck>;

/// Returns the number in a variable of the environment.
fn setting<T: FromStr>(name: &str, default: T) -> T {
    let value = std::env::vars().find(|(key, _)| key == name);
    let parsed = value.map(|(_, value)| value.parse().ok());
    parsed.map_or(default, |number| number.unwrap_or_else(|| panic!("{name} must be a number")))
}

#[test]
#[ignore = "takes minutes: scripts/fleet-simulation runs it"]
fn replicas_agree_in_many_seeds() {
    let (seeds, replicas) = (setting("FLEET_SEEDS", 10), setting("FLEET_REPLICAS", 3));
    let first: u64 = setting("FLEET_FIRST_SEED", 0);
    let duration = Duration::from_hours(1).mul_f64(setting("FLEET_HOURS", 1.0));
    let (next, outcomes) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..setting(
            "FLEET_THREADS",
            thread::available_parallelism().map_or(1, NonZeroUsize::get),
        ) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let begun = Instant::now();
                    let played = try_play(Scenario::with_incidents(seed, replicas, duration));
                    let wall = begun.elapsed();
                    match &played {
                        Ok(report) if report.failures().is_empty() => println!("{report}"),
                        Ok(report) => println!("{report:#}\nbroken: {:?}", report.failures()),
                        Err(stuck) => println!("{stuck}"),
                    }
                    if wall > SLOW {
                        println!("seed {seed} took {:.0} s on the wall clock", wall.as_secs_f64());
                    }
                    outcomes.lock().push((seed, played.map(|report| report.failures())));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner();
    println!("{} seeds", outcomes.len());
    let is_failure = |outcome: &Outcome| outcome.as_ref().map_or(true, |broken| !broken.is_empty());
    let failures: Vec<_> = outcomes.iter().filter(|(_, outcome)| is_failure(outcome)).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}
