//! Stored form of a snapshot: lines of JSON, read back through the parsers of the domain.
//!
//! The first line has everything but the extensions, and their number for each backend. Each
//! further line is one extension. So only a few extensions exist in both forms at a time, and
//! several threads can parse the lines.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, available_parallelism};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Fault;
use crate::backend::changes::ChangeCursor;
use crate::catalog::snapshot::damage::{damaged, parsed};
use crate::catalog::snapshot::stored_evidence::{StoredCoverage, StoredFault, StoredSubject};
use crate::catalog::snapshot::stored_release::{StoredAbout, StoredRelease, read_release};
use crate::catalog::snapshot::text::Text;
use crate::catalog::snapshot::{Kept, Snapshot, Unsettled};
use crate::error::Result;
use crate::models::backend_id::BackendId;
use crate::models::extension::Extension;
use crate::models::fault::FaultSubject;
use crate::models::naming::ExtensionId;

/// Minimum number of lines per thread.
const LINES_MIN: usize = 500;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSnapshot<'a> {
    #[serde(borrow)]
    backends: Vec<StoredBackend<'a>>,
    /// Names by owner.
    owners: BTreeMap<String, Vec<Text<'a>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBackend<'a> {
    #[serde(borrow)]
    source: Text<'a>,
    fingerprint: Text<'a>,
    current_as_of: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    complete_as_of: Option<Timestamp>,
    last_success: Option<Timestamp>,
    cursor: Option<Text<'a>>,
    swept: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listing_gap: Option<Text<'a>>,
    /// Repository and reason.
    faults: Vec<(Text<'a>, Text<'a>)>,
    /// Subject of each fault; empty if all concern a repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fault_subjects: Vec<StoredSubject<'a>>,
    /// Number of extensions. Their lines follow those of the previous backends.
    extensions: usize,
    /// Extensions that were reported as gone once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubted: Vec<Text<'a>>,
    /// Extensions in the refresh queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dirty: Vec<Text<'a>>,
    /// Extensions that were refused for lack of room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Text<'a>>,
    /// Extensions whose last read failed or was incomplete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredExtension<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    read: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    awaits_archive: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    faults: Vec<StoredFault<'a>>,
    #[serde(default, skip_serializing_if = "StoredCoverage::is_complete")]
    coverage: StoredCoverage<'a>,
    /// Descriptions of releases, each once: most releases of an extension have equal ones.
    abouts: Vec<StoredAbout<'a>>,
    releases: Vec<StoredRelease<'a>>,
}

/// Writes a snapshot as lines of JSON.
///
/// # Errors
///
/// The writer's errors.
pub(super) fn write_lines(snapshot: &Snapshot, mut out: &mut dyn Write) -> io::Result<()> {
    let mut owners: BTreeMap<String, Vec<Text<'_>>> = BTreeMap::new();
    for (id, owner) in &snapshot.owners {
        owners.entry(owner.qualified()).or_default().push(id.to_string().into());
    }
    let backends = snapshot.backends.iter().map(stored_backend).collect();
    serde_json::to_writer(&mut out, &StoredSnapshot { backends, owners })?;
    for (extension, read) in snapshot.backends.iter().flat_map(|kept| &kept.extensions) {
        out.write_all(b"\n")?;
        serde_json::to_writer(&mut out, &stored_extension(extension, *read))?;
    }
    Ok(())
}

/// Parses a snapshot. Every value must be valid in the domain.
///
/// # Errors
///
/// Names the first value that is not valid.
pub(super) fn read_lines(json: &[u8]) -> Result<Snapshot> {
    let text = str::from_utf8(json).map_err(|error| damaged("it is no text").because(error))?;
    let (head, below) = text.split_once('\n').unwrap_or((text, ""));
    let stored: StoredSnapshot<'_> = from_json(head)?;
    let lines: Vec<&str> = below.split_terminator('\n').collect();
    let mut owners = Vec::new();
    for (owner, ids) in stored.owners {
        let owner: BackendId = parsed("owner", &owner)?;
        for id in ids {
            owners.push((read_id(&id)?, owner));
        }
    }
    // The file groups names by owner; the catalog expects them ordered by name.
    owners.sort();
    let mut rest = lines.as_slice();
    let mut backends = Vec::new();
    for backend in stored.backends {
        let (own, others) = rest
            .split_at_checked(backend.extensions)
            .ok_or_else(|| damaged("extensions are missing"))?;
        backends.push(read_backend(backend, own)?);
        rest = others;
    }
    // Extra lines mean that the counts are wrong, so no line can be attributed with certainty.
    if rest.is_empty() { Ok(Snapshot { backends, owners }) } else { Err(damaged("it goes on")) }
}

fn from_json<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T> {
    serde_json::from_str(line)
        .map_err(|error| damaged("its content is of another shape").because(error))
}

fn stored_backend(kept: &Kept) -> StoredBackend<'_> {
    let faults = kept.faults.iter();
    let ids = |ids: &[ExtensionId]| ids.iter().map(|id| id.to_string().into()).collect();
    StoredBackend {
        source: kept.backend.qualified().into(),
        fingerprint: kept.fingerprint.as_str().into(),
        current_as_of: kept.current_as_of,
        complete_as_of: kept.complete_as_of,
        last_success: kept.last_success,
        cursor: kept.cursor.as_ref().map(|cursor| cursor.as_str().into()),
        swept: kept.swept,
        identity: kept.identity.as_deref().map(Into::into),
        listing_gap: kept.listing_gap.as_deref().map(Into::into),
        faults: faults.map(|f| (f.repository.as_str().into(), f.reason.as_str().into())).collect(),
        fault_subjects: StoredSubject::of_all(&kept.faults),
        extensions: kept.extensions.len(),
        doubted: ids(&kept.unsettled.doubted),
        dirty: ids(&kept.unsettled.dirty),
        refused: ids(&kept.unsettled.refused),
        incomplete: ids(&kept.unsettled.incomplete),
    }
}

fn read_backend(stored: StoredBackend<'_>, lines: &[&str]) -> Result<Kept> {
    let backend: BackendId = parsed("source", &stored.source)?;
    let mut subjects = stored.fault_subjects.into_iter();
    let faults = stored.faults.into_iter().map(|(repository, reason)| {
        // Without subjects, every fault is about a repository.
        let subject = subjects.next().map_or(Ok(FaultSubject::Repository), StoredSubject::read)?;
        Ok(Fault { repository: repository.into(), subject, reason: reason.into() })
    });
    let faults = faults.collect::<Result<_>>()?;
    Ok(Kept {
        backend,
        fingerprint: stored.fingerprint.into(),
        current_as_of: stored.current_as_of,
        complete_as_of: stored.complete_as_of,
        last_success: stored.last_success,
        cursor: stored.cursor.map(|cursor| ChangeCursor::new(String::from(cursor))),
        swept: stored.swept,
        identity: stored.identity.map(Into::into),
        listing_gap: stored.listing_gap.map(Into::into),
        faults,
        extensions: read_extensions(backend, lines)?,
        unsettled: Unsettled {
            doubted: read_ids(&stored.doubted)?,
            dirty: read_ids(&stored.dirty)?,
            refused: read_ids(&stored.refused)?,
            incomplete: read_ids(&stored.incomplete)?,
        },
    })
}

fn stored_extension(extension: &Extension, read: Timestamp) -> StoredExtension<'_> {
    let mut abouts = Vec::new();
    let releases = extension.all_releases();
    let releases = releases.map(|release| StoredRelease::of(release, &mut abouts)).collect();
    StoredExtension {
        id: extension.id().to_string().into(),
        read,
        awaits_archive: extension.awaits_archive(),
        faults: extension.faults().iter().map(StoredFault::of).collect(),
        coverage: StoredCoverage::of(extension.coverage()),
        abouts: abouts.into_iter().map(StoredAbout::of).collect(),
        releases,
    }
}

/// Parses these lines with one thread per processor, because this takes most of the startup time.
fn read_extensions(backend: BackendId, lines: &[&str]) -> Result<Vec<(Arc<Extension>, Timestamp)>> {
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    let share = lines.len().div_ceil(threads).max(LINES_MIN);
    let read = |lines: &[&str]| -> Result<Vec<_>> {
        lines.iter().map(|line| read_extension(backend, from_json(line)?)).collect()
    };
    thread::scope(|scope| {
        let parts = lines.chunks(share).map(|part| scope.spawn(move || read(part)));
        // Collected, so that all threads start before the first is awaited.
        let parts: Vec<_> = parts.collect();
        let mut extensions = Vec::with_capacity(lines.len());
        for part in parts {
            extensions.extend(part.join().map_err(|_| damaged("reading it panicked"))??);
        }
        Ok(extensions)
    })
}

fn read_extension(
    backend: BackendId,
    stored: StoredExtension<'_>,
) -> Result<(Arc<Extension>, Timestamp)> {
    let id = read_id(&stored.id)?;
    let abouts: Vec<_> = stored.abouts.into_iter().map(|about| Arc::new(about.into())).collect();
    let releases = stored.releases.into_iter();
    let releases =
        releases.map(|one| read_release(backend, one, &abouts)).collect::<Result<_>>()?;
    let faults = stored.faults.into_iter().map(StoredFault::read);
    // The constructor sorts the releases, so an edited order does no harm.
    let extension = Extension::new(id, releases)
        .awaiting_archive(stored.awaits_archive)
        .with_faults(faults.collect::<Result<_>>()?)
        .with_coverage(stored.coverage.into());
    Ok((Arc::new(extension), stored.read))
}

fn read_ids(texts: &[Text<'_>]) -> Result<Vec<ExtensionId>> {
    texts.iter().map(|text| read_id(text)).collect()
}

/// Parses an id such as `provider/aws`.
pub(in crate::catalog) fn read_id(text: &str) -> Result<ExtensionId> {
    text.parse().map_err(|error| damaged(format!("{text:?} is no extension")).because(error))
}
