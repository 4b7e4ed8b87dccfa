//! What this replica shares with others through `[shared]`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use registry_backends::http::check_ca_file;
use registry_catalog::pins::policy::{PinPolicy, PinSharing};
use registry_catalog::replication::Fleet;
use registry_core::bucket::Bucket;
use registry_core::files;
use registry_fleet::fetch_locks::FetchLocks;
use registry_fleet::members::Members as _;
use registry_fleet::replica::ReplicaId;
use registry_fleet::state::{EnginePresence, EngineState};
use registry_server::edge::admission::Admission;
use registry_server::metrics::Metrics;
use registry_server::metrics::counted_pins::CountedPins;
use registry_server::metrics::shared::SharedMetrics;
use registry_valkey::buckets::EngineBuckets;
use registry_valkey::check::{Check, examine};
use registry_valkey::fetch_locks::EngineFetchLocks;
use registry_valkey::fleet_name::FleetName;
use registry_valkey::leases::EngineLeases;
use registry_valkey::link::EngineLink;
use registry_valkey::log::EngineLog;
use registry_valkey::members::EngineMembers;
use registry_valkey::passwords::EnginePasswords;
use registry_valkey::pins::EnginePins;
use registry_valkey::secrets::FleetSecrets;
use registry_valkey::settings::EngineSettings;
use registry_valkey::snapshots::EngineSnapshots;
use secrecy::SecretString;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::app::backends::Finding;
use crate::app::config_digest::config_digest;
use crate::app::lifecycle::Lifecycle;
use crate::app::rotation::Rotated;
use crate::app::{LOG_TARGET, secrets};
use crate::config::{Config, SharedConfig};

const PASSWORD: &str = "shared.password_path";
const SENTINEL_PASSWORD: &str = "shared.sentinel_password_path";
const SECRET: &str = "shared.secret_path";
const CA: &str = "shared.ca_file";
/// Largest file of certificates, in bytes.
const CA_MAX: u64 = 1024 * 1024;
/// A replica counts for three times as long.
const PRESENT_EVERY: Duration = Duration::from_secs(5);

/// The engine, and the files that are watched for it.
pub(super) struct SharedEngine {
    link: EngineLink,
    name: FleetName,
    members: EngineMembers,
    replica: ReplicaId,
    metrics: SharedMetrics,
    pub(super) rotated: Vec<Rotated>,
}

/// What the files of `[shared]` hold.
pub(super) struct SharedFiles {
    ca: Option<Vec<u8>>,
    passwords: EnginePasswords,
    secrets: FleetSecrets,
}

impl SharedFiles {
    /// Reads the files. Fails with the first one that cannot be used. Warns if others can read them.
    pub(super) fn read(config: &SharedConfig) -> Result<Self, Finding> {
        let ca = config.ca_file.as_deref().map(ca).transpose().map_err(|what| found(CA, &what))?;
        let server = password(PASSWORD, config.password_path.as_deref())?;
        let sentinels = password(SENTINEL_PASSWORD, config.sentinel_password_path.as_deref())?;
        let passwords = EnginePasswords::new(server, sentinels);
        let checked = secrets::check(SECRET, &config.secret_path);
        let secrets = checked.and_then(|()| fleet_secrets(&config.secret_path));
        Ok(Self { ca, passwords, secrets: secrets.map_err(|error| found(SECRET, &error))? })
    }

    fn settings(&self, config: &SharedConfig) -> EngineSettings {
        EngineSettings {
            address: config.redis_url.clone(),
            sentinels: config.sentinels.clone(),
            name: config.name.clone(),
            username: config.username.clone(),
            ca: self.ca.clone(),
        }
    }
}

impl SharedEngine {
    /// Builds the link to the engine; `None` without `[shared]`.
    pub(super) fn of(config: &Config, metrics: &Metrics) -> Result<Option<Self>, Finding> {
        let backends = config.backends.iter().map(|backend| backend.id);
        let digest = config_digest(config);
        let Some(config) = &config.shared else { return Ok(None) };
        let files = SharedFiles::read(config)?;
        let metrics = metrics.shared.clone();
        metrics.prepare(backends);
        let settings = files.settings(config);
        let passwords = files.passwords.clone();
        let link =
            EngineLink::new(settings, files.passwords, files.secrets, Arc::new(metrics.clone()));
        let rotated = rotated(config, &link, &passwords);
        let members = EngineMembers::new(link.clone(), digest);
        let name = config.name.clone();
        Ok(Some(Self { link, name, members, replica: replica()?, metrics, rotated }))
    }

    /// What replicas keep their catalogs equal with. Snapshots use the bucket if there is one.
    pub(super) fn fleet(&self, bucket: Option<Arc<dyn Bucket>>) -> Fleet {
        let snapshots = EngineSnapshots::new(self.link.clone());
        let snapshots = match bucket {
            Some(bucket) => snapshots.with_bucket(bucket, self.name.clone()),
            None => snapshots,
        };
        Fleet {
            leases: Arc::new(EngineLeases::new(self.link.clone())),
            log: Arc::new(EngineLog::new(self.link.clone())),
            snapshots: Arc::new(snapshots),
            replica: self.replica.clone(),
            engine: self.link.state(),
        }
    }

    /// Locks of fetches into the bucket that replicas share.
    pub(super) fn fetch_locks(&self) -> Arc<dyn FetchLocks> {
        Arc::new(EngineFetchLocks::new(self.link.clone(), self.replica.clone()))
    }

    /// Pins of all replicas. With `certain`, no first archive is given out while the engine is away.
    pub(super) fn pins(&self, certain: bool) -> PinSharing {
        let pins = Arc::new(EnginePins::new(self.link.clone()));
        let policy = if certain { PinPolicy::Certain(self.state()) } else { PinPolicy::Soon };
        PinSharing { ledger: Arc::new(CountedPins::new(pins, self.metrics.clone())), policy }
    }

    pub(super) fn state(&self) -> EngineState {
        self.link.state()
    }

    /// Connects, reports this replica, and shares the limits, until the end.
    pub(super) fn run(self, admission: Arc<Admission>, lifecycle: &mut Lifecycle) {
        let buckets = EngineBuckets::new(self.link.clone());
        lifecycle.run(async move { admission.share(&buckets).await });
        lifecycle.run(self.link.clone().run());
        lifecycle.run(report(self.members, self.link.state(), self.replica, self.metrics));
    }
}

/// Names this process. New at each start: a replica that was killed is not this one.
fn replica() -> Result<ReplicaId, Finding> {
    let name = format!("{:032x}", fastrand::u128(..));
    name.parse().map_err(|error| found("shared", &error))
}

async fn report(
    members: EngineMembers,
    state: EngineState,
    replica: ReplicaId,
    metrics: SharedMetrics,
) {
    let mut ticks = interval(PRESENT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let before = state.report().presence;
        if members.present(&replica).await.is_ok() {
            let now = state.report().presence;
            metrics.presence(now);
            tell(before, now);
        }
    }
}

fn tell(before: EnginePresence, now: EnginePresence) {
    if before.replicas != now.replicas {
        let replicas = now.replicas;
        info!(target: LOG_TARGET, replicas, "shared: the number of replicas changed");
    }
    if now.foreign > 0 && before.foreign == 0 {
        let foreign = now.foreign;
        warn!(target: LOG_TARGET,
            foreign,
            "shared: other replicas use this shared.name with another secret; give all replicas of one registry the same shared.secret_path, and another registry another shared.name"
        );
    }
    if now.differing > 0 && before.differing == 0 {
        let differing = now.differing;
        warn!(target: LOG_TARGET,
            differing,
            "shared: other replicas have other backends or another [catalog], so clients get different answers from them; give all replicas the same backends, catalog.order, catalog.merge and catalog.allow_takeover; while a change of the configuration is rolled out this is expected"
        );
    }
}

fn rotated(config: &SharedConfig, link: &EngineLink, passwords: &EnginePasswords) -> Vec<Rotated> {
    let (path, renewed) = (config.secret_path.clone(), link.clone());
    let file = path.clone();
    let renew = move || {
        renewed.replace_secrets(fleet_secrets(&file).map_err(|error| error.to_string())?);
        Ok(())
    };
    let mut rotated = vec![Rotated { key: SECRET.to_owned(), path, renew: Box::new(renew) }];
    let renewed = passwords.clone();
    let server = move |password| renewed.replace_server(password);
    rotated.extend(rotated_password(PASSWORD, config.password_path.as_deref(), server));
    let renewed = passwords.clone();
    let sentinels = move |password| renewed.replace_sentinels(password);
    let path = config.sentinel_password_path.as_deref();
    rotated.extend(rotated_password(SENTINEL_PASSWORD, path, sentinels));
    rotated
}

fn rotated_password(
    key: &str,
    path: Option<&Path>,
    replace: impl Fn(SecretString) + Send + Sync + 'static,
) -> Option<Rotated> {
    let path = path?.to_owned();
    let file = path.clone();
    let renew = move || {
        replace(secrets::word(&file).map_err(|error| error.to_string())?);
        Ok(())
    };
    Some(Rotated { key: key.to_owned(), path, renew: Box::new(renew) })
}

/// Errors name the file, and nothing from its content.
fn fleet_secrets(path: &Path) -> io::Result<FleetSecrets> {
    secrets::readable(path)?;
    let text = files::text_named(path, secrets::FILE_MAX).map_err(|error| {
        io::Error::new(error.kind(), format!("{} cannot be read: {error}", path.display()))
    })?;
    FleetSecrets::parse(&text.into())
        .map_err(|error| io::Error::other(format!("{} {error}", path.display())))
}

fn password(key: &str, path: Option<&Path>) -> Result<Option<SecretString>, Finding> {
    let read = path.map(|path| secrets::read(key, path));
    read.transpose().map_err(|error| found(key, &error))
}

fn ca(path: &Path) -> Result<Vec<u8>, String> {
    check_ca_file(path).map_err(|error| error.report())?;
    files::read_named(path, CA_MAX)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn found(key: &str, what: &dyn ToString) -> Finding {
    Finding { key: key.to_owned(), what: what.to_string() }
}

/// Checks the engine for `doctor`; nothing without `[shared]`.
pub async fn examine_shared(config: &Config) -> Result<Vec<Check>, Finding> {
    let digest = config_digest(config);
    let Some(config) = &config.shared else { return Ok(Vec::new()) };
    let files = SharedFiles::read(config)?;
    Ok(examine(files.settings(config), files.passwords, files.secrets, digest).await)
}
