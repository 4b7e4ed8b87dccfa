//! Records: the unit that is written, and that a replica applies. Each is a line of JSON.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::thread::{self, available_parallelism};

use jiff::Timestamp;
use registry_core::error::Result;
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use serde::{Deserialize, Serialize};

use crate::pins::digest_origin::{DigestOrigin, KnownDigest};
use crate::pins::pin::VersionPins;
use crate::pins::stored::StoredPin;
use crate::state::BackendState;
use crate::state::stored_backend::StoredBackend;
use crate::stored::extension::{ReadExtension, StoredExtension};
use crate::stored::text::Text;
use crate::stored::{backend_text, damaged, from_json, parsed, read_backend, read_id};

/// A key with its new value; `None` deletes the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Backend(BackendId, Box<BackendState>),
    /// Time since when no backend of this name is configured.
    Retired(BackendId, Timestamp),
    Extension(BackendId, ExtensionId, Option<ReadExtension>),
    Owner(ExtensionId, Option<BackendId>),
    Pins(BackendId, ExtensionId, String, Option<VersionPins>),
    Digest(BackendId, ArtifactKey, Option<KnownDigest>),
}

/// A record as JSON: `{"owner":["provider/aws","gitea"]}`. The array has the key, then the value or
/// `null`. Backends are written as [`BackendId::qualified`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Backend(#[serde(borrow)] Text<'a>, #[serde(borrow)] Box<StoredBackend<'a>>),
    Retired(Text<'a>, Timestamp),
    Extension(Text<'a>, Text<'a>, Option<StoredExtension<'a>>),
    Owner(Text<'a>, Option<Text<'a>>),
    Pin(Text<'a>, Text<'a>, Text<'a>, Option<Vec<StoredPin<'a>>>),
    /// The origin is left out where it is not known, as in state written before it was recorded.
    Digest(
        Text<'a>,
        Text<'a>,
        Option<Text<'a>>,
        #[serde(default, skip_serializing_if = "Option::is_none")] Option<DigestOrigin>,
    ),
}

impl Record {
    pub(super) fn write(&self, mut out: &mut dyn Write) -> io::Result<()> {
        let line = match self {
            Self::Backend(of, state) => {
                Line::Backend(backend_text(*of), Box::new(StoredBackend::of(state)))
            }
            Self::Retired(of, since) => Line::Retired(backend_text(*of), *since),
            Self::Extension(of, id, value) => {
                let value = value.as_ref().map(|(all, read)| StoredExtension::of(all, *read));
                Line::Extension(backend_text(*of), id.to_string().into(), value)
            }
            Self::Owner(id, owner) => Line::Owner(id.to_string().into(), owner.map(backend_text)),
            Self::Pins(of, id, version, pins) => {
                let pins = pins.as_ref().map(StoredPin::of_all);
                Line::Pin(backend_text(*of), id.to_string().into(), version.as_str().into(), pins)
            }
            Self::Digest(of, key, known) => {
                let digest = known.as_ref().map(|known| known.digest.to_string().into());
                let origin = known.as_ref().and_then(|known| known.origin);
                Line::Digest(backend_text(*of), key.as_str().into(), digest, origin)
            }
        };
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")
    }

    /// Every value must be valid in the domain; the error names the first one that is not.
    pub(super) fn read(line: &str) -> Result<Self> {
        Ok(match from_json(line)? {
            Line::Backend(of, state) => Self::Backend(read_backend(&of)?, Box::new(state.read()?)),
            Line::Retired(of, since) => Self::Retired(read_backend(&of)?, since),
            Line::Extension(of, id, value) => {
                let (of, id) = (read_backend(&of)?, read_id(&id)?);
                let value = value.map(|stored| stored.read(of, id.clone())).transpose()?;
                Self::Extension(of, id, value)
            }
            Line::Owner(id, owner) => {
                Self::Owner(read_id(&id)?, owner.map(|of| read_backend(&of)).transpose()?)
            }
            Line::Pin(of, id, version, pins) => {
                let pins = pins.map(StoredPin::read_all).transpose()?;
                Self::Pins(read_backend(&of)?, read_id(&id)?, version.into(), pins)
            }
            Line::Digest(of, key, digest, origin) => {
                let digest = digest.map(|digest| parsed("digest", &digest)).transpose()?;
                let known = digest.map(|digest| KnownDigest { digest, origin });
                Self::Digest(read_backend(&of)?, ArtifactKey::new(key), known)
            }
        })
    }
}

const LINES_MIN: usize = 500;

/// Parses with one thread per processor, because this takes most of the startup time.
pub(super) fn read_all(
    lines: &[&str],
    read: impl Fn(&str) -> Result<Record> + Sync,
) -> Result<Vec<Record>> {
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    let share = lines.len().div_ceil(threads).max(LINES_MIN);
    let read = &read;
    thread::scope(|scope| {
        let parts = lines.chunks(share).map(|part| {
            scope.spawn(move || part.iter().map(|line| read(line)).collect::<Result<Vec<_>>>())
        });
        // Collected, so that all threads start before the first is awaited.
        let parts: Vec<_> = parts.collect();
        let mut records = Vec::with_capacity(lines.len());
        for part in parts {
            records.append(&mut part.join().map_err(|_| damaged("reading it panicked"))??);
        }
        Ok(records)
    })
}

/// Returns the kind and the first part of the key, without parsing the rest.
pub(super) fn kind_and_name(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.split('"');
    Some((parts.nth(1)?, parts.nth(1)?))
}

#[cfg(test)]
mod tests {
    use registry_core::models::digest::Digest;

    use super::*;

    #[test]
    fn a_digest_is_read_with_and_without_its_origin() {
        let digest = Digest::sha256(b"a");
        for (origin, end) in [(None, ""), (Some(DigestOrigin::Checksum), ",\"checksum\"")] {
            let line = format!("{{\"digest\":[\"gitea\",\"k\",\"{digest}\"{end}]}}\n");
            let record = Record::read(&line).unwrap();
            let known = KnownDigest { digest: digest.clone(), origin };
            let expected = Record::Digest(BackendId::GITEA, ArtifactKey::new("k"), Some(known));
            assert_eq!(record, expected);
            let mut written = Vec::new();
            record.write(&mut written).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), line);
        }
        let removed = "{\"digest\":[\"gitea\",\"k\",null]}\n";
        let mut written = Vec::new();
        Record::read(removed).unwrap().write(&mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), removed);
    }
}
