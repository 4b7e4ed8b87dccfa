//! The replicas, and what they share: an engine, a bucket, a backend.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use registry_testing::canary::WEBHOOK;
use registry_testing::engine_proxy::{EngineProxy, Way};
use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::fake_gitea::state::ORGANIZATION;
use registry_testing::fake_gitea::{FakeGitea, State};
use registry_testing::gitea_webhook::Delivery;
use registry_testing::sentinels::WatchedServers;
use registry_testing::versity::{ACCESS, BUCKET, Versity};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::load::Target;
use crate::program::Program;

const REPLICAS: usize = 3;
/// Number of extensions. The first ones change.
pub(crate) const EXTENSIONS: usize = 100;
/// Length of an archive. A replica's own store holds half of all archives.
pub(crate) const ARCHIVE: usize = 64 * 1024;
const STORE: &str = "3MiB";
/// Longest time to agreement.
const PATIENCE: Duration = Duration::from_mins(2);

/// The replicas, and what they share.
pub(crate) struct Fleet {
    product: Product,
    pub(crate) engine: EngineServer,
    /// Servers that replace the engine for a failover.
    watched: Option<WatchedServers>,
    pub(crate) bucket: Versity,
    gitea: FakeGitea,
    program: PathBuf,
    replicas: Vec<Replica>,
    /// The one that was killed or stopped.
    failed: Option<usize>,
    client: reqwest::Client,
}

struct Replica {
    process: Program,
    target: Arc<Target>,
    way: EngineProxy,
    home: TempDir,
}

impl Fleet {
    /// Starts everything, and waits until all list the same.
    pub(crate) async fn start(product: Product, program: PathBuf) -> Self {
        let engine = EngineServer::start(product, "").await.expect("the engine is not installed");
        let bucket = Versity::start().await.expect("versitygw is not installed");
        let gitea = FakeGitea::start(organization()).await;
        let mut replicas = Vec::new();
        for _ in 0..REPLICAS {
            let way = engine.another_proxy().await;
            let home = home(&gitea, &bucket, &way);
            let process = Program::start(&program, home.path(), 0);
            let target = Arc::new(Target::new(process.address));
            replicas.push(Replica { process, target, way, home });
        }
        let client = registry_testing::http::client_builder().build().unwrap();
        let (watched, failed) = (None, None);
        let fleet =
            Self { product, engine, watched, bucket, gitea, program, replicas, failed, client };
        fleet.ready(0..REPLICAS).await;
        fleet.download_all().await;
        fleet.equal(|list| list.as_array().is_some_and(|rows| rows.len() == EXTENSIONS)).await;
        fleet
    }

    /// Downloads every archive from every replica: a replica lists the digest of an archive of Gitea once
    /// it has given the archive out.
    async fn download_all(&self) {
        for replica in &self.replicas {
            for number in 0..EXTENSIONS {
                let url = replica.process.url(&format!("/extensions/taskserv/e{number:04}/1.0.0"));
                let got = self.client.get(url).send().await.unwrap();
                assert_eq!(got.bytes().await.unwrap(), archive(number));
            }
        }
    }

    /// Where requests go.
    pub(crate) fn targets(&self) -> Vec<Arc<Target>> {
        self.replicas.iter().map(|replica| Arc::clone(&replica.target)).collect()
    }

    /// Publishes a version of an extension, and tells a running replica.
    pub(crate) async fn change(&self, number: usize) {
        let name = repository(number);
        self.gitea.edit(|state| {
            state.publish(&name, "2.0.0", &[(&format!("{name}.tar.gz"), &archive(number + 1000))])
        });
        let delivery = Delivery::of_release(&name);
        let told = self.replicas.iter().find(|replica| replica.target.is_in_service()).unwrap();
        let mut asked = self.client.post(told.process.url("/webhooks/gitea"));
        for (header, value) in delivery.headers() {
            asked = asked.header(header, value);
        }
        let got = asked.body(delivery.body.clone()).send().await.unwrap();
        assert_eq!(got.status(), 202);
    }

    /// Waits in a task until all replicas in service list a change. The task returns when. It asks for lists:
    /// a request for one extension that is old has it read.
    pub(crate) fn watch(&self, number: usize) -> JoinSet<Instant> {
        let (client, targets) = (self.client.clone(), self.targets());
        let mut task = JoinSet::new();
        task.spawn(async move {
            for target in targets.iter().filter(|target| target.is_in_service()) {
                let url = target.url("/api/v1/extensions?limit=1000");
                let mut list = json(&client, &url).await;
                while !list.is_some_and(|list| has_change(&list, number)) {
                    sleep(Duration::from_millis(20)).await;
                    list = json(&client, &url).await;
                }
            }
            Instant::now()
        });
        task
    }

    /// Waits until all list the same, with this change.
    pub(crate) async fn agree(&self, number: usize) {
        self.equal(|list| has_change(list, number)).await;
    }

    async fn equal(&self, holds: impl Fn(&Value) -> bool) {
        let equal = timeout(PATIENCE, async {
            loop {
                let mut lists = Vec::new();
                for replica in &self.replicas {
                    let url = replica.process.url("/extensions?limit=1000");
                    lists.extend(json(&self.client, &url).await);
                }

                let is_equal =
                    lists.len() == REPLICAS && lists.windows(2).all(|two| two[0] == two[1]);
                if is_equal && holds(&lists[0]) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        equal.await.expect("the replicas do not list the same");
    }

    /// The place of the writer.
    pub(crate) async fn writer(&self) -> usize {
        let found = timeout(PATIENCE, async {
            loop {
                for (place, replica) in self.replicas.iter().enumerate() {
                    let health = json(&self.client, &replica.process.url("/health")).await;
                    let health = health.unwrap_or_default();
                    if health["shared"]["backends"]["gitea"]["role"] == "writer" {
                        return place;
                    }
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
        found.await.expect("there is no writer")
    }

    pub(crate) fn set_way(&self, place: usize, way: Way) {
        self.replicas[place].way.set(way);
    }

    pub(crate) fn set_ways(&self, way: Way) {
        self.replicas.iter().for_each(|replica| replica.way.set(way));
    }

    /// Kills the writer.
    pub(crate) async fn kill_writer(&mut self) {
        self.fail_writer("-KILL").await;
    }

    /// Stops the writer from running.
    pub(crate) async fn stop_writer(&mut self) {
        self.fail_writer("-STOP").await;
    }

    async fn fail_writer(&mut self, signal: &str) {
        let writer = self.writer().await;
        self.replicas[writer].target.fail();
        self.replicas[writer].process.signal(signal);
        self.failed = Some(writer);
    }

    /// Lets the writer that failed go on, or starts it again.
    pub(crate) async fn bring_back(&mut self) {
        let place = self.failed.take().unwrap();
        self.replicas[place].process.signal("-CONT");
        sleep(Duration::from_millis(100)).await;
        if !self.replicas[place].process.is_running() {
            self.run_again(place);
        }
        self.ready(place..place + 1).await;
        self.replicas[place].target.serve();
    }

    /// Leads the replicas to servers with sentinels, which takes a restart, and stops the primary.
    pub(crate) async fn stop_primary(&mut self) {
        let watched = WatchedServers::start(self.product).await.unwrap();
        for replica in &self.replicas {
            let file = replica.home.path().join("config.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            let address = format!("redis_url = \"{}\"\n", replica.way.url());
            let keys = watched.keys(&watched.sentinels[0].proxy);
            std::fs::write(&file, text.replace(&address, &keys)).unwrap();
        }
        self.restart_each().await;
        self.writer().await;
        watched.servers[0].signal("-STOP");
        self.watched = Some(watched);
    }

    /// Waits for the next primary, and lets the former one go on as its replica.
    pub(crate) async fn end_failover(&self) {
        let watched = self.watched.as_ref().unwrap();
        watched.all_name(1).await;
        watched.servers[0].signal("-CONT");
        watched.is_replica(0).await;
    }

    /// Restarts the replicas one after the other, each after its last answer.
    pub(crate) async fn restart_each(&mut self) {
        for place in 0..REPLICAS {
            self.replicas[place].target.drain().await;
            self.replicas[place].process.signal("-TERM");
            while self.replicas[place].process.is_running() {
                sleep(Duration::from_millis(20)).await;
            }
            self.run_again(place);
            self.ready(place..place + 1).await;
            self.replicas[place].target.serve();
        }
    }

    fn run_again(&mut self, place: usize) {
        let replica = &mut self.replicas[place];
        let port = replica.target.address.port();
        replica.process = Program::start(&self.program, replica.home.path(), port);
    }

    async fn ready(&self, places: std::ops::Range<usize>) {
        for replica in &self.replicas[places] {
            loop {
                let got = self.client.get(replica.process.url("/health/ready")).send().await;
                if got.is_ok_and(|got| got.status().is_success()) {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn json(client: &reqwest::Client, url: &str) -> Option<Value> {
    let got = timeout(Duration::from_secs(2), client.get(url).send()).await.ok()?.ok()?;
    serde_json::from_slice(&got.bytes().await.ok()?).ok()
}

fn has_change(list: &Value, number: usize) -> bool {
    let (name, rows) = (format!("e{number:04}"), list.as_array());
    let mut rows = rows.into_iter().flatten();
    rows.any(|row| row["name"] == *name && row["version"] == "2.0.0")
}

fn organization() -> State {
    let mut state = State::empty();
    state.latency = Duration::from_millis(50);
    for number in 0..EXTENSIONS {
        let name = repository(number);
        state.create(&name, "one of a hundred");
        state.publish(&name, "1.0.0", &[(&format!("{name}.tar.gz"), &archive(number))]);
    }
    state
}

fn repository(number: usize) -> String {
    format!("e{number:04}_taskserv")
}

/// The bytes of the archive of this number.
pub(crate) fn archive(number: usize) -> Vec<u8> {
    let mut chance = fastrand::Rng::with_seed(number as u64);
    std::iter::repeat_with(|| chance.u8(..)).take(ARCHIVE).collect()
}

/// The directory of one replica, with its configuration and its own state.
fn home(gitea: &FakeGitea, bucket: &Versity, way: &EngineProxy) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    std::fs::create_dir(home.path().join("state")).unwrap();
    write("secret", &"s".repeat(32));
    write("webhook", WEBHOOK);
    write("credentials", &ACCESS.join("\n"));
    let (backend, bucket, engine) = (gitea.url(), bucket.url(), way.url());
    write(
        "config.toml",
        &format!(
            "[gitea]\nurl = \"{backend}\"\norganization = \"{ORGANIZATION}\"\n\
             webhook_secret_path = \"webhook\"\n\
             [cache]\nstate_dir = \"state\"\nartifact_cache_bytes = \"{STORE}\"\nttl_seconds = 30\n\
             [artifacts]\nstore = \"s3://{BUCKET}/soak\"\nendpoint = \"{bucket}\"\npath_style = true\n\
             credentials_path = \"credentials\"\n\
             [shared]\nredis_url = \"{engine}\"\nsecret_path = \"secret\"\n"
        ),
    );
    home
}
