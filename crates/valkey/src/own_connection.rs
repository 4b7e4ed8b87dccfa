//! Connections for calls that take longer than those of the link, and would hold them up.

use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, ScriptInvocation};
use registry_fleet::failure::Away;
use registry_fleet::metrics::EngineOperation;
use tokio::time::timeout;

use crate::failure::{away_of, late};
use crate::link::EngineLink;

/// The connection of one kind of calls. Made for the first call, and kept until one fails or the link
/// has connected again.
pub(crate) struct OwnConnection {
    link: EngineLink,
    operation: EngineOperation,
    kept: Mutex<Option<OpenConnection>>,
}

/// The connection, as long as one call uses it. Clones send their commands over it at the same time.
#[derive(Clone)]
pub(crate) struct OpenConnection {
    connection: MultiplexedConnection,
    /// Opening of the link at which it was made.
    opening: u64,
}

impl OwnConnection {
    /// Connects where and while a link does.
    pub(crate) const fn new(link: EngineLink, operation: EngineOperation) -> Self {
        Self { link, operation, kept: Mutex::new(None) }
    }

    /// Returns the connection for one call. Fails at once while the engine is away, and after two
    /// seconds if it takes no connection. A call that ends early or fails must not keep it: answers
    /// may still come.
    pub(crate) async fn open(&self) -> Result<OpenConnection, Away> {
        let opening = self.link.opening()?;
        let kept = self.kept.lock().take().filter(|kept| kept.opening == opening.number);
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let primary = self.link.dialer().server(opening.server).await?;
        Ok(OpenConnection { connection: primary.connection, opening: opening.number })
    }

    /// Keeps the connection of a call that succeeded for the next one.
    pub(crate) fn keep(&self, connection: OpenConnection) {
        *self.kept.lock() = Some(connection);
    }

    /// Records a call that ended.
    pub(crate) fn record(&self, duration: Duration, failure: Option<&Away>) {
        // While the engine is away, every kind of call fails for that reason.
        if self.link.opening().is_ok() {
            self.link.answers(self.operation, failure);
        }
        self.link.record(self.operation, duration, failure);
    }
}

impl OpenConnection {
    /// Sends a command, and waits for its answer up to a limit.
    pub(crate) async fn query<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<T, Away> {
        let answered = timeout(limit, command.query_async(&mut self.connection)).await;
        answered.map_err(|_| late(limit))?.map_err(|error| away_of(&error))
    }

    /// Calls a script, and waits for its answer up to a limit.
    pub(crate) async fn invoke<T: FromRedisValue>(
        &mut self,
        script: &ScriptInvocation<'_>,
        limit: Duration,
    ) -> Result<T, Away> {
        let answered = timeout(limit, script.invoke_async(&mut self.connection)).await;
        answered.map_err(|_| late(limit))?.map_err(|error| away_of(&error))
    }
}
