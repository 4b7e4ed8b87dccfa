//! Clients that leave half-way, over the program itself: what is left of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use registry_testing::ids::id;

use crate::support::figures::figure;
use crate::support::layouts::publish;
use crate::support::program::Running;
use crate::support::raw::get;

/// Clients that leave.
const LEAVING: usize = 3000;
/// Files that may be open more than before: what the program opens for itself meanwhile.
const SLACK: usize = 10;

fn open_files(running: &Running) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", running.id())).unwrap().count()
}

/// One client that leaves: within its request's head, within the answer's head, or within a download.
fn leave(address: SocketAddr, number: usize) {
    let request = get("/api/v1/extensions/provider/aws/1.0.0");
    let (said, heard) = match number % 3 {
        0 => (request.len() / 2, 0),
        1 => (request.len(), 10),
        _ => (request.len(), 64 * 1024),
    };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&request.as_bytes()[..said]).unwrap();
    let mut answer = vec![0; heard];
    stream.read_exact(&mut answer).unwrap();
    // What it has not read makes its end a reset.
}

fn serving(dir: &Path) -> Running {
    // More than the system holds for both ends of a connection.
    publish(&dir.join("layouts"), &id("provider/aws"), "1.0.0", "d", &vec![7; 16 << 20]);
    std::fs::write(dir.join("config.toml"), "[local]\npath = \"layouts\"\n").unwrap();
    Running::start(dir, &["--host", "127.0.0.1"])
}

#[tokio::test]
async fn row_33_three_thousand_clients_that_leave_half_way_leave_no_open_file() {
    let dir = tempfile::tempdir().unwrap();
    let running = serving(dir.path());
    (0..30).for_each(|number| leave(running.address, number));
    while running.get("/extensions").await.json().as_array().is_none_or(Vec::is_empty) {}
    let before = open_files(&running);
    let address = running.address;
    let leaving = (0..3).map(|part| {
        std::thread::spawn(move || (part..LEAVING).step_by(3).for_each(|n| leave(address, n)))
    });
    let leaving: Vec<_> = leaving.collect();
    for thread in leaving {
        thread.join().unwrap();
    }
    // It sees their end in its own time; each question lets some pass.
    let mut after = open_files(&running);
    for _ in 0..10_000 {
        if after <= before + SLACK {
            break;
        }
        running.get("/health/live").await;
        after = open_files(&running);
    }
    figure(&format!("row 33: {before} open files before {LEAVING} clients left, {after} after"));
    assert!(after <= before + SLACK, "{before} open files before, {after} after");
}
