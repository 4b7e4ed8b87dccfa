//! Three processes behind nginx under 200 requests a second, that come whether or not the last was
//! answered. The processes are restarted one after the other; every request has to be answered.
//!
//!     cargo bench --bench rolling_restart -- [shared] PROGRAM
//!
//! With `shared` the processes are replicas that share a Redis.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and its output is its result"
)]

mod program;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use program::Program;
use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::fake_gitea::{FakeGitea, State};
use serde::de::IgnoredAny;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

const REPLICAS: usize = 3;
const PER_SECOND: u32 = 200;
const EXTENSIONS: usize = 100;
/// What is asked for, in turn: all kinds of reads, and downloads.
const PATHS: [&str; 6] = [
    "/extensions?limit=20",
    "/extensions/taskserv/e0042",
    "/extensions/search?q=hundred",
    "/extensions/taskserv/e0007/versions",
    "/extensions/taskserv/e0011/latest",
    "/extensions/taskserv/e0012/1.0.0/metadata",
];
const ARCHIVE: usize = 256 * 1024;

#[tokio::main]
async fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let (words, programs): (Vec<_>, Vec<_>) = arguments.partition(|argument| argument == "shared");
    let program = programs
        .first()
        .map_or_else(|| env!("CARGO_BIN_EXE_extension-registry").into(), PathBuf::from);
    let server = match words.first() {
        Some(_) => EngineServer::start(Product::Redis, "").await,
        None => None,
    };
    let fake = FakeGitea::start(organization()).await;
    let homes: Vec<TempDir> = (0..REPLICAS).map(|_| home(&fake, server.as_ref())).collect();
    let mut replicas: Vec<Program> =
        homes.iter().map(|home| Program::start(&program, home.path(), 0)).collect();
    for replica in &replicas {
        ready(replica).await;
        lists_all(replica).await;
    }
    let balancer = Balancer::start(replicas.iter().map(|replica| replica.address));

    let load = Load::start(balancer.address);
    load.answered(PER_SECOND * 3).await;
    for (at, home) in homes.iter().enumerate() {
        let replica = replicas.remove(0);
        let begun = Instant::now();
        let port = replica.address.port();
        let status = tokio::task::spawn_blocking(|| replica.stop()).await.unwrap();
        let stopped = begun.elapsed();
        assert!(status.success(), "replica {at} ended with {status}");
        let replica = Program::start(&program, home.path(), port);
        ready(&replica).await;
        println!(
            "replica {at}: drained in {stopped:.2?}, ready {:.2?} after its stop was asked for",
            begun.elapsed()
        );
        replicas.push(replica);
        load.answered(PER_SECOND * 3).await;
    }
    load.end().await.report();
}

fn organization() -> State {
    let mut state = State::empty();
    state.latency = Duration::from_millis(5);
    for number in 0..EXTENSIONS {
        let name = format!("e{number:04}_taskserv");
        state.create(&name, "one of a hundred");
        state.publish(&name, "1.0.0", &[(&format!("{name}.tar.gz"), &vec![7; ARCHIVE])]);
    }
    state
}

/// The directory of one replica, with its configuration and its own state.
fn home(fake: &FakeGitea, server: Option<&EngineServer>) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let (url, state) = (fake.url(), home.path().join("state"));
    let state_path = state.display();
    std::fs::create_dir(&state).unwrap();
    let secret = home.path().join("secret");
    std::fs::write(&secret, "s".repeat(32)).unwrap();
    let shared = server.map(|server| {
        format!(
            "[shared]\nredis_url = \"{}\"\nsecret_path = \"{}\"\n",
            server.url(),
            secret.display()
        )
    });
    let shared = shared.unwrap_or_default();
    let config = format!(
        "{shared}[gitea]\nurl = \"{url}\"\norganization = \"{ORGANIZATION}\"\n[cache]\nstate_dir = \"{state_path}\"\n"
    );
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    home
}

async fn ready(replica: &Program) {
    let client = client();
    loop {
        let answer = client.get(replica.url("/health/ready")).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
    }
}

/// Waits for the end of the first cycle, which is no part of a restart.
async fn lists_all(replica: &Program) {
    let client = client();
    let url = replica.url(&format!("/extensions?limit={EXTENSIONS}"));
    loop {
        let answer = client.get(&url).send().await.unwrap();
        let rows = serde_json::from_slice::<Vec<IgnoredAny>>(&answer.bytes().await.unwrap());
        if rows.is_ok_and(|rows| rows.len() == EXTENSIONS) {
            return;
        }
    }
}

fn client() -> reqwest::Client {
    registry_testing::http::client_builder().build().unwrap()
}

/// An nginx that asks another process where one does not answer, or answers that it cannot.
struct Balancer {
    process: Child,
    address: SocketAddr,
    _dir: TempDir,
}

impl Balancer {
    fn start(replicas: impl Iterator<Item = SocketAddr>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Free when asked for; nginx cannot tell which port 0 became.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let servers: String = replicas
            .map(|replica| format!("server {replica} max_fails=1 fail_timeout=1s; "))
            .collect();
        let config = configuration(dir.path(), address, &servers);
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let log = dir.path().join("error.log");
        let process = Command::new("nginx")
            .args(["-e".as_ref(), log.as_os_str(), "-c".as_ref(), file.as_os_str()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(address).is_err() {}
        Self { process, address, _dir: dir }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(dir: &Path, address: SocketAddr, servers: &str) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/nginx.pid;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;
            uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;
            upstream replicas {{ {servers} keepalive 32; }}
            server {{
                listen {address};
                location / {{
                    proxy_pass http://replicas;
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_connect_timeout 1s;
                    proxy_next_upstream error timeout http_502 http_503 http_504;
                }}
            }}
        }}"
    )
}

/// What became of the requests.
#[derive(Default)]
struct Outcome {
    answered: BTreeMap<String, usize>,
    times: Vec<Duration>,
}

impl Outcome {
    fn report(mut self) {
        self.times.sort_unstable();
        let at = |share: usize| self.times[(self.times.len() - 1) * share / 1000];
        println!("{} requests at {PER_SECOND} a second: {:?}", self.times.len(), self.answered);
        println!(
            "time to the last byte: half {:.1?}, 99 of 100 {:.1?}, longest {:.1?}",
            at(500),
            at(990),
            at(1000)
        );
        let lost: usize =
            self.answered.iter().filter(|(what, _)| *what != "200").map(|(_, count)| count).sum();
        println!("lost: {lost}");
        assert_eq!(lost, 0, "requests were lost");
    }
}

/// The requests under way.
struct Load {
    count: tokio::sync::watch::Receiver<u32>,
    stop: tokio::sync::oneshot::Sender<()>,
    outcome: tokio::task::JoinHandle<Outcome>,
}

impl Load {
    fn start(balancer: SocketAddr) -> Self {
        let (counted, count) = tokio::sync::watch::channel(0);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (sender, mut results) = mpsc::unbounded_channel();
        tokio::spawn(send(balancer, sender, stopped));
        let outcome = tokio::spawn(async move {
            let mut outcome = Outcome::default();
            while let Some((what, time)) = results.recv().await {
                *outcome.answered.entry(what).or_default() += 1;
                outcome.times.push(time);
                counted.send_modify(|count| *count += 1);
            }
            outcome
        });
        Self { count, stop, outcome }
    }

    /// Waits until this many more have been answered.
    async fn answered(&self, more: u32) {
        let mut count = self.count.clone();
        let until = *count.borrow() + more;
        count.wait_for(|count| *count >= until).await.unwrap();
    }

    async fn end(self) -> Outcome {
        self.stop.send(()).unwrap();
        self.outcome.await.unwrap()
    }
}

async fn send(
    balancer: SocketAddr,
    results: mpsc::UnboundedSender<(String, Duration)>,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let client = client();
    let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for path in PATHS.iter().cycle() {
        ticks.tick().await;
        if stopped.try_recv().is_ok() {
            return;
        }
        let asked = client.get(format!("http://{balancer}/api/v1{path}"));
        let results = results.clone();
        tokio::spawn(async move {
            let begun = Instant::now();
            let what = match timeout(Duration::from_secs(10), whole(asked)).await {
                Ok(Ok(status)) => status,
                Ok(Err(error)) => format!("{error:?}"),
                Err(_) => "no answer in ten seconds".to_owned(),
            };
            results.send((what, begun.elapsed())).unwrap();
        });
    }
}

/// The status of an answer whose last byte has come.
async fn whole(asked: reqwest::RequestBuilder) -> reqwest::Result<String> {
    let answer = asked.send().await?;
    let status = answer.status().as_u16().to_string();
    answer.bytes().await?;
    Ok(status)
}
