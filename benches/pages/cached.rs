//! Cached pages, beside a bare hyper server that sends the same bytes.

use std::path::Path;

use tempfile::TempDir;

use crate::peer::Peer;
use crate::program::Program;
use crate::targets::{self, Route};
use crate::wrk::Wrk;
use crate::{catalog, report};

const ROUNDS: usize = 5;
const RATIO: f64 = 0.9;
const PROGRAM: &str = env!("CARGO_BIN_EXE_extension-registry");

/// Measures each page. Returns the promises that are broken.
pub(crate) fn measure(seconds: u32) -> Vec<String> {
    let published = catalog::published();
    let program = Program::start(Path::new(PROGRAM), published.path(), 0);
    targets::block_on(catalog::served(&program));
    println!("cached pages of {} extensions", catalog::EXTENSIONS);
    pages().iter().filter_map(|route| ratio(route, seconds, &program)).collect()
}

fn pages() -> Vec<Route> {
    let page =
        |name, target: &str, header| Route { name, targets: vec![target.to_owned()], header };
    let encoded = Some(("accept-encoding", "gzip".to_owned()));
    vec![
        page("home", "/", Some(("accept", "text/html".to_owned()))),
        page("list", "/extensions", None),
        page("compressed list", "/extensions", encoded),
        page("extension", "/provider/extension-0500", None),
        page("versions", "/provider/extension-0500/versions", None),
    ]
}

fn ratio(route: &Route, seconds: u32, program: &Program) -> Option<String> {
    let dir = TempDir::new().unwrap();
    let file = route.write(dir.path(), "targets");
    // The host is part of the page, and wrk names the address that it connects to.
    let bytes = route.responses(program)[0].body.len();
    let peer = Peer::start(&format!("http://{}", program.address), route, &file);
    let [ours, bare] = [program.address, peer.address]
        .map(|address| Wrk::new(address, seconds, &file, route.header()));
    // One after the other in each round, so that both meet the same machine.
    let rounds: Vec<[f64; 2]> = (0..ROUNDS).map(|_| [ours.rate(), bare.rate()]).collect();
    let ratio = report::median(rounds.iter().map(|[ours, bare]| ours / bare).collect());
    let rate = report::median(rounds.iter().map(|[ours, _]| *ours).collect());
    println!("{}, {bytes} bytes: {rate:.0} requests/s, {ratio:.2} of bare hyper", route.name);
    (ratio < RATIO).then(|| format!("{}: {ratio:.2} of bare hyper, promised {RATIO}", route.name))
}
