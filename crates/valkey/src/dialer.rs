//! The way to the primary: its address, or sentinels that know it.

use std::sync::atomic::{AtomicUsize, Ordering};

use redis::aio::MultiplexedConnection;
use registry_fleet::failure::{Away, AwayReason};

use crate::dial::dial;
use crate::host_port::HostPort;
use crate::passwords::EnginePasswords;
use crate::sentinel::Sentinel;
use crate::sentinels::Sentinels;
use crate::server_facts::ServerFacts;
use crate::settings::EngineSettings;

/// Maximum number of failures in a message.
const FAILURES_MAX: usize = 3;

/// A primary, connected and checked.
pub(crate) struct Primary {
    pub(crate) address: HostPort,
    pub(crate) connection: MultiplexedConnection,
    pub(crate) facts: ServerFacts,
}

/// Connects to the primary.
pub(crate) struct Dialer {
    pub(crate) settings: EngineSettings,
    pub(crate) passwords: EnginePasswords,
    /// Place of the sentinel that led to a primary. It is asked first: others may be down.
    first: AtomicUsize,
}

impl Dialer {
    pub(crate) const fn new(settings: EngineSettings, passwords: EnginePasswords) -> Self {
        Self { settings, passwords, first: AtomicUsize::new(0) }
    }

    /// Connects to the primary. Sentinels are asked one after the other, until one names a server that
    /// is a primary: after a failover some may still name the one before.
    pub(crate) async fn primary(&self) -> Result<Primary, Away> {
        let Some(sentinels) = &self.settings.sentinels else {
            return self.server(self.settings.address.server.clone()).await;
        };
        let (mut tried, mut failed, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for (place, sentinel) in self.in_turn(sentinels) {
            let named = match sentinel.primary().await {
                Ok(named) if tried.contains(&named) => continue,
                Ok(named) => named,
                Err(away) => {
                    silent.push((sentinel.address.to_string(), away));
                    continue;
                }
            };
            match self.server(named.clone()).await {
                Ok(primary) => {
                    self.first.store(place, Ordering::Relaxed);
                    return Ok(primary);
                }
                Err(away) => {
                    let server = format!("{named}, which {} names", sentinel.address);
                    failed.push((server, away));
                    tried.push(named);
                }
            }
        }
        // Servers that cannot be used say more than sentinels that cannot.
        Err(if failed.is_empty() { of_all(&silent) } else { of_all(&failed) })
    }

    /// Connects to one server, which has to be a primary. Takes two seconds at most.
    pub(crate) async fn server(&self, address: HostPort) -> Result<Primary, Away> {
        let password = self.passwords.server();
        let (connection, facts) = dial(&self.settings, &address, password.as_ref()).await?;
        Ok(Primary { address, connection, facts })
    }

    /// Returns every sentinel with its place.
    pub(crate) fn in_turn<'a>(
        &'a self,
        sentinels: &'a Sentinels,
    ) -> impl Iterator<Item = (usize, Sentinel<'a>)> {
        let addresses = sentinels.addresses();
        let places = addresses.iter().enumerate().cycle();
        let places = places.skip(self.first.load(Ordering::Relaxed)).take(addresses.len());
        places.map(move |(place, address)| {
            let (settings, password) = (&self.settings, self.passwords.sentinels());
            (place, Sentinel { settings, sentinels, address, password })
        })
    }
}

/// Puts failures into one. It is a refusal only if all are: others may end by themselves.
fn of_all(failures: &[(String, Away)]) -> Away {
    let reasons = || failures.iter().map(|(_, away)| away.reason);
    let reason = reasons().find(|reason| *reason != AwayReason::Refused);
    let told = failures.iter().take(FAILURES_MAX);
    let told: Vec<String> = told.map(|(of, away)| format!("{of}: {}", away.detail)).collect();
    let more = failures.len().saturating_sub(FAILURES_MAX);
    let more = if more > 0 { format!("; {more} more") } else { String::new() };
    Away::new(reason.unwrap_or(AwayReason::Refused), told.join("; ") + &more)
}
