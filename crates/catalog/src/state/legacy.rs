//! State files of version 0.2: `catalogue.json`, which also 0.1 wrote, and `digests.json`. They are
//! read while there is no state log, and stay as they are.

use std::collections::BTreeMap;
use std::path::Path;

use registry_core::error::Result;
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::backend_id::BackendId;
use serde::Deserialize;
use tracing::warn;

use crate::LOG_TARGET;
use crate::pins::digest_origin::KnownDigest;
use crate::pins::stored::StoredPin;
use crate::state::Snapshot;
use crate::state::file::{Content, Unusable};
use crate::state::record::{Record, read_all};
use crate::state::stored_backend::StoredBackend;
use crate::stored::extension::StoredExtension;
use crate::stored::text::Text;
use crate::stored::{damaged, from_json, parsed, read_backend, read_id};

/// File name, version of the format, and parser of the payload.
const FILES: [(&str, u32, Meaning); 2] =
    [("catalogue.json", 2, catalog_records), ("digests.json", 1, pin_records)];

/// First line of the catalog's payload. The extensions follow, one in each line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCatalog<'a> {
    #[serde(borrow)]
    backends: Vec<StoredBackend<'a>>,
    owners: BTreeMap<String, Vec<Text<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPins<'a> {
    #[serde(borrow)]
    digests: BTreeMap<String, Text<'a>>,
    versions: BTreeMap<String, BTreeMap<String, StoredVersion<'a>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StoredVersion<'a> {
    /// The pinned files, oldest first.
    #[serde(borrow)]
    Files(Vec<StoredPin<'a>>),
    /// State of version 0.1, which pinned one digest for any file.
    Any(StoredPin<'a>),
}

type Meaning = fn(&str) -> Result<Vec<Record>>;

/// Reads both files; `None` if they are absent. Leaves out a damaged file with a warning, and fails
/// if a newer release wrote one.
pub(super) fn read(dir: &Path) -> Result<Option<Snapshot>> {
    let mut records: Option<Vec<Record>> = None;
    for (name, version, meaning) in FILES {
        let found = Content::of(dir, name, version)
            .and_then(|found| Ok(found.map(|found| meaning(found.payload()?)).transpose()?));
        match found {
            Ok(Some(found)) => records.get_or_insert_default().extend(found),
            Ok(None) => {}
            Err(Unusable::Newer(error)) => return Err(error),
            Err(Unusable::Damaged(error)) => {
                let path = dir.join(name);
                let path = path.display();
                warn!(target: LOG_TARGET, %path, "state of version 0.2 cannot be used and is lost: {}", error.report());
            }
        }
    }
    Ok(records.map(Snapshot::of))
}

fn catalog_records(text: &str) -> Result<Vec<Record>> {
    let (head, below) = text.split_once('\n').unwrap_or((text, ""));
    let StoredCatalog { backends, owners } = from_json(head)?;
    let lines: Vec<&str> = below.split_terminator('\n').collect();
    let (mut rest, mut records) = (lines.as_slice(), Vec::new());
    for stored in backends {
        let of = read_backend(stored.source.as_deref().unwrap_or_default())?;
        let (own, others) = rest
            .split_at_checked(stored.extensions)
            .ok_or_else(|| damaged("extensions are missing"))?;
        rest = others;
        records.push(Record::Backend(of, Box::new(stored.read()?)));
        records.append(&mut read_all(own, |line| extension_record(of, line))?);
    }
    // Extra lines mean that the counts are wrong, so no line can be attributed with certainty.
    if !rest.is_empty() {
        return Err(damaged("it goes on"));
    }
    for (owner, ids) in owners {
        let owner = read_backend(&owner)?;
        for id in ids {
            records.push(Record::Owner(read_id(&id)?, Some(owner)));
        }
    }
    Ok(records)
}

fn extension_record(of: BackendId, line: &str) -> Result<Record> {
    let stored: StoredExtension<'_> = from_json(line)?;
    let id = read_id(stored.id.as_deref().unwrap_or_default())?;
    Ok(Record::Extension(of, id.clone(), Some(stored.read(of, id)?)))
}

fn pin_records(text: &str) -> Result<Vec<Record>> {
    let stored: BTreeMap<String, StoredPins<'_>> = from_json(text)?;
    let mut records = Vec::new();
    for (of, StoredPins { digests, versions }) in stored {
        let of = read_backend(&of)?;
        for (key, digest) in digests {
            let digest = parsed("digest", &digest)?;
            let known = KnownDigest { digest, origin: None };
            records.push(Record::Digest(of, ArtifactKey::new(key), Some(known)));
        }
        for (id, versions) in versions {
            let id = read_id(&id)?;
            for (version, pins) in versions {
                let pins = match pins {
                    StoredVersion::Files(pins) => StoredPin::read_all(pins)?,
                    StoredVersion::Any(pin) => StoredPin::read_all(vec![pin])?,
                };
                records.push(Record::Pins(of, id.clone(), version, Some(pins)));
            }
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use registry_core::models::digest::Digest;

    use super::*;

    #[test]
    fn pins_of_version_0_1_hold_for_any_file() {
        let digest = Digest::sha256(b"a");
        let json = format!(
            r#"{{"gitea":{{"digests":{{}},"versions":{{"provider/aws":{{"1.0.0":
                {{"digest":"{digest}","size":7}}}}}}}}}}"#
        );
        let records = pin_records(&json).unwrap();
        let mut line = Vec::new();
        records[0].write(&mut line).unwrap();
        let expected = format!(
            "{{\"pin\":[\"gitea\",\"provider/aws\",\"1.0.0\",[{{\"digest\":\"{digest}\",\"size\":7}}]]}}\n"
        );
        assert_eq!(String::from_utf8(line).unwrap(), expected, "no file name, no key");
    }
}
