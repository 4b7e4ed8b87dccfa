//! Reading of both streams, on a connection of its own: a wait there holds up no call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::cmd;
use registry_fleet::failure::{Away, AwayReason};
use registry_fleet::log::{Cursor, Heard};
use registry_fleet::metrics::EngineOperation;
use tokio::time::Instant;

use crate::link::EngineLink;
use crate::log_items::ItemSeal;
use crate::log_keys::LogKeys;
use crate::own_connection::{OpenConnection, OwnConnection};
use crate::script::PLACES;
use crate::stream::{StreamItems, id_of, place_of};
use crate::unsigned::UnsignedItems;

/// Maximum time for a look at the places of a cursor.
const CHECK_MAX: Duration = Duration::from_secs(1);
/// Time for which the server waits for an item.
const BLOCK: Duration = Duration::from_secs(1);
/// Maximum time for items, the wait for the first one included.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Maximum number of items of each stream in an answer.
const ITEMS_MAX: usize = 100;

/// Reads what follows a cursor.
pub(crate) struct LogReader {
    keys: LogKeys,
    seal: ItemSeal,
    connection: OwnConnection,
    /// Items that the next answer may have. Large ones do not fit into the time by the hundred.
    items: AtomicUsize,
    unsigned: UnsignedItems,
}

impl LogReader {
    /// Reads from the engine of a link.
    pub(crate) fn new(link: EngineLink, keys: LogKeys) -> Self {
        Self {
            seal: ItemSeal::new(link.clone(), keys.clone()),
            keys,
            connection: OwnConnection::new(link, EngineOperation::Follow),
            items: AtomicUsize::new(ITEMS_MAX),
            unsigned: UnsignedItems::default(),
        }
    }

    /// Returns what follows a cursor, and moves it.
    pub(crate) async fn read(&self, cursor: &mut Cursor) -> Result<Heard, Away> {
        let begun = Instant::now();
        let result = self.answered(*cursor).await;
        // A wait for the next item says nothing about the server.
        let duration = result.as_ref().map_or_else(|_| begun.elapsed(), |(_, checked)| *checked);
        self.connection.record(duration, result.as_ref().err());
        let items = match &result {
            Ok(_) => (self.items.load(Ordering::Relaxed) * 2).min(ITEMS_MAX),
            Err(away) if away.reason == AwayReason::Late => 1,
            Err(_) => self.items.load(Ordering::Relaxed),
        };
        self.items.store(items, Ordering::Relaxed);
        let (behind, _) = result?;
        Ok(self.heard(behind, cursor))
    }

    /// Returns the items behind a cursor, and the time that passed before the wait for them.
    async fn answered(&self, cursor: Cursor) -> Result<(Behind, Duration), Away> {
        let begun = Instant::now();
        let mut connection = self.connection.open().await?;
        let from = self.found(&mut connection, cursor).await?;
        let checked = begun.elapsed();
        let first = "0-0".to_owned();
        let mut command = cmd("XREAD");
        command.arg("BLOCK").arg(BLOCK.as_millis().to_string());
        command.arg("COUNT").arg(self.items.load(Ordering::Relaxed));
        command.arg("STREAMS").arg(&self.keys.log).arg(&self.keys.requests);
        command.arg(from.entries.map_or_else(|| first.clone(), id_of));
        command.arg(from.requests.map_or(first, id_of));
        let streams = connection.query(&command, ANSWER_MAX).await?;
        self.connection.keep(connection);
        Ok((Behind { from, streams }, checked))
    }

    /// Returns the cursor without places that are gone. Requests go when they are answered: only an
    /// earlier end of their stream shows that it is another one.
    async fn found(&self, connection: &mut OpenConnection, cursor: Cursor) -> Result<Cursor, Away> {
        let mut script = PLACES.prepare_invoke();
        script.key(&self.keys.log).key(&self.keys.requests);
        script.arg(cursor.entries.map(id_of).unwrap_or_default());
        let (is_there, last): (bool, String) = connection.invoke(&script, CHECK_MAX).await?;
        if !is_there {
            return Ok(Cursor::default());
        }
        let is_earlier = place_of(&last).is_some_and(|last| Some(last) < cursor.requests);
        Ok(if is_earlier { Cursor { requests: None, ..cursor } } else { cursor })
    }

    /// Returns the items that replicas of this fleet wrote, and moves the cursor past all.
    fn heard(&self, behind: Behind, cursor: &mut Cursor) -> Heard {
        let (mut heard, mut unsigned) = (Heard::default(), 0);
        *cursor = behind.from;
        for StreamItems { key, items } in behind.streams.into_iter().flatten() {
            for item in items {
                let place = item.place;
                let is_ours = if key == self.keys.log {
                    cursor.entries = Some(place);
                    self.seal.entry(item).map(|entry| heard.entries.push(entry)).is_some()
                } else {
                    cursor.requests = Some(place);
                    self.seal.request(item).map(|request| heard.requests.push(request)).is_some()
                };
                unsigned += u64::from(!is_ours);
            }
        }
        self.unsigned.left_out(unsigned);
        heard
    }
}

/// What a server has behind a cursor.
struct Behind {
    /// The cursor.
    from: Cursor,
    /// Both streams; nothing if no item came while the server waited.
    streams: Option<Vec<StreamItems>>,
}
