//! Links of replicas to real servers.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::bucket::Bucket;
use registry_fleet::buckets::{BucketUse, Buckets as _, SharedLimit};
use registry_fleet::config_digest::ConfigDigest;
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::log::{Cursor, Heard, SharedLog as _};
use registry_fleet::members::Members as _;
use registry_fleet::metrics::{EngineCall, EngineMetrics};
use registry_fleet::state::EnginePresence;
use registry_testing::engine_server::{EngineServer, Product};
use registry_testing::fleet::connected::Connected;
use registry_testing::ids::unique;
use registry_valkey::buckets::EngineBuckets;
use registry_valkey::fetch_locks::EngineFetchLocks;
use registry_valkey::leases::EngineLeases;
use registry_valkey::link::EngineLink;
use registry_valkey::log::EngineLog;
use registry_valkey::members::EngineMembers;
use registry_valkey::passwords::EnginePasswords;
use registry_valkey::pins::EnginePins;
use registry_valkey::secrets::FleetSecrets;
use registry_valkey::settings::EngineSettings;
use registry_valkey::snapshots::EngineSnapshots;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

pub const CAPACITY: Duration = Duration::from_secs(20);
/// Far more than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Both products that are installed here.
pub async fn servers(options: &str) -> Vec<EngineServer> {
    let mut found = Vec::new();
    for product in Product::ALL {
        found.extend(EngineServer::start(product, options).await);
    }
    found
}

pub fn secrets(letter: &str) -> FleetSecrets {
    FleetSecrets::parse(&letter.repeat(32).into()).unwrap()
}

pub fn settings(server: &EngineServer, name: &str) -> EngineSettings {
    EngineSettings {
        address: server.url().parse().unwrap(),
        sentinels: None,
        name: name.parse().unwrap(),
        username: None,
        ca: None,
    }
}

/// Passwords with this one of the server.
pub fn passwords(server: Option<&str>) -> EnginePasswords {
    EnginePasswords::new(server.map(Into::into), None)
}

/// The configuration of replicas that are configured alike.
pub fn config() -> ConfigDigest {
    ConfigDigest::of("same")
}

/// Calls of a link, as they ended.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<EngineCall>>>);

impl EngineMetrics for Calls {
    fn record(&self, call: &EngineCall) {
        self.0.lock().push(*call);
    }

    fn connected(&self, _: bool) {}
}

impl Calls {
    pub fn take(&self) -> Vec<EngineCall> {
        std::mem::take(&mut self.0.lock())
    }
}

/// One replica. Ends with its value.
pub struct Replica {
    pub link: EngineLink,
    pub passwords: EnginePasswords,
    pub buckets: EngineBuckets,
    pub pins: EnginePins,
    pub leases: EngineLeases,
    pub log: EngineLog,
    pub snapshots: EngineSnapshots,
    pub calls: Calls,
    _supervisor: JoinSet<()>,
}

impl Replica {
    pub fn new(settings: EngineSettings, password: Option<&str>, secrets: FleetSecrets) -> Self {
        let calls = Calls::default();
        let passwords = passwords(password);
        let link = EngineLink::new(settings, passwords.clone(), secrets, Arc::new(calls.clone()));
        let mut supervisor = JoinSet::new();
        supervisor.spawn(link.clone().run());
        Self {
            buckets: EngineBuckets::new(link.clone()),
            pins: EnginePins::new(link.clone()),
            leases: EngineLeases::new(link.clone()),
            log: EngineLog::new(link.clone()),
            snapshots: EngineSnapshots::new(link.clone()),
            link,
            passwords,
            calls,
            _supervisor: supervisor,
        }
    }

    /// Locks of this replica under a name.
    pub fn fetch_locks(&self, name: &str) -> EngineFetchLocks {
        EngineFetchLocks::new(self.link.clone(), name.parse().unwrap())
    }

    /// This replica under a name, as checks of every engine use it.
    pub fn named(&self, name: &str) -> Connected<'_> {
        let (leases, log, snapshots) = (&self.leases, &self.log, &self.snapshots);
        Connected { replica: name.parse().unwrap(), leases, log, snapshots }
    }

    /// A replica of a fleet of this name, once it is connected.
    pub async fn of(server: &EngineServer, name: &str) -> Self {
        let replica = Self::new(settings(server, name), None, secrets("s"));
        replica.connected().await;
        replica
    }

    /// This replica with a bucket for segments.
    pub fn with_bucket(self, bucket: Arc<dyn Bucket>) -> Self {
        let snapshots =
            EngineSnapshots::new(self.link.clone()).with_bucket(bucket, "a".parse().unwrap());
        Self { snapshots, ..self }
    }

    pub async fn connected(&self) {
        self.until(|failure| failure.is_none()).await;
    }

    pub async fn away(&self, reason: AwayReason) -> Away {
        self.until(|failure| {
            failure.is_some_and(|away| away.reason == reason && away.detail != "not connected yet")
        })
        .await
        .unwrap()
    }

    async fn until(&self, holds: impl Fn(Option<&Away>) -> bool) -> Option<Away> {
        let waited = timeout(PATIENCE, async {
            loop {
                let report = self.link.state().report();
                if holds(report.failure()) {
                    return report.failure().cloned();
                }
                sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{:?}", self.link.state().report()))
    }

    /// Members, seen with a configuration that is the same for all replicas.
    pub fn members(&self) -> EngineMembers {
        EngineMembers::new(self.link.clone(), config())
    }

    /// Reports itself under a name. Returns who is there.
    pub async fn presence(&self, name: &str) -> EnginePresence {
        self.presence_with(name, config()).await
    }

    /// Reports itself under a name with a configuration. Returns who is there.
    pub async fn presence_with(&self, name: &str, config: ConfigDigest) -> EnginePresence {
        let members = EngineMembers::new(self.link.clone(), config);
        let name = name.parse().unwrap();
        // A busy machine may be late, and a replica may report itself again.
        let begun = Instant::now();
        let replicas = loop {
            match members.present(&name).await {
                Ok(replicas) => break replicas,
                Err(away) => assert!(begun.elapsed() < PATIENCE, "{away}"),
            }
            sleep(Duration::from_millis(20)).await;
        };
        let presence = self.link.state().report().presence;
        assert_eq!(presence.replicas, replicas);
        presence
    }

    /// Takes a token of a new client.
    pub async fn take(&self) -> Result<Vec<Duration>, Away> {
        let one = BucketUse { client: unique("client"), used: Duration::from_secs(1) };
        self.buckets.take(SharedLimit::Requests, &[one], CAPACITY).await
    }

    /// Takes tokens until the engine takes them.
    pub async fn taken(&self) {
        let taken = timeout(PATIENCE, async {
            while self.take().await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        taken.await.unwrap_or_else(|_| panic!("{:?}", self.link.state().report()));
    }

    /// Follows the log until something came.
    pub async fn heard(&self, cursor: &mut Cursor) -> Heard {
        let waited = timeout(PATIENCE, async {
            loop {
                match self.log.follow(cursor).await {
                    Ok(heard) if heard != Heard::default() => return heard,
                    Ok(_) => {}
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{:?}", self.link.state().report()))
    }
}
