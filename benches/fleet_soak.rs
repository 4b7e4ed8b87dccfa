//! Three replicas under 200 requests a second over all routes, while their engine, their bucket and
//! they themselves fail in every way, one after the other.
//!
//!     FLEET_SOAK_SECONDS=600 cargo bench --bench fleet_soak -- [redis|valkey] PROGRAM
//!
//! Fails if a running replica refuses a connection, answers with a status of 500 or above or with wrong
//! bytes, or if the replicas do not list the same after a fault.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

#[path = "fleet_soak/fault.rs"]
mod fault;
#[path = "fleet_soak/fleet.rs"]
mod fleet;
#[path = "fleet_soak/load.rs"]
mod load;
mod program;
#[path = "fleet_soak/report.rs"]
mod report;

use std::path::PathBuf;
use std::time::Duration;

use fault::Fault;
use fleet::Fleet;
use load::Load;
use registry_testing::engine_server::Product;
use report::{Agreement, Report};
use tokio::time::{Instant, sleep, sleep_until};

/// Without `FLEET_SOAK_SECONDS`.
const SECONDS: u64 = 600;

#[tokio::main]
async fn main() {
    let mut product = Product::Redis;
    let mut program: PathBuf = env!("CARGO_BIN_EXE_extension-registry").into();
    for argument in std::env::args().skip(1).filter(|argument| !argument.starts_with('-')) {
        match argument.as_str() {
            "redis" => product = Product::Redis,
            "valkey" => product = Product::Valkey,
            path => program = path.into(),
        }
    }
    let told = std::env::vars().find(|(name, _)| name == "FLEET_SOAK_SECONDS");
    let seconds = told.map_or(SECONDS, |(_, seconds)| seconds.parse().unwrap());
    let phase = Duration::from_secs(seconds) / u32::try_from(Fault::ALL.len()).unwrap();

    let mut fleet = Fleet::start(product, program).await;
    println!("{product:?}, {} s for each fault", phase.as_secs());
    let load = Load::start(fleet.targets());
    let mut report = Report::default();
    for (at, fault) in Fault::ALL.into_iter().enumerate() {
        let end = Instant::now() + phase;
        let agreement = play(&mut fleet, fault, at, phase).await;
        sleep_until(end).await;
        report.add(fault, load.take(), &agreement);
    }
    report.add_rest(load.end().await);
    report.close();
}

/// Plays a fault for half of a phase. Meanwhile an extension changes at the backend, and one replica
/// gets the webhook.
async fn play(fleet: &mut Fleet, fault: Fault, at: usize, phase: Duration) -> Agreement {
    sleep(phase / 10).await;
    let until = Instant::now() + (phase / 2).max(fault.shortest());
    fault.begin(fleet).await;
    let changed = Instant::now();
    fleet.change(at).await;
    let mut seen = fleet.watch(at);
    fault.go_on(fleet).await;
    sleep_until(until).await;
    fault.end(fleet).await;
    let ended = Instant::now();
    let seen = seen.join_next().await.unwrap().unwrap();
    fleet.agree(at).await;
    Agreement { news: seen - changed, equal: ended.elapsed() }
}
