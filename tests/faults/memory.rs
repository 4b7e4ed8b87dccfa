//! What clients that read nothing make the program hold, measured from outside.

use std::path::Path;

use registry_testing::http2::Http2;
use registry_testing::ids::id;
use reqwest::StatusCode;
use tokio::io::AsyncWriteExt as _;

use crate::support::figures::figure;
use crate::support::layouts::publish;
use crate::support::program::Running;
use crate::support::raw::{head, to};

/// A search of which every answer is rendered anew, and has about half a megabyte.
const LARGE: &str = "/extensions/search?q=provider&limit=1000";
const EXTENSIONS: usize = 300;
/// What the program may grow by, in KiB: 64 MiB of answers, and for connections and what the
/// allocator adds half as much again and some.
const HELD_MAX: u64 = 160 * 1024;

/// The most memory that the program had so far, in KiB.
fn peak(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

async fn serving(dir: &Path) -> Running {
    let described = format!("A provider {}", "x".repeat(980));
    for number in 0..EXTENSIONS {
        let id = id(&format!("provider/p{number}"));
        publish(&dir.join("layouts"), &id, "1.0.0", &described, b"archive");
    }
    std::fs::write(dir.join("config.toml"), "[local]\npath = \"layouts\"\n").unwrap();
    let running = Running::start(dir, &["--host", "127.0.0.1"]);
    while running.get(LARGE).await.json().as_array().map(Vec::len) != Some(EXTENSIONS) {}
    running
}

#[tokio::test]
async fn row_29_large_answers_that_nobody_reads_hold_no_more_than_they_may() {
    let dir = tempfile::tempdir().unwrap();
    let running = serving(dir.path()).await;
    let size = running.get(LARGE).await.body.len() as u64 / 1024;
    let before = peak(&running);
    let (mut unread, mut refused) = (Vec::new(), 0);
    for _ in 0..15 {
        let (client, _) = Http2::connect(running.address, 1).await;
        for _ in 0..40 {
            let answer = client.ask(LARGE).await.unwrap();
            refused += u32::from(answer.status() == StatusCode::SERVICE_UNAVAILABLE);
            unread.push(answer);
        }
    }
    let mut pipelined = Vec::new();
    for _ in 0..30 {
        let mut stream = to(running.address).await;
        let request = format!("GET /api/v1{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(20);
        stream.write_all(request.as_bytes()).await.unwrap();
        refused += u32::from(head(&mut stream).await.starts_with("HTTP/1.1 503 "));
        pipelined.push(stream);
    }
    let held = peak(&running) - before;
    figure(&format!(
        "row 29: {held} KiB held of 600 unread answers of {size} KiB, {refused} refused"
    ));
    assert!(held <= HELD_MAX, "{held} KiB are held");
    assert!(refused > 0 && refused < 630, "{refused}");
    let again = running.get(LARGE).await;
    assert_eq!((again.status, again.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    for small in ["/extensions?limit=1", "/extensions/provider/p1", "/health/live"] {
        assert_eq!(running.get(small).await.status, StatusCode::OK, "{small}");
    }
    drop((unread, pipelined));
    while running.get(LARGE).await.status != StatusCode::OK {}
}
