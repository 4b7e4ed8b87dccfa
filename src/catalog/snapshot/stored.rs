//! The stored vocabulary: a snapshot as JSON, and back through the parsers of the domain.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Fault;
use crate::backend::changes::ChangeCursor;
use crate::catalog::snapshot::stored_release::{StoredAbout, StoredRelease, read_release};
use crate::catalog::snapshot::{Kept, Snapshot, Unsettled};
use crate::error::{Error, ErrorKind, Result};
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;
use crate::models::source::Source;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSnapshot {
    backends: Vec<StoredBackend>,
    /// Names by their owner.
    owners: BTreeMap<String, Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBackend {
    source: String,
    fingerprint: String,
    current_as_of: Timestamp,
    last_success: Option<Timestamp>,
    cursor: Option<String>,
    swept: Option<Timestamp>,
    /// Repository and reason.
    faults: Vec<(String, String)>,
    extensions: Vec<StoredExtension>,
    /// Extensions that were said to be gone, once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubted: Vec<String>,
    /// Extensions that are to be read again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dirty: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredExtension {
    id: String,
    read: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    awaits_archive: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
    /// What its releases say, each text once: most say the same.
    abouts: Vec<StoredAbout>,
    releases: Vec<StoredRelease>,
}

/// The JSON of a snapshot.
///
/// # Errors
/// None that a snapshot of ours can bring about.
pub(super) fn to_json(snapshot: &Snapshot) -> Result<Vec<u8>> {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, owner) in &snapshot.owners {
        owners.entry(owner.to_string()).or_default().push(id.to_string());
    }
    let backends = snapshot.backends.iter().map(stored_backend).collect();
    serde_json::to_vec(&StoredSnapshot { backends, owners })
        .map_err(|error| Error::new(ErrorKind::Internal, "It cannot be written").because(error))
}

/// The snapshot of a JSON, nothing of it believed that the domain does not accept.
///
/// # Errors
/// The first thing that is not acceptable.
pub(super) fn from_json(json: &[u8]) -> Result<Snapshot> {
    let stored: StoredSnapshot = serde_json::from_slice(json)
        .map_err(|error| damaged("its content is of another shape").because(error))?;
    let mut owners = Vec::new();
    for (owner, ids) in stored.owners {
        let owner: Source = parsed("owner", &owner)?;
        for id in ids {
            owners.push((read_id(&id)?, owner));
        }
    }
    owners.sort();
    let backends = stored.backends.into_iter().map(read_backend).collect::<Result<_>>()?;
    Ok(Snapshot { backends, owners })
}

fn stored_backend(kept: &Kept) -> StoredBackend {
    let faults = kept.faults.iter();
    let extensions = kept.extensions.iter();
    StoredBackend {
        source: kept.source.to_string(),
        fingerprint: kept.fingerprint.clone(),
        current_as_of: kept.current_as_of,
        last_success: kept.last_success,
        cursor: kept.cursor.as_ref().map(|cursor| cursor.as_str().to_owned()),
        swept: kept.swept,
        faults: faults.map(|f| (f.repository.clone(), f.reason.clone())).collect(),
        extensions: extensions.map(|(all, read)| stored_extension(all, *read)).collect(),
        doubted: kept.unsettled.doubted.iter().map(ToString::to_string).collect(),
        dirty: kept.unsettled.dirty.iter().map(ToString::to_string).collect(),
    }
}

fn read_backend(stored: StoredBackend) -> Result<Kept> {
    let source: Source = parsed("source", &stored.source)?;
    let faults = stored.faults.into_iter();
    let extensions = stored.extensions.into_iter();
    Ok(Kept {
        source,
        fingerprint: stored.fingerprint,
        current_as_of: stored.current_as_of,
        last_success: stored.last_success,
        cursor: stored.cursor.map(ChangeCursor::new),
        swept: stored.swept,
        faults: faults.map(|(repository, reason)| Fault { repository, reason }).collect(),
        extensions: extensions.map(|all| read_extension(source, all)).collect::<Result<_>>()?,
        unsettled: Unsettled {
            doubted: read_ids(&stored.doubted)?,
            dirty: read_ids(&stored.dirty)?,
        },
    })
}

fn stored_extension(extension: &Extension, read: Timestamp) -> StoredExtension {
    let mut abouts = Vec::new();
    let releases = extension.all_releases();
    let releases = releases.map(|release| StoredRelease::of(release, &mut abouts)).collect();
    StoredExtension {
        id: extension.id().to_string(),
        read,
        awaits_archive: extension.awaits_archive(),
        faults: extension.faults().to_vec(),
        abouts: abouts.into_iter().map(StoredAbout::of).collect(),
        releases,
    }
}

fn read_extension(source: Source, stored: StoredExtension) -> Result<(Arc<Extension>, Timestamp)> {
    let id = read_id(&stored.id)?;
    let abouts: Vec<_> = stored.abouts.into_iter().map(|about| Arc::new(about.into())).collect();
    let releases = stored.releases.into_iter();
    let releases = releases.map(|one| read_release(source, one, &abouts)).collect::<Result<_>>()?;
    let extension = Extension::new(id, releases)
        .awaiting_archive(stored.awaits_archive)
        .with_faults(stored.faults);
    Ok((Arc::new(extension), stored.read))
}

fn read_ids(texts: &[String]) -> Result<Vec<ExtensionId>> {
    texts.iter().map(|text| read_id(text)).collect()
}

/// The id in a text like `provider/aws`.
pub(in crate::catalog) fn read_id(text: &str) -> Result<ExtensionId> {
    let (extension_type, name) =
        text.split_once('/').ok_or_else(|| damaged(format!("{text:?} is no extension")))?;
    Ok(ExtensionId { name: parsed("name", name)?, extension_type: parsed("type", extension_type)? })
}

/// A value of the domain, or why the text is none.
pub(in crate::catalog) fn parsed<T>(what: &str, text: &str) -> Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| damaged(format!("{text:?} is no {what}")).because(error))
}

/// The snapshot cannot be used, for this reason.
pub(in crate::catalog) fn damaged(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Internal, why)
}
