//! State log: a file of records, to which batches are appended.
//!
//! The first line has the version of the format. Each batch ends with a line that has its SHA-256;
//! that of the first batch covers the first line too. Of a key, the last record counts.

use std::fs::Metadata;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use registry_core::error::{Error, Result};
use registry_core::files;
use registry_core::files::folder::Folder;
use registry_core::files::unfinished::Unfinished;
use registry_core::models::digest::Digest;
use tracing::warn;

use crate::LOG_TARGET;
use crate::state::Snapshot;
use crate::state::batches::{Hashed, Verified, has_sum, verified, write_sum};
use crate::state::file::{Content, Head, LENGTH_MAX, Unusable, mismatch, set_aside, unwritable};
use crate::state::record::{Record, read_all};
use crate::state::webhook_file;

const NAME: &str = "state.log";
/// Version of the format. It is raised when an older service would misread the file.
const VERSION: u32 = 3;
const UNFINISHED: &str = ".state.log.unfinished-";
#[derive(Clone, Debug)]
pub(super) struct StateLog {
    dir: PathBuf,
}

/// File and length after the last write. If they differ, another process wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    inode: u64,
    pub(super) length: u64,
}

#[derive(Default)]
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    /// `None` if the file has to be written as a whole.
    pub(super) extent: Option<Extent>,
    /// Length of the last full write, which is the first batch.
    pub(super) full: u64,
}

impl StateLog {
    pub(super) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads the file; `None` if it is absent. Cuts off an incomplete batch, and moves a damaged
    /// file aside after reading its valid part. Fails if a newer release wrote the file.
    pub(super) fn read(&self, now: Timestamp) -> Result<Option<Loaded>> {
        let found = Content::of(&self.dir, NAME, VERSION);
        match found.and_then(|found| found.map(|found| self.loaded(&found, now)).transpose()) {
            Ok(loaded) => Ok(loaded),
            Err(Unusable::Newer(error)) => Err(error),
            Err(Unusable::Damaged(error)) => {
                self.set_aside(&error, now);
                Ok(Some(Loaded::default()))
            }
        }
    }

    fn loaded(&self, found: &Content, now: Timestamp) -> Result<Loaded, Unusable> {
        let Verified { lines, first, end } = verified(&found.bytes);
        // The first batch got its name when it was whole, so no crash has cut it short.
        let (_, lines) = lines.split_first().ok_or_else(mismatch)?;
        let snapshot = Snapshot::of(read_all(lines, Record::read)?);
        let rest = found.bytes.get(end..).unwrap_or_default();
        let extent = if rest.is_empty() {
            Some(Extent::of(&found.metadata))
        } else if has_sum(rest) {
            self.set_aside(&mismatch(), now);
            self.replace(|out| lines.iter().try_for_each(|line| writeln!(out, "{line}"))).ok()
        } else {
            let path = self.path();
            warn!(target: LOG_TARGET,
                path = %path.display(), bytes = rest.len(),
                "the last write to the state log was cut short and is left out"
            );
            self.cut(end).ok()
        };
        Ok(Loaded { snapshot, extent, full: u64::try_from(first).unwrap_or(u64::MAX) })
    }

    /// Creates the directory, checks that it is writable, and removes temporary files of a crash.
    pub(super) fn prepare(&self) -> Result<()> {
        files::private_directory(&self.dir).map_err(unwritable)?;
        let dir = Folder::named(&self.dir).map_err(unwritable)?;
        for name in dir.files().unwrap_or_default().0 {
            let is_unfinished = |prefix| name.to_string_lossy().starts_with(prefix);
            if [UNFINISHED, webhook_file::UNFINISHED].into_iter().any(is_unfinished) {
                // Failures are ignored: such files do no harm.
                let _ = dir.remove(name);
            }
        }
        // Permissions, quotas and read-only mounts show reliably only when a file is created.
        Unfinished::begin(dir, UNFINISHED).map(drop).map_err(unwritable)
    }

    /// Appends a batch, or cuts it off again. `None` if the file changed: a full write is due.
    pub(super) fn append(&self, records: &[Record], before: Extent) -> Result<Option<Extent>> {
        let dir = Folder::named(&self.dir).map_err(unwritable)?;
        let Ok((mut file, found)) = dir.append(NAME) else { return Ok(None) };
        let mut batch = Vec::new();
        for record in records {
            record.write(&mut batch).map_err(unwritable)?;
        }
        let sum = Digest::sha256(&batch);
        write_sum(&mut batch, &sum).map_err(unwritable)?;
        let length = found.len().saturating_add(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        if Extent::of(&found) != before || length > LENGTH_MAX {
            return Ok(None);
        }
        if let Err(error) = file.write_all(&batch).and_then(|()| file.sync_data()) {
            // Nothing may follow half a batch. If this fails too, the extent differs next time.
            let _ = file.set_len(before.length);
            return Err(unwritable(error));
        }
        Ok(Some(Extent { length, ..before }))
    }

    /// Writes these records, and present lines that `keeps` selects, to a new file: a crash leaves
    /// the old content or the new one.
    pub(super) fn rewrite(
        &self,
        mut records: impl Iterator<Item = Record>,
        keeps: Option<&dyn Fn(&str) -> bool>,
    ) -> Result<Extent> {
        // Read as carefully as at a start: the file may have been damaged since.
        let old = keeps.and_then(|_| Content::of(&self.dir, NAME, VERSION).ok().flatten());
        let lines = old.as_ref().map(|old| verified(&old.bytes).lines).unwrap_or_default();
        let lines = lines.into_iter().skip(1);
        let mut kept = lines.filter(|line| keeps.is_some_and(|keeps| keeps(line)));
        let replaced = self.replace(|out| {
            kept.try_for_each(|line| writeln!(out, "{line}"))?;
            records.try_for_each(|record| record.write(out))
        });
        replaced.map_err(unwritable)
    }

    fn replace(
        &self,
        payload: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Extent> {
        let dir = Folder::named(&self.dir)?;
        let (file, unfinished) = Unfinished::begin(Folder::named(&self.dir)?, UNFINISHED)?;
        let mut out = BufWriter::new(Hashed::new(&file));
        serde_json::to_writer(&mut out, &Head { version: VERSION, digest: None })?;
        out.write_all(b"\n")?;
        payload(&mut out)?;
        let hashed = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut sum = Vec::new();
        write_sum(&mut sum, &hashed.digest())?;
        (&file).write_all(&sum)?;
        let written = file.metadata()?;
        // Refused here rather than at the next start, when the state would be lost.
        if written.len() > LENGTH_MAX {
            return Err(io::Error::other(format!(
                "it would be larger than {LENGTH_MAX} bytes, which is not read back; lower \
                 catalog.max_bytes"
            )));
        }
        unfinished.finish(&file, &dir, NAME)?;
        Ok(Extent::of(&written))
    }

    fn cut(&self, length: usize) -> io::Result<Extent> {
        let (file, _) = Folder::named(&self.dir)?.append(NAME)?;
        file.set_len(u64::try_from(length).map_err(io::Error::other)?)?;
        Ok(Extent::of(&file.metadata()?))
    }

    fn set_aside(&self, error: &Error, now: Timestamp) {
        set_aside(&self.dir, NAME, "the state log", error, now);
    }
}

impl Extent {
    fn of(found: &Metadata) -> Self {
        Self { inode: found.ino(), length: found.len() }
    }
}
