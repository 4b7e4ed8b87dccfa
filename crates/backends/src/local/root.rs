//! The directory whose subdirectories are image layouts, and its errors. Blocking I/O.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _};
use jiff::{SignedDuration, Timestamp};
use registry_core::error::{Error, Result};
use registry_core::files;
use rustix::process::geteuid;

use crate::local::layout::Layout;

/// Delay before a retry of a failed directory read is useful.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Age below which a directory may change again without a visible change of the time stamp.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// The directory of local extensions, opened for each request to notice a replaced one.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

/// Metadata of a directory: equal values mean the same entries and permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootStamp {
    /// Time of the last inode change (`ctime`).
    changed: Timestamp,
    device: u64,
    inode: u64,
}

impl RootStamp {
    /// Returns the device number of the directory.
    #[must_use]
    pub const fn device(&self) -> u64 {
        self.device
    }

    /// Returns true if the directory is old enough for equal values to be conclusive. The time may
    /// come from another machine's clock and lie in the future.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp) -> bool {
        now.duration_since(self.changed).abs() > SETTLED_AFTER
    }
}

impl Root {
    /// Creates the root for a path, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the sorted names of all entries. Fails for a missing or unreadable directory; see
    /// [`Error::is_of_missing_place`].
    pub fn names(&self) -> Result<Vec<String>> {
        names_in(&self.dir()?).map_err(|error| self.unopened(&error))
    }

    /// Returns the sorted names in a subdirectory. Fails if it is not one, or leads outside.
    pub fn names_below(&self, name: &str) -> io::Result<Vec<String>> {
        names_in(&self.open()?.open_dir(name)?)
    }

    /// Returns true if an entry is a directory below this one, or a link to such a directory.
    #[must_use]
    pub fn is_directory(&self, name: &str) -> bool {
        let metadata = self.open().and_then(|dir| dir.metadata(name));
        metadata.is_ok_and(|metadata| metadata.is_dir())
    }

    /// Returns the layout in a subdirectory. `NotFound` without one; another kind if it leads
    /// outside or cannot be opened.
    pub fn layout(&self, name: &str) -> Result<Layout> {
        let dir = self.dir()?;
        let metadata = dir.metadata(name).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::not_found(format!("No directory {name}")),
            _ => {
                Error::faulty("cannot be opened within the directory of extensions").because(error)
            }
        })?;
        if !metadata.is_dir() {
            return Err(Error::not_found(format!("{name} is not a directory")));
        }
        Ok(Layout::new(dir, name))
    }

    /// Returns the metadata of the directory; `None` while it cannot be opened.
    #[must_use]
    pub fn look(&self) -> Option<RootStamp> {
        let metadata = self.open().ok()?.dir_metadata().ok()?;
        // Linux changes `ctime` for renames and permissions as well, and users cannot set it back.
        let nanoseconds = i32::try_from(metadata.ctime_nsec()).ok()?;
        let changed = Timestamp::new(metadata.ctime(), nanoseconds).ok()?;
        Some(RootStamp { changed, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Returns the error for an empty directory on another device: an unmounted volume.
    #[must_use]
    pub fn unmounted(&self) -> Error {
        let cause = format!(
            "{} has no extension, and is on another file system than before; mount the one that has \
             them",
            self.place()
        );
        let message = "The directory of local extensions is not the one that was read before";
        Error::unavailable(message, RETRY_AFTER).because(cause).of_missing_place()
    }

    fn dir(&self) -> Result<Dir> {
        self.open().map_err(|error| self.unopened(&error))
    }

    fn open(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.0, ambient_authority())
    }

    /// Explains why the directory cannot be opened. Only operators see the path, in the cause.
    fn unopened(&self, error: &io::Error) -> Error {
        let place = self.place();
        match error.kind() {
            io::ErrorKind::NotFound => {
                let message = "The directory of local extensions does not exist";
                let remedy = format!("create {place}, or set local.path to another directory");
                let error = Error::unavailable(message, RETRY_AFTER).because(remedy);
                error.of_missing_place()
            }
            io::ErrorKind::NotADirectory => match files::kind_of(&self.0) {
                Ok(kind) => unreadable(format!(
                    "{place} is {kind}, not a directory; set local.path to a directory"
                )),
                Err(_) => unreadable(format!(
                    "{place} leads through something that is not a directory; correct local.path"
                )),
            },
            io::ErrorKind::PermissionDenied => unreadable(format!(
                "{place} may not be opened by user {}, the user of the service; allow that user to read and enter it:  {error}",
                geteuid().as_raw()
            )),
            _ => unreadable(format!("{place}: {error}")),
        }
    }

    /// Returns the configuration key and the path, a relative one with its absolute form.
    fn place(&self) -> String {
        let path = self.0.display();
        match std::path::absolute(&self.0) {
            Ok(absolute) if absolute != self.0 => {
                format!("[local] path {path} ({})", absolute.display())
            }
            _ => format!("[local] path {path}"),
        }
    }
}

fn unreadable(cause: String) -> Error {
    let message = "The directory of local extensions cannot be read";
    Error::unavailable(message, RETRY_AFTER).because(cause)
}

fn names_in(dir: &Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in dir.entries()? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
