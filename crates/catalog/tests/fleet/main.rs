//! Seeded simulations of a fleet: real catalogs in virtual time, over one engine in memory.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod applied_order;
mod backend_path;
mod catalog_replica;
mod contents;
mod cycles_alone;
mod first_archives;
mod holds;
mod incident;
mod many_seeds;
mod observer;
mod question_counts;
mod replica_set;
mod report;
mod scenario;
mod simulation;
mod unreadable_writers;
mod watchdog;
mod webhook;
mod webhook_storm;
mod world;

use std::time::Duration;

use crate::report::Report;
use crate::scenario::{Activity, IncidentChoice, Scenario};
use crate::simulation::play;

/// Number of seeds that every run of the tests plays.
const SEEDS: u64 = 4;

/// Plays an hour with a catalog that has no engine.
fn alone(activity: Activity) -> Report {
    play(Scenario { replicas: 1, is_shared: false, activity, ..Scenario::QUIET_HOUR })
}

#[test]
fn one_replica_without_an_engine_shows_what_its_backends_have() {
    let report = alone(Activity::Busy);
    report.assert_right();
}

#[test]
fn a_webhook_on_any_replica_shows_on_all_within_a_second() {
    let report = play(Scenario { activity: Activity::Busy, ..Scenario::QUIET_HOUR });
    report.assert_right();
    assert!(report.webhooks > 100, "{report}");
}

/// Compares the questions of an hour with those of a catalog that has no engine.
fn ask_as_often_as_one(replicas: usize) {
    for activity in [Activity::Idle, Activity::Busy] {
        let one = alone(activity).questions.all();
        let report = play(Scenario { replicas, activity, ..Scenario::QUIET_HOUR });
        println!("{activity:?}: one asks {one}; {report}");
        assert!(report.questions.all() * 10 <= one * 11, "one asks {one}; {report}");
    }
}

#[test]
fn three_replicas_ask_the_backends_as_often_as_one() {
    ask_as_often_as_one(3);
}

#[test]
#[ignore = "takes a minute: scripts/fleet-simulation runs it"]
fn thirty_replicas_ask_the_backends_as_often_as_one() {
    ask_as_often_as_one(30);
}

#[test]
fn webhooks_show_within_twelve_seconds_after_the_writer_ends_or_stops() {
    let scenario = Scenario {
        activity: Activity::Busy,
        incidents: IncidentChoice::WriterEnds,
        ..Scenario::QUIET_HOUR
    };
    let report = play(scenario);
    assert!(report.incidents.len() > 40, "{report}");
    report.assert_right();
}

#[test]
fn replicas_agree_on_what_the_backends_have_after_an_incident_every_minute() {
    for seed in 0..SEEDS {
        let report = play(Scenario::with_incidents(seed, 3, Duration::from_mins(20)));
        assert!(report.incidents.len() > 5, "{report}");
        report.assert_right();
    }
}
