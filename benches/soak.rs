//! Half an hour at 200 requests a second while Gitea and the registry fail in random ways: what is
//! known is answered all the time, every download is whole or visibly cut, and nothing grows.
//!
//!   cargo bench --bench soak -- PROGRAM [MINUTES]
//!
//! Fails where the promise is broken: no answer of 500 and none above for what is known, no wrong
//! bytes, resident memory that grows by at most 1 MiB in ten minutes, open files by at most 10.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

mod program;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use program::Program;
use registry_testing::chaos::{Chaos, Way};
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::fake_gitea::{FakeGitea, State};
use registry_testing::played_registry::{Dialect, PlayedRegistry};
use registry_testing::registry_store::Store;
use registry_testing::scripted_registry::ScriptedRegistry;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

const PER_SECOND: u32 = 200;
const EXTENSIONS: usize = 50;
const ARCHIVE: usize = 64 * 1024;
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
const GROWTH_MAX: f64 = 1_048_576.0;
const FILES_MAX: usize = 10;
const WAYS: [Way; 8] = [
    Way::Passes,
    Way::Refuses,
    Way::Hangs,
    Way::Resets,
    Way::Answers(500, ""),
    Way::Answers(503, "retry-after: 3\r\n"),
    Way::Answers(429, "retry-after: 2\r\n"),
    Way::Answers(401, ""),
];
/// Of what is known; `N` stands for the number of an extension.
const KNOWN: [&str; 7] = [
    "/extensions?limit=20",
    "/extensions/taskserv/gN",
    "/extensions/provider/oN",
    "/extensions/search?q=soaked",
    "/extensions/taskserv/gN/versions",
    "/extensions/provider/oN/versions",
    "/health",
];
/// Of what may fail while backends do, visibly.
const OTHERS: [&str; 4] = [
    "/extensions/taskserv/gN/1.0.0",
    "/extensions/provider/oN/latest",
    "/extensions/taskserv/gN/1.0.0/metadata",
    "/extensions/cluster/nobody-N",
];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let program = arguments
        .next()
        .map_or_else(|| env!("CARGO_BIN_EXE_extension-registry").into(), PathBuf::from);
    let minutes: u64 = arguments.next().map_or(30, |minutes| minutes.parse().unwrap());
    let upstreams = Upstreams::start().await;
    let home = upstreams.home();
    let program = Program::start(&program, home.path(), 0);
    until_everything_is_known(&program).await;

    let tally = Arc::new(Mutex::new(BTreeMap::new()));
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let load = tokio::spawn(load(program.url(""), Arc::clone(&tally), end));
    let chaos = tokio::spawn(async move { upstreams.fail_until(end).await });
    let samples = sample_until(&program, end).await;
    load.await.unwrap();
    chaos.await.unwrap();

    let tally = tally.lock().clone();
    report(&tally, &samples);
    assert!(program.stop().success(), "the drain failed");
}

/// A Gitea and a registry, each behind a way that fails.
struct Upstreams {
    gitea: Chaos,
    oci: Chaos,
    _fake: FakeGitea,
    _registry: ScriptedRegistry,
}

impl Upstreams {
    async fn start() -> Self {
        let (mut state, mut store) = (State::empty(), Store::default());
        for number in 0..EXTENSIONS {
            let name = format!("g{number}_taskserv");
            state.create(&name, "soaked by the hour");
            state.publish(&name, "1.0.0", &[(&format!("{name}.tar.gz"), &archive(number))]);
            store.push(&format!("provisioning/o{number}-provider"), "1.0.0", &archive(number));
        }
        let fake = FakeGitea::start(state).await;
        let played = PlayedRegistry::new(Dialect::Distribution, store);
        let registry = ScriptedRegistry::start(move |seen| played.answer(seen)).await;
        let place = |url: &str| url.split("://").nth(1).unwrap().trim_end_matches('/').to_owned();
        Self {
            gitea: Chaos::to(&place(fake.url().as_str()), false).await,
            oci: Chaos::to(&place(&registry.url()), false).await,
            _fake: fake,
            _registry: registry,
        }
    }

    fn home(&self) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let state_path = state.display();
        let config = format!(
            "[gitea]\nurl = \"{}\"\norganization = \"{ORGANIZATION}\"\ntimeout_seconds = 5\n\
             [oci]\nregistry = \"{}\"\nnamespace = \"provisioning\"\ntimeout_seconds = 5\n\
             [cache]\nttl_seconds = 10\nstate_dir = \"{state_path}\"\n",
            self.gitea.url(),
            self.oci.url()
        );
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        home
    }

    async fn fail_until(self, end: Instant) {
        while Instant::now() < end {
            for chaos in [&self.gitea, &self.oci] {
                chaos.set(WAYS[fastrand::usize(..WAYS.len())]).await;
            }
            sleep(Duration::from_millis(fastrand::u64(2_000..12_000))).await;
        }
    }
}

fn archive(number: usize) -> Vec<u8> {
    let mut chance = fastrand::Rng::with_seed(number as u64);
    std::iter::repeat_with(|| chance.u8(..)).take(ARCHIVE).collect()
}

async fn until_everything_is_known(program: &Program) {
    loop {
        let answer = reqwest::get(program.url("/extensions?limit=0")).await.unwrap();
        let total = answer.headers().get("x-total-count").cloned();
        if total.is_some_and(|total| total == (2 * EXTENSIONS).to_string().as_str()) {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    // A registry's versions are known once somebody has asked for them.
    for number in 0..EXTENSIONS {
        for path in KNOWN {
            let url = program.url(&path.replace('N', &number.to_string()));
            assert!(reqwest::get(url).await.unwrap().status().is_success());
        }
    }
}

async fn load(base: String, tally: Arc<Mutex<BTreeMap<String, u64>>>, end: Instant) {
    let client = registry_testing::http::client_builder().build().unwrap();
    let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut asked = tokio::task::JoinSet::new();
    while Instant::now() < end {
        ticks.tick().await;
        while asked.try_join_next().is_some() {}
        let (known, path) = match fastrand::usize(..100) {
            0..80 => (true, KNOWN[fastrand::usize(..KNOWN.len())]),
            _ => (false, OTHERS[fastrand::usize(..OTHERS.len())]),
        };
        let number = fastrand::usize(..EXTENSIONS);
        let asking = client.get(format!("{base}{}", path.replace('N', &number.to_string())));
        let tally = Arc::clone(&tally);
        asked.spawn(async move {
            let what = match timeout(Duration::from_secs(30), outcome(asking, path, number)).await {
                Ok(what) => what,
                Err(_) => "no answer in 30 seconds".to_owned(),
            };
            let kind = if known { "known" } else { "other" };
            *tally.lock().entry(format!("{kind}: {what}")).or_default() += 1;
        });
    }
    while asked.join_next().await.is_some() {}
}

/// The status of an answer; of a download also whether its bytes are the right ones.
async fn outcome(asking: reqwest::RequestBuilder, path: &str, number: usize) -> String {
    let answer = match asking.send().await {
        Ok(answer) => answer,
        Err(error) => return format!("no answer: {error:?}"),
    };
    let status = answer.status().as_u16();
    let download = status == 200 && (path.ends_with("/1.0.0") || path.ends_with("/latest"));
    match answer.bytes().await {
        Ok(bytes) if download && *bytes != *archive(number) => "wrong bytes".to_owned(),
        Ok(_) => status.to_string(),
        Err(_) => "cut".to_owned(),
    }
}

/// One look at the process.
struct Sample {
    minutes: f64,
    resident: u64,
    files: usize,
}

async fn sample_until(program: &Program, end: Instant) -> Vec<Sample> {
    let begun = Instant::now();
    let mut samples = Vec::new();
    while Instant::now() < end {
        sleep(SAMPLE_EVERY.min(end - Instant::now())).await;
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        samples.push(Sample { minutes, resident: program.resident(), files: program.files() });
        if samples.len() % 6 == 0 {
            let Sample { resident, files, .. } = samples.last().unwrap();
            println!("{minutes:5.1} min: {} KiB resident, {files} files", resident / 1024);
        }
    }
    samples
}

fn report(tally: &BTreeMap<String, u64>, samples: &[Sample]) {
    println!("answers: {tally:#?}");
    // The first third fills memos, pools and the allocator.
    let settled = &samples[samples.len() / 3..];
    let growth = slope(settled) * 10.0;
    let half = settled.len() / 2;
    let files = |part: &[Sample]| {
        let mut files: Vec<usize> = part.iter().map(|sample| sample.files).collect();
        files.sort_unstable();
        files[files.len() / 2]
    };
    let (before, after) = (files(&settled[..half]), files(&settled[half..]));
    println!("resident memory grows by {:.0} KiB in ten minutes", growth / 1024.0);
    println!("open files, median: {before} in the first half, {after} in the second");
    for (what, count) in tally {
        let bad = match what.strip_prefix("known: ") {
            Some(status) => status != "200",
            None => what.ends_with(": 500") || what.contains("wrong") || what.contains("no answer"),
        };
        assert!(!bad, "{count} x {what}");
    }
    assert!(growth <= GROWTH_MAX, "memory grows");
    assert!(after <= before + FILES_MAX, "open files grow");
}

/// Bytes a minute, by least squares.
#[allow(clippy::cast_precision_loss, reason = "memory fits")]
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.minutes), mean(|sample| sample.resident as f64));
    let both = samples.iter().map(|s| (s.minutes - x) * (s.resident as f64 - y)).sum::<f64>();
    both / samples.iter().map(|s| (s.minutes - x).powi(2)).sum::<f64>()
}
