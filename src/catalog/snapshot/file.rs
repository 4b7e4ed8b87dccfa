//! A file of state: written whole or not at all, and verified before it is believed.

use std::fs::{self, File};
use std::io::{self, BufWriter, IntoInnerError, Seek as _, SeekFrom, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::snapshot::damage::damaged;
use crate::error::{Error, ErrorKind, Result};
use crate::models::digest::{Algorithm, Digest, DigestHasher};

/// The first line of the file; the rest is the payload.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: u32,
    /// Of the payload.
    digest: String,
}

/// One directory's file.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct StateFile {
    dir: PathBuf,
    name: &'static str,
    /// The form of the content.
    version: u32,
}

impl StateFile {
    /// The file of this name. A new version is given out whenever an older service would misread
    /// the content.
    pub(in crate::catalog) fn new(
        dir: impl Into<PathBuf>,
        name: &'static str,
        version: u32,
    ) -> Self {
        Self { dir: dir.into(), name, version }
    }

    pub(in crate::catalog) fn path(&self) -> PathBuf {
        self.dir.join(self.name)
    }

    /// What names of files begin with that are still being written.
    fn unfinished(&self) -> String {
        format!(".{}.unfinished-", self.name)
    }

    /// What the payload means, once it is verified; `None` if there is no file.
    ///
    /// # Errors
    /// The file cannot be read, is of another version, or does not match its checksum; or its
    /// payload means nothing.
    pub(in crate::catalog) fn read<T>(
        &self,
        meaning: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<Option<T>> {
        match fs::read(self.path()) {
            Ok(bytes) => self.verified(&bytes).and_then(meaning).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(damaged("it cannot be read").because(error)),
        }
    }

    /// Makes the directory if it is not there, and tries whether it can be written.
    ///
    /// # Errors
    /// It cannot.
    pub(in crate::catalog) fn prepare(&self) -> Result<()> {
        let tried = fs::create_dir_all(&self.dir).and_then(|()| tempfile::tempfile_in(&self.dir));
        tried.map(drop).map_err(unwritable)
    }

    /// Puts a payload in the place of the one before. A crash leaves one of both, never a part.
    ///
    /// # Errors
    /// The directory cannot be written, or is full.
    pub(in crate::catalog) fn write(
        &self,
        payload: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        self.replace(payload).map_err(unwritable)
    }

    fn replace(&self, payload: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        // Dropped before its end, it is removed.
        let mut file =
            tempfile::Builder::new().prefix(&self.unfinished()).tempfile_in(&self.dir)?;
        // What it is to be is known at the end, and is as long as what stands there until then.
        self.write_head(&mut file, &Digest::sha256(b""))?;
        let digest = write_hashed(file.as_file(), payload)?;
        file.seek(SeekFrom::Start(0))?;
        self.write_head(&mut file, &digest)?;
        file.as_file().sync_all()?;
        file.persist(self.path())?;
        // The new name is on disk only when its directory is.
        File::open(&self.dir)?.sync_all()
    }

    fn write_head(&self, file: &mut impl Write, payload: &Digest) -> io::Result<()> {
        serde_json::to_writer(
            &mut *file,
            &Head { version: self.version, digest: payload.to_string() },
        )?;
        file.write_all(b"\n")
    }

    /// Moves what cannot be used out of the way, where people can look at it; answers with its
    /// new name.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(in crate::catalog) fn set_aside(&self, now: Timestamp) -> io::Result<PathBuf> {
        let aside = self.dir.join(format!("{}.damaged-{}", self.name, now.as_second()));
        fs::rename(self.path(), &aside)?;
        Ok(aside)
    }

    /// Removes what a crash left unfinished. What cannot be removed does no harm.
    pub(in crate::catalog) fn remove_unfinished(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.unfinished()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn verified<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let parts = end.and_then(|end| bytes.split_at_checked(end + 1));
        let (head, payload) = parts.ok_or_else(|| damaged("its first line is cut short"))?;
        let head: Head = serde_json::from_slice(head)
            .map_err(|error| damaged("its first line is none of ours").because(error))?;
        if head.version != self.version {
            return Err(damaged(format!(
                "it is of version {}, not {}",
                head.version, self.version
            )));
        }
        if Digest::sha256(payload).to_string() != head.digest {
            return Err(damaged("its content does not match its checksum"));
        }
        Ok(payload)
    }
}

fn unwritable(error: io::Error) -> Error {
    Error::new(ErrorKind::Internal, "its file cannot be written").because(error)
}

/// Writes a payload; answers with its digest.
fn write_hashed(
    file: &File,
    payload: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Digest> {
    let hasher = DigestHasher::new(Algorithm::Sha256);
    let mut buffered = BufWriter::new(Hashed { file, hasher });
    payload(&mut buffered)?;
    let hashed = buffered.into_inner().map_err(IntoInnerError::into_error)?;
    Ok(hashed.hasher.finish())
}

/// A file that is being written, and the digest of what was written.
struct Hashed<'a> {
    file: &'a File,
    hasher: DigestHasher,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
