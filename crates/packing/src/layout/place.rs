//! The directory of a layout, locked: one that is there, or a new one beside its place.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::layout::durable::{Durability, TEMPORARY};
use crate::layout::{BLOBS, MARK, MARK_CONTENT};

/// Where a layout is written. The lock ends with the value.
#[derive(Debug)]
pub(super) enum LayoutPlace {
    /// A layout that readers may read.
    Existing { directory: PathBuf, _lock: File },
    /// A layout that nobody sees before it is renamed. The lock is that of the parent.
    New { directory: PathBuf, staging: TempDir, parent: PathBuf, _lock: File },
}

impl LayoutPlace {
    pub(super) fn lock(directory: PathBuf) -> io::Result<Self> {
        if let Some(place) = Self::existing(&directory)? {
            return Ok(place);
        }
        let parent = match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent)?;
        let lock = File::open(&parent)?;
        lock.lock()?;
        // Another writer may have made the layout until now.
        if let Some(place) = Self::existing(&directory)? {
            return Ok(place);
        }
        let name = directory.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let prefix = format!(".{name}{TEMPORARY}");
        remove_all(&parent, &prefix)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let staging = builder.prefix(&prefix).tempdir_in(&parent)?;
        fs::create_dir_all(staging.path().join(BLOBS))?;
        File::create(staging.path().join(MARK))?.write_all(MARK_CONTENT)?;
        Ok(Self::New { directory, staging, parent, _lock: lock })
    }

    /// Locks a layout. Returns `None` if there is nothing, or an empty directory.
    fn existing(directory: &Path) -> io::Result<Option<Self>> {
        if !is_layout(directory)? {
            return Ok(None);
        }
        let lock = File::open(directory.join(MARK))?;
        lock.lock()?;
        fs::create_dir_all(directory.join(BLOBS))?;
        // Of writers that were killed: no other one is at work now.
        remove_all(directory, TEMPORARY)?;
        remove_all(&directory.join(BLOBS), TEMPORARY)?;
        Ok(Some(Self::Existing { directory: directory.to_owned(), _lock: lock }))
    }

    /// Returns the directory to write to.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Existing { directory, .. } => directory,
            Self::New { staging, .. } => staging.path(),
        }
    }

    /// Puts a new layout in its place.
    pub(super) fn publish(self, durability: Durability) -> io::Result<()> {
        let Self::New { directory, staging, parent, .. } = &self else { return Ok(()) };
        durability.sync_directory(staging.path())?;
        fs::rename(staging.path(), directory)?;
        durability.sync_directory(parent)
    }
}

/// Returns false if there is nothing, or an empty directory. Fails for other directories.
pub(super) fn is_layout(directory: &Path) -> io::Result<bool> {
    match directory.join(MARK).metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => is_in_use(directory),
        Err(error) => Err(error),
    }
}

/// Fails for a directory that has something else than a layout. Returns false for others.
fn is_in_use(directory: &Path) -> io::Result<bool> {
    let mut entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if entries.next().is_none() {
        return Ok(false);
    }
    let message = format!("{} has no oci-layout: it is no layout", directory.display());
    Err(io::Error::new(ErrorKind::InvalidData, message))
}

fn remove_all(directory: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
