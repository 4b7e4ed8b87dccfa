//! Connections to a server, each checked before it is used.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisResult, cmd};
use registry_fleet::DEADLINE;
use registry_fleet::failure::{Away, AwayReason};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use crate::failure::{away_of, late};
use crate::host_port::HostPort;
use crate::server_facts::ServerFacts;
use crate::settings::EngineSettings;

/// Maximum time for a connection with its checks: name, TCP, TLS, credentials, `INFO`, `PING`.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Connects to a server and checks it. Fails if it cannot be used, or answers too slowly.
pub(crate) async fn dial(
    settings: &EngineSettings,
    server: &HostPort,
    password: Option<&SecretString>,
) -> Result<(MultiplexedConnection, ServerFacts), Away> {
    let dialed = timeout(CONNECT_MAX, async {
        let mut connection = connected(settings, server, CONNECT_MAX).await?;
        if let Some(password) = password {
            let user = settings.username.as_deref();
            let admitted = authenticated(user, password, &mut connection).await;
            admitted.map_err(|error| away_of(&error))?;
        }
        if settings.address.database > 0 {
            answered(cmd("SELECT").arg(settings.address.database), &mut connection).await?;
        }
        let facts = facts(&mut connection).await?;
        facts.check()?;
        ping(&mut connection).await?;
        Ok((connection, facts))
    });
    let seconds = CONNECT_MAX.as_secs();
    let slow = format!("no usable connection within {seconds} s");
    dialed.await.unwrap_or_else(|_| Err(Away::new(AwayReason::Late, slow)))
}

/// Connects to a server or a sentinel, without credentials. The library waits for this limit alone.
pub(crate) async fn connected(
    settings: &EngineSettings,
    to: &HostPort,
    limit: Duration,
) -> Result<MultiplexedConnection, Away> {
    let client = settings.client(to)?;
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(None);
    let connected = client.get_multiplexed_async_connection_with_config(&config).await;
    connected.map_err(|error| away_of(&error))
}

/// Sends credentials. The library would hide why they are refused.
pub(crate) async fn authenticated(
    user: Option<&str>,
    password: &SecretString,
    connection: &mut MultiplexedConnection,
) -> RedisResult<()> {
    let mut auth = cmd("AUTH");
    auth.arg(user).arg(password.expose_secret());
    auth.query_async::<String>(connection).await.map(drop)
}

async fn answered(command: &Cmd, connection: &mut MultiplexedConnection) -> Result<(), Away> {
    command.query_async::<String>(connection).await.map(drop).map_err(|error| away_of(&error))
}

/// Asks the server what it is.
pub(crate) async fn facts(connection: &mut MultiplexedConnection) -> Result<ServerFacts, Away> {
    let command = cmd("INFO");
    let info = command.query_async::<String>(connection);
    let info = timeout(CONNECT_MAX, info).await.map_err(|_| late(CONNECT_MAX))?;
    info.map(|info| ServerFacts::parse(&info)).map_err(|error| away_of(&error))
}

/// Tries whether the server answers within the deadline of a call.
pub(crate) async fn ping(connection: &mut MultiplexedConnection) -> Result<(), Away> {
    timeout(DEADLINE, answered(&cmd("PING"), connection)).await.map_err(|_| late(DEADLINE))?
}
