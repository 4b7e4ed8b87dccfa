//! The link of a replica to an engine: one connection, shared by all calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, ScriptInvocation};
use registry_fleet::DEADLINE;
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::metrics::{EngineCall, EngineMetrics, EngineOperation};
use registry_fleet::state::EngineState;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::LOG_TARGET;
use crate::dialer::{Dialer, Primary};
use crate::failure::{away_of, late};
use crate::host_port::HostPort;
use crate::passwords::EnginePasswords;
use crate::secrets::FleetSecrets;
use crate::settings::EngineSettings;

/// Calls without an answer in a row, after which no more are sent until a trial succeeds.
const LATE_MAX: u32 = 3;

/// A link to an engine. Clones share it.
#[derive(Clone)]
pub struct EngineLink(Arc<LinkState>);

struct LinkState {
    dialer: Dialer,
    secrets: RwLock<FleetSecrets>,
    line: Mutex<Line>,
    /// Number of times that the line was opened.
    openings: AtomicU64,
    state: EngineState,
    metrics: Arc<dyn EngineMetrics>,
    /// Wakes the supervisor.
    closed: Notify,
}

/// The connection, as calls see it.
enum Line {
    Open { connection: MultiplexedConnection, server: HostPort, late: u32 },
    Closed(Away),
}

/// The open line, for connections beside it.
pub(crate) struct Opening {
    /// Changes when the line was closed and opened again: another server may answer now.
    pub(crate) number: u64,
    pub(crate) server: HostPort,
}

impl EngineLink {
    /// Creates a link, without a connection until it is [run](EngineLink::run).
    #[must_use]
    pub fn new(
        settings: EngineSettings,
        passwords: EnginePasswords,
        secrets: FleetSecrets,
        metrics: Arc<dyn EngineMetrics>,
    ) -> Self {
        metrics.connected(false);
        let away = Away::new(AwayReason::Unreachable, "not connected yet");
        Self(Arc::new(LinkState {
            dialer: Dialer::new(settings, passwords),
            secrets: RwLock::new(secrets),
            line: Mutex::new(Line::Closed(away)),
            openings: AtomicU64::new(0),
            state: EngineState::default(),
            metrics,
            closed: Notify::new(),
        }))
    }

    /// Returns the condition of the engine.
    #[must_use]
    pub fn state(&self) -> EngineState {
        self.0.state.clone()
    }

    /// Signs and verifies with other secrets.
    pub fn replace_secrets(&self, secrets: FleetSecrets) {
        *self.0.secrets.write() = secrets;
    }

    /// Returns the way to the server.
    pub(crate) fn dialer(&self) -> &Dialer {
        &self.0.dialer
    }

    /// Lets calls use a connection.
    pub(crate) fn open(&self, primary: &Primary) {
        let Primary { address, connection, facts } = primary;
        self.0.openings.fetch_add(1, Ordering::Relaxed);
        let (connection, server) = (connection.clone(), address.clone());
        *self.0.line.lock() = Line::Open { connection, server, late: 0 };
        self.0.metrics.connected(true);
        let warning = facts.warning();
        if self.0.state.connected(facts.server.clone(), warning.clone()) {
            let address = self.0.dialer.settings.address.at(address.clone());
            let server = &facts.server;
            info!(target: LOG_TARGET, "shared: connected to {server} at {address}");
            if let Some(warning) = warning {
                warn!(target: LOG_TARGET, "shared: {address}: {warning}");
            }
        }
    }

    /// Lets calls fail at once.
    pub(crate) fn close(&self, away: &Away) {
        *self.0.line.lock() = Line::Closed(away.clone());
        self.0.metrics.connected(false);
        if self.0.state.away(away.clone()) {
            let target = self.0.dialer.settings.target();
            warn!(target: LOG_TARGET, "shared: {target} is away; this replica goes on alone: {away}");
        }
        self.0.closed.notify_one();
    }

    /// Returns the opening of the line. Fails while calls fail at once.
    pub(crate) fn opening(&self) -> Result<Opening, Away> {
        match &*self.0.line.lock() {
            Line::Open { server, .. } => {
                let number = self.0.openings.load(Ordering::Relaxed);
                Ok(Opening { number, server: server.clone() })
            }
            Line::Closed(away) => Err(away.clone()),
        }
    }

    /// Waits until calls close the line.
    pub(crate) async fn closed(&self) {
        self.0.closed.notified().await;
    }

    /// Returns the key of this fleet for a name.
    pub(crate) fn key(&self, name: &str) -> String {
        self.0.dialer.settings.name.key(name)
    }

    /// Signs a value that is stored under a key.
    pub(crate) fn sign(&self, key: &str, value: &[u8]) -> String {
        self.0.secrets.read().sign(key, value)
    }

    /// Returns true if a replica of this fleet signed a value under this key.
    pub(crate) fn verify(&self, key: &str, value: &[u8], signature: &str) -> bool {
        self.0.secrets.read().verify(key, value, signature)
    }

    /// Calls a script.
    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        operation: EngineOperation,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Away> {
        let begun = Instant::now();
        let result = self.sent(operation, script).await;
        self.record(operation, begun.elapsed(), result.as_ref().err());
        result
    }

    /// Records a call that ended.
    pub(crate) fn record(
        &self,
        operation: EngineOperation,
        duration: Duration,
        failure: Option<&Away>,
    ) {
        let failure = failure.map(|away| away.reason);
        self.0.metrics.record(&EngineCall { operation, failure, duration });
    }

    async fn sent<T: FromRedisValue>(
        &self,
        operation: EngineOperation,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Away> {
        let mut connection = match &*self.0.line.lock() {
            Line::Open { connection, .. } => connection.clone(),
            Line::Closed(away) => return Err(away.clone()),
        };
        let Ok(answered) = timeout(DEADLINE, script.invoke_async(&mut connection)).await else {
            self.late();
            return Err(late(DEADLINE));
        };
        self.answered();
        let result = answered.map_err(|error| away_of(&error));
        match &result {
            Err(away) if !is_refusal(away) => self.close(away),
            _ => self.answers(operation, result.as_ref().err()),
        }
        result
    }

    /// Notes whether the engine refuses a kind of call. Failures of the connection say nothing about it.
    pub(crate) fn answers(&self, operation: EngineOperation, failure: Option<&Away>) {
        if failure.is_some_and(|away| !is_refusal(away))
            || !self.0.state.refuses(operation, failure.cloned())
        {
            return;
        }
        let (server, operation) = (self.0.dialer.settings.target(), operation.as_str());
        match failure {
            Some(why) => {
                warn!(target: LOG_TARGET, "shared: {server} refuses calls of the kind {operation}: {why}");
            }
            None => {
                info!(target: LOG_TARGET, "shared: {server} takes calls of the kind {operation} again");
            }
        }
    }

    /// Notes a call without an answer.
    pub(crate) fn late(&self) {
        let mut line = self.0.line.lock();
        let Line::Open { late: count, .. } = &mut *line else { return };
        *count += 1;
        if *count >= LATE_MAX {
            drop(line);
            self.close(&late(DEADLINE));
        }
    }

    /// Notes an answer.
    pub(crate) fn answered(&self) {
        if let Line::Open { late, .. } = &mut *self.0.line.lock() {
            *late = 0;
        }
    }
}

/// Returns true if the server answers, but not what was asked. After any other failure another
/// connection may lead to a server that can be used.
fn is_refusal(away: &Away) -> bool {
    matches!(away.reason, AwayReason::Full | AwayReason::Refused)
}
