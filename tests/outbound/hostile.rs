//! What hostile backends can make the running program hold: at most 32 MiB over what it holds when
//! they are honest (F18). Each case is a backend that turns hostile while it is served.

mod gitea;
mod oci;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use registry_testing::scripted_registry::{Reply, ScriptedRegistry, Seen};
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::support::figures::figure;
use crate::support::program::Running;

/// What is promised, in KiB.
const MOST: usize = 32 * 1024;
/// Programs that are measured, at most, until one stays below.
const TRIES: usize = 3;
/// Rounds over the hostile backend that are waited for.
const ROUNDS: usize = 1;
/// A case that takes longer hangs.
const LONGEST: Duration = Duration::from_mins(5);

/// What callers ask meanwhile: of ten extensions that are there, and of what is not.
const PATHS: [&str; 9] = [
    "/extensions",
    "/extensions/provider/n3",
    "/extensions/provider/n3/versions",
    "/extensions/provider/n4/1.0.0/metadata",
    "/extensions/provider/n5/readme",
    "/extensions/provider/n6/1.0.0",
    "/extensions/provider/unknown",
    "/extensions/provider/n7/9.9.9",
    "/extensions/provider/n8/resolve?constraint=^7",
];

/// What a backend answers once it is hostile; `None`: as it did before.
type Hostile = fn(&Seen) -> Option<Reply>;

/// A kind of backend under test.
struct Upstream {
    /// Its section of the configuration.
    section: fn(&str) -> String,
    /// What it answers while it is honest.
    honest: fn(&Seen) -> Reply,
    /// In the target of the question that begins each round.
    round: &'static str,
}

/// Memory of a process in KiB, by the name of its line.
fn memory(id: u32, line: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn configure(dir: &Path, section: &str) {
    let config = format!(
        "{section}[catalog]\nfull_sweep_seconds = 1\n[cache]\nttl_seconds = 1\n\
         stale_while_revalidate_seconds = 1\nnegative_ttl_seconds = 1\n"
    );
    std::fs::write(dir.join("config.toml"), config).unwrap();
}

/// Asks everything about the known extensions and about one that is not.
async fn ask(running: &Running) {
    for path in PATHS {
        let status = running.get(path).await.status;
        assert!(status != 500, "{path}");
    }
}

/// Waits until that many rounds have begun.
async fn rounds(running: &Running, upstream: &Upstream, server: &ScriptedRegistry, count: usize) {
    let begun = Instant::now();
    while server.count(upstream.round) < count {
        assert!(begun.elapsed() < LONGEST, "{} rounds", server.count(upstream.round));
        assert_eq!(running.get("/health/live").await.status, 200);
        yield_now().await;
    }
}

/// Lets a backend turn hostile under a running service and measures what that takes at most.
async fn measure(upstream: &Upstream, hostile: Hostile) -> usize {
    let turned = Arc::new(AtomicBool::new(false));
    let (is_hostile, honest) = (Arc::clone(&turned), upstream.honest);
    let server = ScriptedRegistry::start(move |seen| {
        let hostile = if is_hostile.load(Ordering::SeqCst) { hostile(seen) } else { None };
        hostile.unwrap_or_else(|| honest(seen))
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), &(upstream.section)(&server.url()));
    let running = Running::start(dir.path(), &["--host", "127.0.0.1"]);
    rounds(&running, upstream, &server, 3).await;
    ask(&running).await;
    server.take();
    let before = memory(running.id(), "VmRSS:");
    std::fs::write(format!("/proc/{}/clear_refs", running.id()), "5").unwrap();
    turned.store(true, Ordering::SeqCst);
    ask(&running).await;
    rounds(&running, upstream, &server, ROUNDS + 1).await;
    // Once more, since what was kept of honest answers is no longer good by now.
    ask(&running).await;
    memory(running.id(), "VmHWM:").saturating_sub(before)
}

/// The case in which a backend answers so.
async fn holds(name: &str, upstream: &Upstream, hostile: Hostile) {
    let begun = Instant::now();
    let mut more = usize::MAX;
    // A peak of memory is never too low, and too high beside other tests: the least counts.
    for _ in 0..TRIES {
        more = more.min(measure(upstream, hostile).await);
        if more <= MOST {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs();
    let mib = more / 1024;
    figure(&format!("F18 {name}: {mib} MiB over what an honest backend takes, {seconds} s"));
    assert!(more <= MOST, "{name}: {more} KiB");
}

/// JSON of about this length that repeats a piece, or has one for each number from the first of
/// this page on. Made once.
fn long(
    before: &str,
    after: &str,
    length: usize,
    page: usize,
    piece: fn(usize) -> String,
) -> Bytes {
    static MADE: Mutex<BTreeMap<(usize, usize, usize, usize), Bytes>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock();
    let key = (piece as usize, before.len(), length, page);
    let make = || {
        let mut text = before.to_owned();
        let mut number = page * 1_000_000;
        while text.len() < length {
            text.push_str(&piece(number));
            text.push(',');
            number += 1;
        }
        text.push_str(&piece(number));
        text.push_str(after);
        text.into()
    };
    made.entry(key).or_insert_with(make).clone()
}

/// A page of this length that is deep, cut, or full of escapes.
fn nonsense(seen: &Seen, length: usize) -> Reply {
    Reply::json(match seen.target.len() % 3 {
        0 => "[".repeat(length),
        1 => format!("[{{\"id\":{}", "1".repeat(length)),
        _ => format!("{{\"message\":\"{}\"}}", "\\u0041".repeat(length / 6)),
    })
}
