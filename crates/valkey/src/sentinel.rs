//! Questions to one sentinel.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisError, cmd};
use registry_fleet::failure::{Away, AwayReason};
use secrecy::SecretString;
use tokio::time::timeout;

use crate::dial::{authenticated, connected};
use crate::failure::{away_of, late, plain};
use crate::host_port::HostPort;
use crate::sentinels::{SentinelName, Sentinels};
use crate::settings::EngineSettings;

/// Maximum time for a connection to a sentinel, credentials and answers.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// A sentinel that is asked, each time over a new connection.
pub(crate) struct Sentinel<'a> {
    pub(crate) settings: &'a EngineSettings,
    pub(crate) sentinels: &'a Sentinels,
    pub(crate) address: &'a HostPort,
    pub(crate) password: Option<SecretString>,
}

/// Numbers that decide whether sentinels can replace a primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SentinelView {
    pub(crate) primary: HostPort,
    /// Replicas of the primary that the sentinel knows.
    pub(crate) replicas: usize,
    /// Sentinels that it knows, itself included.
    pub(crate) sentinels: usize,
    /// Sentinels that have to agree that the primary is down.
    pub(crate) quorum: usize,
}

impl Sentinel<'_> {
    /// Returns the address of the primary.
    pub(crate) async fn primary(&self) -> Result<HostPort, Away> {
        let asked = async { self.primary_over(&mut self.connected().await?).await };
        timeout(ANSWER_MAX, asked).await.unwrap_or_else(|_| Err(late(ANSWER_MAX)))
    }

    /// Returns what the sentinel knows about the primary.
    pub(crate) async fn view(&self) -> Result<SentinelView, Away> {
        let asked = async {
            let mut connection = self.connected().await?;
            let primary = self.primary_over(&mut connection).await?;
            let mut command = cmd("SENTINEL");
            command.arg("MASTER").arg(self.sentinels.name.to_string());
            let fields: HashMap<String, String> = self.query(&command, &mut connection).await?;
            let number = |name: &str| {
                let number = fields.get(name).and_then(|number| number.parse::<usize>().ok());
                number.ok_or_else(|| refused(format!("its answer has no number {name}")))
            };
            let (replicas, quorum) = (number("num-slaves")?, number("quorum")?);
            let sentinels = number("num-other-sentinels")?.saturating_add(1);
            Ok(SentinelView { primary, replicas, sentinels, quorum })
        };
        timeout(ANSWER_MAX, asked).await.unwrap_or_else(|_| Err(late(ANSWER_MAX)))
    }

    async fn connected(&self) -> Result<MultiplexedConnection, Away> {
        let mut connection = connected(self.settings, self.address, ANSWER_MAX).await?;
        if let Some(password) = &self.password {
            let user = self.sentinels.username.as_deref();
            let admitted = authenticated(user, password, &mut connection).await;
            admitted.map_err(|error| self.failure_of(&error))?;
        }
        Ok(connection)
    }

    async fn primary_over(&self, connection: &mut MultiplexedConnection) -> Result<HostPort, Away> {
        let name = &self.sentinels.name;
        let mut command = cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(name.to_string());
        let named: Option<(String, String)> = self.query(&command, connection).await?;
        let (host, port) = named.ok_or_else(|| unknown(name))?;
        HostPort::parse(&host, &port).map_err(|error| {
            let (host, port) = (plain(&host), plain(&port));
            refused(format!("the address {host:?} {port:?} of the primary cannot be used: {error}"))
        })
    }

    async fn query<T: FromRedisValue>(
        &self,
        command: &Cmd,
        connection: &mut MultiplexedConnection,
    ) -> Result<T, Away> {
        command.query_async(connection).await.map_err(|error| self.failure_of(&error))
    }

    /// Sentinels have credentials of their own, and other commands than servers.
    fn failure_of(&self, error: &RedisError) -> Away {
        let said = error.detail().unwrap_or_default();
        match error.code() {
            Some("WRONGPASS" | "NOAUTH") => refused(
                "it refuses the credentials; check shared.sentinel_username and the file \
                 shared.sentinel_password_path",
            ),
            Some("NOPERM") => refused(
                "the user lacks a right; allow the commands sentinel|get-master-addr-by-name and \
                 sentinel|master",
            ),
            _ if said.contains("without any password configured") => refused(
                "it has no password, but shared.sentinel_password_path is set; remove that key, or \
                 set a password at the sentinel",
            ),
            _ if said.contains("unknown command") => {
                refused("it is a server, and no sentinel; name sentinels in shared.sentinels")
            }
            _ if said.contains("No such master") => unknown(&self.sentinels.name),
            _ => away_of(error),
        }
    }
}

fn unknown(name: &SentinelName) -> Away {
    refused(format!("it watches no primary of the name {name}; check shared.sentinel_name"))
}

fn refused(what: impl Into<String>) -> Away {
    Away::new(AwayReason::Refused, what)
}
