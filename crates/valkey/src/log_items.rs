//! Entries and requests as fields of streams: signed, each under the key of its stream.

use registry_fleet::epoch::LogPosition;
use registry_fleet::log::{LogEntry, PostedRequest};
use registry_fleet::topic::Topic;

use crate::link::EngineLink;
use crate::log_keys::LogKeys;
use crate::stream::StreamItem;

/// Signs items and verifies them.
pub(crate) struct ItemSeal {
    link: EngineLink,
    keys: LogKeys,
}

impl ItemSeal {
    /// Uses the secrets of a link.
    pub(crate) const fn new(link: EngineLink, keys: LogKeys) -> Self {
        Self { link, keys }
    }

    /// Returns the signature of an entry.
    pub(crate) fn of_entry(&self, entry: &LogEntry) -> String {
        self.link.sign(&self.keys.log, &entry_bytes(entry))
    }

    /// Returns the signature of a request.
    pub(crate) fn of_request(&self, topic: &Topic, payload: &[u8]) -> String {
        self.link.sign(&self.keys.requests, &request_bytes(topic, payload))
    }

    /// Parses an entry; `None` if no replica of this fleet wrote it.
    pub(crate) fn entry(&self, item: StreamItem) -> Option<LogEntry> {
        let fields: [Vec<u8>; 10] = item.fields.try_into().ok()?;
        let [topic_name, topic, position_name, position, previous_name, previous, rest @ ..] =
            fields;
        let [payload_name, payload, mac_name, mac] = rest;
        let names = [topic_name, position_name, previous_name, payload_name, mac_name];
        if names != [&b"topic"[..], b"position", b"previous", b"payload", b"mac"] {
            return None;
        }
        let (topic, position) = (topic_of(&topic)?, position_of(&position)?);
        let previous = position_of(&previous)?;
        let entry = LogEntry { topic, position, previous, payload: payload.into() };
        self.is_signed(&self.keys.log, &entry_bytes(&entry), &mac).then_some(entry)
    }

    /// Parses a request; `None` if no replica of this fleet wrote it.
    pub(crate) fn request(&self, item: StreamItem) -> Option<PostedRequest> {
        let fields: [Vec<u8>; 6] = item.fields.try_into().ok()?;
        let [topic_name, topic, payload_name, payload, mac_name, mac] = fields;
        if [topic_name, payload_name, mac_name] != [&b"topic"[..], b"payload", b"mac"] {
            return None;
        }
        let topic = topic_of(&topic)?;
        let signed = request_bytes(&topic, &payload);
        let is_ours = self.is_signed(&self.keys.requests, &signed, &mac);
        is_ours.then(|| PostedRequest { place: item.place, topic, payload: payload.into() })
    }

    fn is_signed(&self, key: &str, value: &[u8], mac: &[u8]) -> bool {
        std::str::from_utf8(mac).is_ok_and(|mac| self.link.verify(key, value, mac))
    }
}

/// Returns the bytes of an entry that are signed. Only the payload may have a space.
fn entry_bytes(entry: &LogEntry) -> Vec<u8> {
    let LogEntry { topic, position, previous, payload } = entry;
    [format!("{topic} {position} {previous} ").as_bytes(), payload].concat()
}

/// Returns the bytes of a request that are signed.
fn request_bytes(topic: &Topic, payload: &[u8]) -> Vec<u8> {
    [format!("{topic} ").as_bytes(), payload].concat()
}

fn topic_of(value: &[u8]) -> Option<Topic> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn position_of(value: &[u8]) -> Option<LogPosition> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
