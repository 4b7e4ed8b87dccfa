//! A directory of ours that others may write too: nothing in it is reached through a link.

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

/// Flags that every directory is opened with.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory. It stays the one that was opened, whatever its name leads to later.
#[derive(Debug)]
pub struct Folder {
    dir: File,
    /// As it was opened; for messages alone.
    path: PathBuf,
}

/// What tells a directory from one that took its place: its device and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Folder {
    /// Opens a directory that an operator names, which may be a link.
    ///
    /// # Errors
    /// It is not there, or is none.
    pub fn named(path: &Path) -> io::Result<Self> {
        let dir = openat(CWD, path, DIRECTORY, Mode::empty())?;
        Ok(Self { dir: dir.into(), path: path.to_owned() })
    }

    /// Opens a directory that is no link itself, whatever led there.
    ///
    /// # Errors
    /// It is not there, or is a link, or something else.
    pub fn itself(path: &Path) -> io::Result<Self> {
        let opened = openat(CWD, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let dir = opened.map_err(|error| {
            let kind = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
            no_directory(path, kind.map(|found| FileType::from_raw_mode(found.st_mode)), error)
        })?;
        Ok(Self { dir: dir.into(), path: path.to_owned() })
    }

    /// Where it is; for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in it.
    ///
    /// # Errors
    /// It is not there, or is a link, or something else; the message says what to do.
    pub fn folder(&self, name: &str) -> io::Result<Self> {
        let opened = openat(&self.dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let path = self.path.join(name);
        let dir =
            opened.map_err(|error| no_directory(&path, self.kind(OsStr::new(name)), error))?;
        Ok(Self { dir: dir.into(), path })
    }

    /// The same, made if it is not there; whether it was.
    ///
    /// # Errors
    /// As [`Self::folder`], or it cannot be made.
    pub fn made(&self, name: &str) -> io::Result<(Self, bool)> {
        match self.folder(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match mkdirat(&self.dir, name, Mode::from_raw_mode(0o777)) {
                    // Somebody else made it meanwhile.
                    Ok(()) | Err(rustix::io::Errno::EXIST) => Ok((self.folder(name)?, true)),
                    Err(error) => Err(error.into()),
                }
            }
            other => Ok((other?, false)),
        }
    }

    /// Opens a regular file in it for reading.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is a link or something else.
    pub fn file(&self, name: impl AsRef<OsStr>) -> io::Result<(File, Metadata)> {
        let name = name.as_ref();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(opened) => regular(opened.into()),
            Err(_) if matches!(self.kind(name), Ok(FileType::Symlink)) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a symbolic link, which is not followed here, not a regular file",
            )),
            Err(error) => Err(explained(error.into())),
        }
    }

    /// Makes a file that nobody else may read, and opens it for reading and writing.
    ///
    /// # Errors
    /// Something of this name is there, or the directory cannot be written.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let flags = OFlags::RDWR | new | OFlags::CLOEXEC;
        Ok(openat(&self.dir, name, flags, Mode::from_raw_mode(0o600))?.into())
    }

    /// Gives something of it a name in another directory, in the place of what is there.
    ///
    /// # Errors
    /// It is not there, or a directory cannot be written.
    pub fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        Ok(renameat(&self.dir, name, &to.dir, new)?)
    }

    /// Removes a file, or a link and not what it leads to.
    ///
    /// # Errors
    /// It is not there, is a directory, or the directory cannot be written.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(unlinkat(&self.dir, name.as_ref(), AtFlags::empty())?)
    }

    /// Waits until its names are on disk.
    ///
    /// # Errors
    /// The disk failed.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.dir)?)
    }

    /// Everything in it by name and kind; links are links.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn entries(&self) -> io::Result<Vec<(OsString, FileType)>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            // Not every file system says at once; what is gone by now is passed over.
            let kind = match entry.file_type() {
                FileType::Unknown => self.kind(name).ok(),
                kind => Some(kind),
            };
            found.extend(kind.map(|kind| (name.to_owned(), kind)));
        }
        Ok(found)
    }

    /// The regular files in it by name. What else is there is left alone and named in the answer's
    /// second part, with the reason and the remedy.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn files(&self) -> io::Result<(Vec<OsString>, Vec<String>)> {
        let (mut files, mut foreign) = (Vec::new(), Vec::new());
        for (name, kind) in self.entries()? {
            if kind == FileType::RegularFile {
                files.push(name);
            } else {
                let (place, what) = (self.path.join(name), described(kind));
                foreign.push(format!(
                    "{} is {what}, which is not ours and is left alone; find out who writes there, \
                     and remove it",
                    place.display()
                ));
            }
        }
        Ok((files, foreign))
    }

    /// What it is, to be compared.
    ///
    /// # Errors
    /// It cannot be looked at.
    #[allow(clippy::useless_conversion, reason = "numbers are narrower on some systems")]
    pub fn identity(&self) -> io::Result<Identity> {
        let found = fstat(&self.dir)?;
        Ok(Identity(u64::try_from(found.st_dev).unwrap_or(0), u64::from(found.st_ino)))
    }

    fn kind(&self, name: &OsStr) -> rustix::io::Result<FileType> {
        let found = statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(found.st_mode))
    }
}

/// Why something could not be opened as a directory.
fn no_directory(
    path: &Path,
    found: rustix::io::Result<FileType>,
    error: rustix::io::Errno,
) -> io::Error {
    let error = io::Error::from(error);
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
