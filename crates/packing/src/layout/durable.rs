//! Files that appear at once and complete, and that a crash does not take back.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write as _};
use std::path::Path;

use registry_core::models::digest::{Digest, DigestHasher};
use tempfile::NamedTempFile;

const BUFFER: usize = 64 * 1024;

/// Beginning of the names of temporary files.
pub(super) const TEMPORARY: &str = ".new-";

/// Whether writes wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// A finished write survives a crash of the machine.
    Synced,
    /// The system writes when it likes.
    Cached,
}

impl Durability {
    /// Writes a blob. Fails, and leaves nothing, if the content has another digest.
    pub(super) fn write_blob(
        self,
        path: &Path,
        digest: &Digest,
        mut content: impl Read,
    ) -> io::Result<()> {
        let mut file = temporary(path)?;
        let mut hasher = DigestHasher::new(digest.algorithm());
        copy(&mut content, |piece| {
            hasher.update(piece);
            file.write_all(piece)
        })?;
        let found = hasher.finish();
        if found != *digest {
            let message = format!("the content of {digest} has the digest {found}");
            return Err(io::Error::new(ErrorKind::InvalidData, message));
        }
        self.put(file, path)
    }

    /// Replaces a file.
    pub(super) fn replace(self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = temporary(path)?;
        file.write_all(bytes)?;
        self.put(file, path)
    }

    /// Waits until the names in a directory are on the disk.
    pub(super) fn sync_directory(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Synced if cfg!(unix) => File::open(path)?.sync_all(),
            Self::Synced | Self::Cached => Ok(()),
        }
    }

    fn put(self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        if self == Self::Synced {
            file.as_file().sync_all()?;
        }
        file.persist(path)?;
        self.sync_directory(directory_of(path))
    }
}

/// Returns true if the file is there and has this digest.
pub(super) fn has_digest(path: &Path, digest: &Digest) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut hasher = DigestHasher::new(digest.algorithm());
    let read = copy(&mut file, |piece| {
        hasher.update(piece);
        Ok(())
    });
    read.is_ok() && hasher.finish() == *digest
}

fn copy(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Other users read layouts: the default is a private file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // In the same directory, because a rename between file systems is not atomic.
    builder.prefix(TEMPORARY).tempfile_in(directory_of(path))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}
