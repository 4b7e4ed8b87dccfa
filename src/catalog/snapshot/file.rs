//! A file of state: written whole or not at all, and verified before it is believed.

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

/// Largest file, in bytes. A backend may have `catalog.max_bytes` of memory, 1 GiB unless set.
const LENGTH_MAX: u64 = 4 << 30;
/// Longest first line, in bytes. Nothing else is read of a file that has none of ours.
const HEAD_MAX: u64 = 256;

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
        match Folder::named(&self.dir).and_then(|dir| dir.file(self.name)) {
            Ok((file, found)) => self
                .bytes(file, found.size())
                .and_then(|all| meaning(self.verified(&all)?))
                .map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(damaged("it cannot be read").because(error)),
        }
    }

    /// All bytes of a file, if it begins as ours do.
    fn bytes(&self, mut file: File, length: u64) -> Result<Vec<u8>> {
        let unreadable = |error| damaged("it cannot be read").because(error);
        let mut begins = Vec::new();
        (&file).take(HEAD_MAX).read_to_end(&mut begins).map_err(unreadable)?;
        self.payload_of(&begins)?;
        if length > LENGTH_MAX {
            return Err(damaged(format!("it is larger than {LENGTH_MAX} bytes")));
        }
        file.rewind().map_err(unreadable)?;
        files::read(file, LENGTH_MAX).map_err(unreadable)
    }

    /// Makes the directory if it is not there, and tries whether it can be written.
    ///
    /// # Errors
    /// It cannot.
    pub(in crate::catalog) fn prepare(&self) -> Result<()> {
        let tried = || {
            files::private_directory(&self.dir)?;
            Unfinished::begin(Folder::named(&self.dir)?, &self.unfinished())
        };
        tried().map(drop).map_err(unwritable)
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
        let dir = Folder::named(&self.dir)?;
        let (mut file, unfinished) =
            Unfinished::begin(Folder::named(&self.dir)?, &self.unfinished())?;
        // What it is to be is known at the end, and is as long as what stands there until then.
        self.write_head(&mut file, &Digest::sha256(b""))?;
        let digest = write_hashed(&file, payload)?;
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

    /// Moves what cannot be used out of the way, where people can look at it; answers with its
    /// new name.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(in crate::catalog) fn set_aside(&self, now: Timestamp) -> io::Result<PathBuf> {
        let name = format!("{}.damaged-{}", self.name, now.as_second());
        let dir = Folder::named(&self.dir)?;
        dir.rename(self.name, &dir, &name)?;
        Ok(self.dir.join(name))
    }

    /// Removes what a crash left unfinished. What cannot be removed does no harm, nor does what is
    /// no file.
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

    /// What the payload's digest is to be, and as much of the payload as is there.
    fn payload_of<'a>(&self, bytes: &'a [u8]) -> Result<(String, &'a [u8])> {
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
        Ok((head.digest, payload))
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
