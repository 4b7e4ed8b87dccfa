//! Replicas of one registry that share a log: real processes over one fake Gitea and one engine, each
//! with a token and a proxy of its own, so that the way of one of them can be cut.

use std::time::Duration;

use registry_testing::canary::WEBHOOK;
use registry_testing::engine_proxy::{EngineProxy, Way};
use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::fake_gitea::state::{ORGANIZATION, Rights};
use registry_testing::fake_gitea::{FakeGitea, State};
use registry_testing::gitea_webhook::Delivery;
use registry_testing::sentinels::WatchedServers;
use reqwest::{Method, StatusCode};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::shared::fleet_replica::FleetReplica;
use crate::support::program::Running;

/// Far more than anything here takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// Number of extensions at the start.
pub const EXTENSIONS: usize = 60;
/// All of them, and some more.
const ALL: &str = "/extensions?limit=1000";

/// The replicas, and what they share: one server, or several with sentinels.
pub struct Fleet<E = EngineServer> {
    pub gitea: FakeGitea,
    pub engine: E,
    pub replicas: Vec<FleetReplica>,
}

impl Fleet {
    /// Starts an engine and a backend; `None`, and why in the output, without the engine's program.
    pub async fn without_replicas(product: Product) -> Option<Self> {
        Some(Self::over(EngineServer::start(product, "").await?).await)
    }

    /// Starts three replicas too, and waits until they know everything.
    pub async fn of_three(product: Product) -> Option<Self> {
        let mut fleet = Self::without_replicas(product).await?;
        for _ in 0..3 {
            fleet.add().await;
        }
        fleet.agree().await;
        Some(fleet)
    }

    /// Starts one more replica, without state. Returns its place.
    pub async fn add(&mut self) -> usize {
        let proxy = self.engine.another_proxy().await;
        let address = format!("redis_url = \"{}\"\n", proxy.url());
        self.add_with(&address, proxy)
    }

    /// The value of the lease, which names the holder; empty without one.
    pub async fn lease(&self) -> String {
        let keys = self.engine.command(&["KEYS", "er:{default}:lease:*"]).await;
        let Some(key) = keys.lines().find(|line| line.starts_with("er:")) else {
            return String::new();
        };
        let answer = self.engine.command(&["GET", key]).await;
        answer.lines().nth(1).unwrap_or_default().to_owned()
    }
}

impl Fleet<WatchedServers> {
    /// Starts three replicas that know the sentinels alone, and waits until they know everything.
    pub async fn with_sentinels(product: Product) -> Option<Self> {
        let mut fleet = Self::over(WatchedServers::start(product).await?).await;
        for _ in 0..3 {
            let proxy = fleet.engine.sentinels[0].another_proxy().await;
            let keys = fleet.engine.keys(&proxy);
            fleet.add_with(&keys, proxy);
        }
        fleet.agree().await;
        Some(fleet)
    }
}

impl<E> Fleet<E> {
    async fn over(engine: E) -> Self {
        Self { gitea: FakeGitea::start(organization()).await, engine, replicas: Vec::new() }
    }

    /// Starts one more replica, with these keys of `[shared]`. Returns its place.
    fn add_with(&mut self, shared: &str, proxy: EngineProxy) -> usize {
        let place = self.replicas.len();
        let name = format!("<replica{place}>");
        let rights = Rights {
            scopes: vec!["read:organization", "read:repository"],
            member: true,
            writer: false,
        };
        self.gitea.edit(|state| state.tokens.insert(name.clone(), rights));
        let shared = format!("[shared]\n{shared}secret_path = \"secret\"\n");
        let dir = home(&self.gitea, &name, &shared);
        let running = Running::start(dir.path(), &[]);
        self.replicas.push(FleetReplica { running, proxy, token: name, dir });
        place
    }

    /// Waits until one replica is the writer, the others follow it, and all list the same.
    pub async fn agree(&self) -> Vec<String> {
        self.agree_without(None).await
    }

    /// Like [`Fleet::agree`], but for all replicas except one.
    pub async fn agree_without(&self, other: Option<usize>) -> Vec<String> {
        let places = (0..self.replicas.len()).filter(|place| Some(*place) != other);
        let replicas: Vec<&FleetReplica> = places.map(|place| &self.replicas[place]).collect();
        let mut last = String::new();
        let agreed = timeout(PATIENCE, async {
            loop {
                match agreed(&replicas).await {
                    Ok(list) => return list,
                    Err(difference) => last = difference,
                }
                sleep(Duration::from_millis(50)).await;
            }
        });
        agreed.await.unwrap_or_else(|_| panic!("the replicas do not agree: {last}"))
    }

    /// Returns the place of the writer, once there is exactly one.
    pub async fn writer(&self) -> usize {
        self.writer_other_than(None).await
    }

    /// Waits for a writer. One replica is not asked: it may hang, or be gone.
    pub async fn writer_other_than(&self, other: Option<usize>) -> usize {
        let found = timeout(PATIENCE, async {
            loop {
                let mut writers = Vec::new();
                for (place, replica) in self.replicas.iter().enumerate() {
                    if Some(place) != other && replica.shared().await["role"] == "writer" {
                        writers.push(place);
                    }
                }
                if let [writer] = writers[..] {
                    return writer;
                }
                sleep(Duration::from_millis(50)).await;
            }
        });
        found.await.expect("there is not exactly one writer")
    }

    /// Publishes a version at the backend, of a new repository unless it is one of the first.
    pub fn publish(&self, number: usize, version: &str) {
        self.gitea.edit(|state| publish(state, number, version));
    }

    /// Tells a replica by webhook about an extension.
    pub async fn deliver(&self, place: usize, number: usize) {
        let delivery = Delivery::of_release(&repository(number));
        let running = &self.replicas[place].running;
        let got = running
            .send(Method::POST, "/webhooks/gitea", &delivery.headers(), &delivery.body)
            .await;
        assert_eq!(got.status, StatusCode::ACCEPTED, "{}", got.text());
    }

    /// Waits until replicas show a version.
    pub async fn show(
        &self,
        places: impl IntoIterator<Item = usize>,
        number: usize,
        version: &str,
    ) {
        for place in places {
            let replica = &self.replicas[place];
            let shown = timeout(PATIENCE, async {
                while replica.version(number).await != version {
                    sleep(Duration::from_millis(10)).await;
                }
            });
            let is_shown = shown.await.is_ok();
            let (now, health) = (replica.version(number).await, replica.health().await);
            assert!(is_shown, "replica {place}: {now}, {health}");
        }
    }

    /// Waits until all replicas show a version.
    pub async fn all_show(&self, number: usize, version: &str) {
        self.show(0..self.replicas.len(), number, version).await;
    }

    /// Changes the ways of all replicas to the engine.
    pub fn set_ways(&self, way: Way) {
        self.replicas.iter().for_each(|replica| replica.proxy.set(way));
    }
}

/// What replicas list, if one of them is the writer, the others follow, and they list the same.
async fn agreed(replicas: &[&FleetReplica]) -> Result<Vec<String>, String> {
    let mut roles = Vec::new();
    for replica in replicas {
        let health = replica.health().await;
        let shared = &health["shared"]["backends"]["gitea"];
        let is_read = health["backends"]["gitea"]["last_success"].is_string();
        if shared["gap"] != false || !is_read {
            return Err(health.to_string());
        }
        roles.push(shared["role"].as_str().unwrap().to_owned());
    }
    roles.sort_unstable();
    let is_settled = roles.pop().is_some_and(|last| last == "writer")
        && roles.iter().all(|role| role == "follower");
    if !is_settled {
        return Err(format!("{roles:?}"));
    }
    let mut lists = Vec::new();
    for replica in replicas {
        let got = replica.running.get(ALL).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.text());
        let rows = got.json();
        let rows = rows.as_array().unwrap().iter().map(ToString::to_string);
        lists.push(rows.collect::<Vec<_>>());
    }
    let first = lists.remove(0);
    match lists.iter().find(|other| **other != first) {
        None => Ok(first),
        Some(other) => Err(format!("{first:#?}\n{other:#?}")),
    }
}

/// What the backend has at the start.
pub fn organization() -> State {
    let mut state = State::empty();
    // Reads are under way while others begin, as with a real one.
    state.latency = Duration::from_millis(5);
    for number in 0..EXTENSIONS {
        publish(&mut state, number, "1.0.0");
    }
    state
}

fn publish(state: &mut State, number: usize, version: &str) {
    let name = repository(number);
    if !state.repositories.iter().any(|one| one.name() == name) {
        state.create(&name, "one of many");
    }
    state.publish(&name, version, &[(&format!("{name}.tar.gz"), version.as_bytes())]);
}

pub(super) fn repository(number: usize) -> String {
    format!("e{number:02}_taskserv")
}

/// A directory with a configuration for this backend, this token, and these further sections.
pub fn home(gitea: &FakeGitea, token: &str, sections: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("token", &gitea.token::<String>(token));
    write("webhook", WEBHOOK);
    write("secret", &"s".repeat(32));
    std::fs::create_dir(dir.path().join("state")).unwrap();
    let url = gitea.url();
    write(
        "config.toml",
        &format!(
            "[gitea]\nurl = \"{url}\"\norganization = \"{ORGANIZATION}\"\ntoken_path = \"token\"\n\
             webhook_secret_path = \"webhook\"\n[cache]\nstate_dir = \"state\"\n{sections}"
        ),
    );
    dir
}
