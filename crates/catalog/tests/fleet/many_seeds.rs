//! Many seeds at once, for `scripts/fleet-simulation`.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::report::Report;
use crate::scenario::Scenario;
use crate::simulation::play;

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
    let (next, reports) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let report = play(Scenario::with_incidents(seed, replicas, duration));
                    println!("{report}");
                    reports.lock().push(report);
                }
            });
        }
    });
    let reports = reports.into_inner();
    let backward: usize = reports.iter().map(|report| report.backward.len()).sum();
    println!("{} seeds, {backward} backward", reports.len());
    reports.iter().for_each(Report::assert_right);
}
