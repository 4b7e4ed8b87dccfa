//! Requests per second of ten routes, each beside two peers that send the same bytes in the same
//! minute: nginx with files, and a bare hyper server with responses in memory. Once without the
//! request log, once with it on a pipe that is read.
//!
//! Fails where the promise is broken: 0.95 of the bare server, 15 % for the log, and at half load a
//! p99 of at most nginx's and 1 ms. Only ratios of one run count, because machines are shared.
//! An argument changes the seconds of one measurement, and a second one names the only route.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

#[path = "routes/catalog.rs"]
mod catalog;
#[path = "routes/peer.rs"]
mod peer;
#[path = "program/mod.rs"]
mod program;
#[path = "routes/report.rs"]
mod report;
#[path = "routes/tags.rs"]
mod tags;
#[path = "routes/targets.rs"]
mod targets;
#[path = "routes/web_server.rs"]
mod web_server;
#[path = "routes/wrk.rs"]
mod wrk;
#[path = "../tests/support"]
mod support {
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod layouts;
}

use std::path::Path;

use tempfile::TempDir;

use peer::Peer;
use program::Program;
use report::{Measured, Rates};
use targets::Route;
use web_server::WebServer;
use wrk::Wrk;

// The allocator of the program, for the bare server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const SECONDS: u32 = 2;
const PROGRAM: &str = env!("CARGO_BIN_EXE_extension-registry");

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, origin, header, targets] = &arguments[..]
        && mode == peer::MODE
    {
        return peer::serve(origin, header, Path::new(targets));
    }
    // Cargo adds flags of its own.
    let mut own = arguments.iter().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds = own.next().map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let only = own.next();
    let catalog = catalog::published();
    let quiet = Program::start(Path::new(PROGRAM), catalog.path(), 0);
    let logging = Program::start_logging(Path::new(PROGRAM), catalog.path());
    for program in [&quiet, &logging] {
        targets::block_on(catalog::served(program));
    }
    if only.is_none() {
        tags::check(&quiet);
    }
    let routes = targets::routes(&quiet);
    let wanted = routes.iter().filter(|route| only.is_none_or(|only| route.name == *only));
    let measured: Vec<Measured> =
        wanted.map(|route| measure(route, seconds, &quiet, &logging)).collect();
    let resident = [&quiet, &logging].map(|program| program.resident() >> 20);
    println!("resident: {} MiB without the log, {} MiB with it", resident[0], resident[1]);
    report::check(&measured);
}

fn measure(route: &Route, seconds: u32, quiet: &Program, logging: &Program) -> Measured {
    let dir = TempDir::new().unwrap();
    let ours = route.write(dir.path(), "ours");
    let peer = Peer::start(&format!("http://{}", quiet.address), route, &ours);
    let responses = route.responses(quiet);
    let plain = WebServer::start(route, &responses, "off");
    let writing = WebServer::start(route, &responses, "@DIR@/access.log combined buffer=64k");
    let files = plain.targets(dir.path(), responses.len());
    let [quiet, logging, bare] = [quiet.address, logging.address, peer.address]
        .map(|address| Wrk::new(address, seconds, &ours, route.header()));
    let [plain, writing] = [&plain, &writing]
        .map(|server| Wrk::new(server.address, seconds, &files, server.header(route)));
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        // One after the other in each round, so that all meet the same machine.
        rounds.push(Rates {
            ours: quiet.rate(),
            logging: logging.rate(),
            bare: bare.rate(),
            files: plain.rate(),
            files_logging: writing.rate(),
        });
    }
    let half = report::half_load(&rounds);
    let [ours, theirs] = [&quiet, &plain].map(|server| server.at(half));
    let bytes = responses[0].body.len();
    let measured = Measured { route: route.name, bytes, rounds, ours, theirs };
    println!("{measured}");
    measured
}
