//! Pages for browsers. First those that are not cached, each kind in a catalog of 10,000 extensions,
//! in milliseconds; then requests per second of cached ones, each beside a bare hyper server that sends
//! the same bytes in the same minute.
//!
//! Fails where the promise is broken: 5 ms for the facets of a list and for the newest 50 releases,
//! 10 ms for any page, 0.9 of the bare server. Times are those that the processor spent on the process:
//! on a shared machine the clock on the wall measures the others. An argument changes the seconds of
//! one measurement of a cached page.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

#[path = "pages/cached.rs"]
mod cached;
#[path = "routes/catalog.rs"]
mod catalog;
#[path = "catalog_scale/generated.rs"]
#[allow(dead_code, reason = "`catalog_scale` publishes too")]
mod generated;
#[path = "routes/peer.rs"]
mod peer;
#[path = "program/mod.rs"]
mod program;
#[path = "pages/rendered.rs"]
mod rendered;
#[path = "routes/report.rs"]
#[allow(dead_code, reason = "`routes` uses all of it")]
mod report;
#[path = "catalog_scale/service.rs"]
mod service;
#[path = "routes/targets.rs"]
#[allow(dead_code, reason = "`routes` uses all of it")]
mod targets;
#[path = "routes/wrk.rs"]
#[allow(dead_code, reason = "`routes` uses all of it")]
mod wrk;
#[path = "../tests/support"]
mod support {
    #[allow(dead_code, reason = "the tests use all of it")]
    pub(crate) mod layouts;
}

use std::path::Path;

// The allocator of the program, for the bare server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECONDS: u32 = 2;

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
    let mut broken = targets::block_on(rendered::measure());
    broken.extend(cached::measure(seconds));
    assert!(broken.is_empty(), "broken promises:\n{}", broken.join("\n"));
}
