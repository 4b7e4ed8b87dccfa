//! Checks of an engine for operators, in order from the connection to the rights.

mod sentinels;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::cmd;
use registry_fleet::config_digest::ConfigDigest;
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::metrics::{EngineCall, EngineMetrics};
use registry_fleet::state::EnginePresence;
use tokio::time::sleep;

use crate::commands::acl;
use crate::failure::away_of;
use crate::fleet_name::FleetName;
use crate::link::EngineLink;
use crate::members::EngineMembers;
use crate::passwords::EnginePasswords;
use crate::rights::rights;
use crate::secrets::FleetSecrets;
use crate::settings::EngineSettings;

/// Maximum difference between the clocks of this machine and of the server.
const SKEW_MAX: Duration = Duration::from_mins(1);

/// Attempts at a server that answers too late.
const ATTEMPTS: u32 = 3;
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked, in a word.
    pub step: &'static str,
    /// What was found.
    pub what: String,
    /// What to do about it; `None` if nothing is wrong.
    pub fix: Option<String>,
    /// True if the engine works nevertheless.
    pub is_note: bool,
}

impl Check {
    fn ok(step: &'static str, what: impl Into<String>) -> Self {
        Self { step, what: what.into(), fix: None, is_note: false }
    }

    fn problem(step: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::ok(step, what) }
    }

    fn note(step: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { is_note: true, ..Self::problem(step, what, fix) }
    }
}

/// Drops the records of a check.
struct Unrecorded;

impl EngineMetrics for Unrecorded {
    fn record(&self, _: &EngineCall) {}

    fn connected(&self, _: bool) {}
}

/// Checks an engine, for a replica with this configuration. A failed connection ends the checks.
pub async fn examine(
    settings: EngineSettings,
    passwords: EnginePasswords,
    secrets: FleetSecrets,
    config: ConfigDigest,
) -> Vec<Check> {
    let (target, name) = (settings.target(), settings.name.clone());
    let user = settings.username.clone().unwrap_or_else(|| "extension-registry".to_owned());
    let link = EngineLink::new(settings, passwords, secrets, Arc::new(Unrecorded));
    let dialer = link.dialer();
    let mut checks = match &dialer.settings.sentinels {
        Some(named) => sentinels::examine(dialer, named).await,
        None => Vec::new(),
    };
    let mut primary = match patiently(|| dialer.primary()).await {
        Ok(primary) => primary,
        Err(away) => {
            let fix = "check shared.redis_url, shared.username, shared.password_path and \
                       shared.ca_file, that the server runs, and firewalls on the way";
            checks.push(Check::problem("connection", format!("{target}: {away}"), fix));
            return checks;
        }
    };
    link.open(&primary);
    let address = dialer.settings.address.at(primary.address.clone());
    checks.push(Check::ok("connection", format!("{address} is {}", primary.facts.server)));
    checks.push(match primary.facts.warning() {
        None => Check::ok("memory", "the server keeps its keys when its memory is full"),
        Some(warning) => Check::note("memory", warning, "set maxmemory-policy noeviction"),
    });
    checks.push(clock(&mut primary.connection).await);
    match patiently(|| rights(&link)).await {
        Ok(()) => checks.push(Check::ok("rights", "every command that is needed is allowed")),
        Err(away) => {
            let fix = format!("give the user its rights: {}", acl(&user, &name));
            checks.push(Check::problem("rights", away.to_string(), fix));
            return checks;
        }
    }
    match EngineMembers::new(link, config).seen().await {
        Ok(presence) => checks.extend(replicas(presence, &name)),
        Err(away) => checks.push(Check::problem("replicas", away.to_string(), "try again")),
    }
    checks
}

fn replicas(presence: EnginePresence, name: &FleetName) -> Vec<Check> {
    let EnginePresence { replicas, differing, foreign } = presence;
    let mut checks = Vec::new();
    if foreign > 0 {
        checks.push(Check::problem(
            "replicas",
            format!("{foreign} replica(s) use the name {name} with another secret"),
            "give all replicas of one registry the same shared.secret_path, and another registry \
             another shared.name or database",
        ));
    }
    if differing > 0 {
        checks.push(Check::note(
            "replicas",
            format!(
                "{differing} of {replicas} replica(s) of {name} have other backends, or another \
                 [catalog], than this configuration"
            ),
            "give all replicas the same backends, catalog.order, catalog.merge and \
             catalog.allow_takeover, and restart them; while a change is rolled out this is expected",
        ));
    }
    if checks.is_empty() {
        let what = format!("{replicas} replica(s) of {name} are there");
        checks.push(Check::ok("replicas", what));
    }
    checks
}

/// Tries again what came too late: this machine may be busy with the start of the check itself.
async fn patiently<T, F: Future<Output = Result<T, Away>>>(
    attempt: impl Fn() -> F,
) -> Result<T, Away> {
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(away) if away.reason == AwayReason::Late => sleep(PAUSE).await,
            ended => return ended,
        }
    }
    attempt().await
}

async fn clock(connection: &mut MultiplexedConnection) -> Check {
    let told = cmd("TIME").query_async::<(u64, u64)>(connection).await;
    let (seconds, _) = match told {
        Ok(told) => told,
        Err(error) => {
            return Check::problem("clock", away_of(&error).to_string(), "allow the command TIME");
        }
    };
    let here = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    let skew = Duration::from_secs(here.abs_diff(seconds));
    if skew <= SKEW_MAX {
        return Check::ok("clock", "the server's clock agrees with the one of this machine");
    }
    let what =
        format!("the clocks of the server and of this machine differ by {} s", skew.as_secs());
    Check::note("clock", what, "set both by NTP; nothing that is shared depends on them")
}
