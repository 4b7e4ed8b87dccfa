//! State file: written as a whole or not at all, and verified by a checksum when it is read.

use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::snapshot::damage::damaged;
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::files::folder::Folder;
use crate::files::unfinished::Unfinished;
use crate::models::digest::{Algorithm, Digest, DigestHasher};

/// Maximum length of the file in bytes. A backend may take `catalog.max_bytes` of memory, 1 GiB by
/// default.
const LENGTH_MAX: u64 = 4 << 30;
/// Maximum length of the first line in bytes. A file without a valid first line is not read
/// further.
const HEAD_MAX: u64 = 256;

/// First line of the file; the rest is the payload.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: u32,
    /// Digest of the payload.
    digest: String,
}

/// A state file in a directory.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct StateFile {
    dir: PathBuf,
    name: &'static str,
    /// Version of the format.
    version: u32,
}

impl StateFile {
    /// Creates a handle for the file `name`. Raise `version` when an older service would misread
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

    /// Returns the prefix of temporary file names.
    fn unfinished(&self) -> String {
        format!(".{}.unfinished-", self.name)
    }

    /// Verifies the file and returns its parsed payload; `None` if there is no file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, has another version, does not match its checksum, or `meaning`
    /// fails.
    pub(in crate::catalog) fn read<T>(
        &self,
        meaning: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<Option<T>> {
        match Folder::named(&self.dir).and_then(|dir| dir.file(self.name)) {
            Ok((file, found)) => self
                .bytes(file, found.size())
                .and_then(|all| meaning(self.verified(&all)?))
                .map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(damaged("it cannot be read").because(error)),
        }
    }

    /// Reads a file whose first line is valid.
    fn bytes(&self, mut file: File, length: u64) -> Result<Vec<u8>> {
        let unreadable = |error| damaged("it cannot be read").because(error);
        let mut begins = Vec::new();
        // A foreign file of any size may lie here, so only its beginning is read at first.
        (&file).take(HEAD_MAX).read_to_end(&mut begins).map_err(unreadable)?;
        self.payload_of(&begins)?;
        if length > LENGTH_MAX {
            return Err(damaged(format!("it is larger than {LENGTH_MAX} bytes")));
        }
        file.rewind().map_err(unreadable)?;
        files::read(file, LENGTH_MAX).map_err(unreadable)
    }

    /// Creates the directory if necessary, and checks that it is writable.
    ///
    /// # Errors
    ///
    /// The directory cannot be created or written.
    pub(in crate::catalog) fn prepare(&self) -> Result<()> {
        // Permissions, quotas and read-only mounts show reliably only when a file is created.
        let tried = || {
            files::private_directory(&self.dir)?;
            Unfinished::begin(Folder::named(&self.dir)?, &self.unfinished())
        };
        tried().map(drop).map_err(unwritable)
    }

    /// Replaces the file. After a crash either the old or the new content is there, never a part.
    ///
    /// # Errors
    ///
    /// The directory cannot be written, or is full.
    pub(in crate::catalog) fn write(
        &self,
        payload: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        self.replace(payload).map_err(unwritable)
    }

    fn replace(&self, payload: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let dir = Folder::named(&self.dir)?;
        let (mut file, unfinished) =
            Unfinished::begin(Folder::named(&self.dir)?, &self.unfinished())?;
        // The digest is known only at the end. This placeholder has the same length.
        self.write_head(&mut file, &Digest::sha256(b""))?;
        let digest = write_hashed(&file, payload)?;
        // Refused here rather than at the next start, when the state would be lost.
        if file.metadata()?.size() > LENGTH_MAX {
            return Err(io::Error::other(format!(
                "it would be larger than {LENGTH_MAX} bytes, which is not read back; lower \
                 catalog.max_bytes"
            )));
        }
        file.seek(SeekFrom::Start(0))?;
        self.write_head(&mut file, &digest)?;
        unfinished.finish(&file, &dir, self.name)
    }

    fn write_head(&self, file: &mut impl Write, payload: &Digest) -> io::Result<()> {
        serde_json::to_writer(
            &mut *file,
            &Head { version: self.version, digest: payload.to_string() },
        )?;
        file.write_all(b"\n")
    }

    /// Renames an unusable file so that operators can inspect it. Returns the new path.
    ///
    /// # Errors
    ///
    /// The directory cannot be written.
    pub(in crate::catalog) fn set_aside(&self, now: Timestamp) -> io::Result<PathBuf> {
        let name = format!("{}.damaged-{}", self.name, now.as_second());
        let dir = Folder::named(&self.dir)?;
        dir.rename(self.name, &dir, &name)?;
        Ok(self.dir.join(name))
    }

    /// Removes temporary files that a crash left behind. Failures are ignored: such files do no
    /// harm.
    pub(in crate::catalog) fn remove_unfinished(&self) {
        let Ok(dir) = Folder::named(&self.dir) else { return };
        let (files, _) = dir.files().unwrap_or_default();
        for name in files {
            if name.to_string_lossy().starts_with(&self.unfinished()) {
                let _ = dir.remove(name);
            }
        }
    }

    fn verified<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let (digest, payload) = self.payload_of(bytes)?;
        if Digest::sha256(payload).to_string() != digest {
            return Err(damaged("its content does not match its checksum"));
        }
        Ok(payload)
    }

    /// Parses the first line. Returns the expected digest and the bytes of the payload that were
    /// read.
    fn payload_of<'a>(&self, bytes: &'a [u8]) -> Result<(String, &'a [u8])> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let parts = end.and_then(|end| bytes.split_at_checked(end + 1));
        let (head, payload) = parts.ok_or_else(|| damaged("its first line is cut short"))?;
        let head: Head = serde_json::from_slice(head)
            .map_err(|error| damaged("its first line is none of ours").because(error))?;
        // Checked before the digest, so that the error names the version, not damage.
        if head.version != self.version {
            return Err(damaged(format!(
                "it is of version {}, not {}",
                head.version, self.version
            )));
        }
        Ok((head.digest, payload))
    }
}

fn unwritable(error: io::Error) -> Error {
    Error::new(ErrorKind::Internal, "its file cannot be written").because(error)
}

/// Writes a payload and returns its digest.
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

/// A file that is being written, with the digest of the bytes so far.
struct Hashed<'a> {
    file: &'a File,
    hasher: DigestHasher,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        // A write may be short: only the bytes that went out belong to the digest.
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
