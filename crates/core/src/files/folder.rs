//! A directory that others may write to as well: no entry is reached through a link.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, fsync, mkdirat, openat, renameat, statat,
    unlinkat,
};

use crate::files::{described, explained, regular};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory. The handle stays with it when the name refers to another one.
#[derive(Debug)]
pub struct Folder {
    dir: File,
    /// Path at the time of opening; only for messages.
    path: PathBuf,
}

/// Device and inode number, which tell a directory from one that replaced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity(u64, u64);

impl Folder {
    /// Opens a directory named by an operator, which may be a link. Fails for a missing one.
    pub fn named(path: &Path) -> io::Result<Self> {
        let dir = openat(CWD, path, DIRECTORY, Mode::empty())?;
        Ok(Self { dir: dir.into(), path: path.to_owned() })
    }

    /// Opens a directory. Fails if it is missing or a link itself; its parents may be links.
    pub fn itself(path: &Path) -> io::Result<Self> {
        let opened = openat(CWD, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let dir = opened.map_err(|error| {
            let kind = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
            no_directory(path, kind.map(|found| FileType::from_raw_mode(found.st_mode)), error)
        })?;
        Ok(Self { dir: dir.into(), path: path.to_owned() })
    }

    /// Returns the path, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a subdirectory. Fails if it is missing or a link, with a remedy in the message.
    pub fn folder(&self, name: &str) -> io::Result<Self> {
        let opened = openat(&self.dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let path = self.path.join(name);
        let dir =
            opened.map_err(|error| no_directory(&path, self.kind(OsStr::new(name)), error))?;
        Ok(Self { dir: dir.into(), path })
    }

    /// Opens a subdirectory and creates a missing one (true). Fails like [`Self::folder`].
    pub fn made(&self, name: &str) -> io::Result<(Self, bool)> {
        match self.folder(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match mkdirat(&self.dir, name, Mode::from_raw_mode(0o777)) {
                    // Another process may create it at the same time. It is opened again without
                    // following links.
                    Ok(()) | Err(rustix::io::Errno::EXIST) => Ok((self.folder(name)?, true)),
                    Err(error) => Err(error.into()),
                }
            }
            other => Ok((other?, false)),
        }
    }

    /// Opens a regular file for reading. Fails if it is missing, a link, or of another kind.
    pub fn file(&self, name: impl AsRef<OsStr>) -> io::Result<(File, Metadata)> {
        let name = name.as_ref();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(opened) => regular(opened.into()),
            Err(_) if matches!(self.kind(name), Ok(FileType::Symlink)) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a symbolic link, which is not followed, not a regular file",
            )),
            Err(error) => Err(explained(error.into())),
        }
    }

    /// Opens a regular file to append to. Fails if it is missing, a link, or of another kind.
    pub fn append(&self, name: &str) -> io::Result<(File, Metadata)> {
        let kind = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = openat(&self.dir, name, kind | OFlags::CLOEXEC, Mode::empty())?;
        regular(opened.into())
    }

    /// Creates a file with mode 600 for reading and writing. Fails if the name exists.
    pub fn create(&self, name: &str) -> io::Result<File> {
        // `EXCL` refuses an existing name: a file or link planted by others is never written to.
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let flags = OFlags::RDWR | new | OFlags::CLOEXEC;
        Ok(openat(&self.dir, name, flags, Mode::from_raw_mode(0o600))?.into())
    }

    /// Moves an entry to another directory and replaces one of that name. Fails if it is missing.
    pub fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        Ok(renameat(&self.dir, name, &to.dir, new)?)
    }

    /// Removes a file, or a link but not its target. Fails for a missing entry and a directory.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(unlinkat(&self.dir, name.as_ref(), AtFlags::empty())?)
    }

    /// Waits until the entries of the directory are on disk. Fails if the disk does.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.dir)?)
    }

    /// Lists all entries by name and kind, without following links. Fails if unreadable.
    pub fn entries(&self) -> io::Result<Vec<(OsString, FileType)>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            // Some file systems report no kind with the name. An entry that was removed meanwhile
            // is skipped.
            let kind = match entry.file_type() {
                FileType::Unknown => self.kind(name).ok(),
                kind => Some(kind),
            };
            found.extend(kind.map(|kind| (name.to_owned(), kind)));
        }
        Ok(found)
    }

    /// Lists the regular files by name, and describes the other entries, each with a remedy, in the
    /// second list. Fails if the directory cannot be read.
    pub fn files(&self) -> io::Result<(Vec<OsString>, Vec<String>)> {
        let (mut files, mut foreign) = (Vec::new(), Vec::new());
        for (name, kind) in self.entries()? {
            if kind == FileType::RegularFile {
                files.push(name);
            } else {
                let (place, what) = (self.path.join(name), described(kind));
                foreign.push(format!(
                    "{} is {what}, which the service did not create; find out what writes there, and remove it",
                    place.display()
                ));
            }
        }
        Ok((files, foreign))
    }

    /// Returns the identity for comparison. Fails if the metadata cannot be read.
    #[allow(clippy::useless_conversion, reason = "numbers are narrower on some systems")]
    pub fn identity(&self) -> io::Result<FileIdentity> {
        let found = fstat(&self.dir)?;
        Ok(FileIdentity(u64::try_from(found.st_dev).unwrap_or(0), u64::from(found.st_ino)))
    }

    fn kind(&self, name: &OsStr) -> rustix::io::Result<FileType> {
        let found = statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(found.st_mode))
    }
}

fn no_directory(
    path: &Path,
    found: rustix::io::Result<FileType>,
    error: rustix::io::Errno,
) -> io::Error {
    let error = io::Error::from(error);
    // The cause is not the kind of file but, for example, a missing permission.
    match found {
        Ok(FileType::Directory) | Err(_) => {
            io::Error::new(error.kind(), format!("{} cannot be opened: {error}", path.display()))
        }
        Ok(kind) => io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{} is {}, which is not followed here; put a directory in its place",
                path.display(),
                described(kind)
            ),
        ),
    }
}
