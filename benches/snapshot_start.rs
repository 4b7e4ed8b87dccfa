//! From the start of the program to its first answer, with a catalog of 10,000 extensions
//! and no backend that can be reached. And what it takes to write one change.
//!
//! Fails where the promise is broken: under 200 ms, the median of the runs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

mod start;

use std::path::Path;
use std::time::Duration;

use start::{ORGANIZATION, one_start, write_state};
use tokio::net::TcpListener;

const EXTENSIONS: usize = 10_000;
const RUNS: usize = 11;
const PROMISED: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens there once it is dropped.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    write_state(dir.path(), &format!("{url}/{ORGANIZATION}"), EXTENSIONS).await;
    let config = dir.path().join("config.toml");
    let text = format!(
        "[server]\nhost = \"127.0.0.1\"\nport = 0\n\
         [gitea]\nurl = {url:?}\norganization = {ORGANIZATION:?}\n\
         [cache]\nstate_dir = \"{}\"\n",
        dir.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_extension-registry"));
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(one_start(program, &config, EXTENSIONS).await);
    }
    times.sort();
    let (median, least, most) = (times[RUNS / 2], times[0], times[RUNS - 1]);
    println!(
        "start with {EXTENSIONS} extensions from disk to the first answer, {RUNS} runs: \
         median {median:.0?}, min {least:.0?}, max {most:.0?} (promised: under {PROMISED:?})"
    );
    assert!(median < PROMISED, "the start takes {median:.0?}");
}
