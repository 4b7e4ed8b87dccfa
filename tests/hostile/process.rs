//! What the machine grants the process, and what signals do.

use std::path::Path;
use std::process::Command;

use crate::support::program::{Running, program};
use crate::support::raw::get;

fn configured(dir: &Path, server: &str) {
    std::fs::create_dir_all(dir.join("layouts")).unwrap();
    let text = format!("[server]\n{server}\n[local]\npath = \"layouts\"\n");
    std::fs::write(dir.join("config.toml"), text).unwrap();
}

/// The program with so many files allowed at first, and at most.
fn limited(dir: &Path, soft: u64, hard: u64) -> Running {
    let plain = program(dir);
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={soft}:{hard}")).arg("--").arg(plain.get_program());
    command.args(["--host", "127.0.0.1"]).current_dir(dir);
    Running::of(command)
}

fn soft_limit(running: &Running) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

#[tokio::test]
async fn s15_the_soft_limit_of_files_is_raised_and_one_that_is_too_low_is_told() {
    let dir = tempfile::tempdir().unwrap();
    configured(dir.path(), "max_connections = 500\nmax_requests = 100");
    for (soft, hard, enough) in [(256, 5000, true), (64, 400, false), (300, 300, false)] {
        let running = limited(dir.path(), soft, hard);
        assert_eq!(soft_limit(&running), hard, "{soft} of {hard}");
        let warned = running.before.iter().find(|line| line.contains("max_connections"));
        assert_eq!(warned.is_none(), enough, "{soft} of {hard}: {:?}", running.before);
        if let Some(line) = warned {
            assert!(line.contains("WARN") && line.contains(&hard.to_string()), "{line}");
        }
    }
}

#[tokio::test]
async fn s04_thousands_of_connections_wait_to_be_accepted() {
    let dir = tempfile::tempdir().unwrap();
    configured(dir.path(), "");
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    // The kernel cuts what a listener asks for to this.
    let most: u64 =
        std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    let port = running.address.port().to_string();
    let listed = Command::new("ss").args(["-Hltn", &format!("sport = :{port}")]).output();
    let Ok(listed) = listed else { return };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let backlog: u64 = listed.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert_eq!(backlog, most.min(4096), "{listed}");
}

#[tokio::test]
async fn s20_a_hangup_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    configured(dir.path(), "");
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    for _ in 0..3 {
        running.signal("-HUP");
        for _ in 0..20 {
            let request = get("/api/v1/health/live");
            let mut stream = crate::support::raw::to(running.address).await;
            tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
            let answer = crate::support::raw::rest(&mut stream).await;
            assert!(answer.starts_with(b"HTTP/1.1 200"), "after a hangup");
        }
    }
    running.signal("-TERM");
    let (status, log) = running.wait();
    assert!(status.success(), "{status}: {log:?}");
    assert!(log.iter().any(|line| line.contains("SIGHUP")), "{log:?}");
}
