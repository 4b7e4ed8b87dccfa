//! The files of a directory, in the order of an archive. What an archive must not have is refused.

use std::collections::HashMap;
use std::fs::{FileType, Metadata};
use std::path::Path;

use crate::error::{PackError, Result};
use crate::exclusion::Exclusions;
use crate::limits::{ENTRIES_MAX, UNPACKED_MAX};
use crate::link;
use crate::stamp::FileStamp;

/// A file or link of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEntry {
    /// Path from the directory, with slashes.
    pub path: String,
    /// What it is.
    pub content: SourceContent,
}

/// Content of a [`SourceEntry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceContent {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// True if its owner may execute it.
        is_executable: bool,
        /// Identity and times at the scan.
        stamp: FileStamp,
    },
    /// A symbolic link to this path.
    Link(String),
}

impl SourceEntry {
    /// Returns the length of a file in bytes; 0 for a link.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match &self.content {
            SourceContent::File { size, .. } => *size,
            SourceContent::Link(_) => 0,
        }
    }
}

/// Finds the files of a directory, sorted by the bytes of their paths.
///
/// # Errors
///
/// A file that cannot be read, or one that is refused: sockets, devices, pipes, links that lead
/// outside or to nothing, names that are not UTF-8, have control characters or a backslash, or differ
/// from another in case only; more than [`ENTRIES_MAX`] entries or [`UNPACKED_MAX`] bytes.
pub fn scan(root: &Path, exclusions: &Exclusions) -> Result<Vec<SourceEntry>> {
    let mut scanner = DirectoryScanner { root, exclusions, entries: Vec::new(), seen: 0, bytes: 0 };
    let metadata = root.metadata().map_err(|error| PackError::read(root, error))?;
    if !metadata.is_dir() {
        return Err(PackError::refused(root, "is not a directory"));
    }
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        scanner.folder(&folder, &mut folders)?;
    }
    let mut entries = scanner.entries;
    entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

struct DirectoryScanner<'a> {
    root: &'a Path,
    exclusions: &'a Exclusions,
    entries: Vec<SourceEntry>,
    /// Entries and directories so far.
    seen: usize,
    /// Bytes of the files so far.
    bytes: u64,
}

impl DirectoryScanner<'_> {
    fn folder(&mut self, folder: &str, folders: &mut Vec<String>) -> Result<()> {
        let place = self.root.join(folder);
        let unreadable = |error| PackError::read(&place, error);
        let mut names: HashMap<String, String> = HashMap::new();
        for entry in std::fs::read_dir(&place).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let file_type = entry.file_type().map_err(unreadable)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(PackError::refused(entry.path(), "has a name that is not UTF-8"));
            };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if self.exclusions.excludes(&path, file_type.is_dir()) {
                continue;
            }
            if name.chars().any(char::is_control) || name.contains('\\') {
                let reason = "has a name with control characters or a backslash";
                return Err(PackError::refused(entry.path(), reason));
            }
            // A check of each directory is enough: paths that differ in case part in one of them.
            if let Some(other) = names.insert(name.to_lowercase(), name.to_owned()) {
                let reason = format!("has a name that differs from {other} in case only");
                return Err(PackError::refused(entry.path(), reason));
            }
            self.seen += 1;
            if self.seen > ENTRIES_MAX {
                let reason = format!(
                    "has more than {ENTRIES_MAX} files and directories, which no client unpacks"
                );
                return Err(PackError::refused(self.root, reason));
            }
            if file_type.is_dir() {
                folders.push(path);
            } else {
                self.entry(path, file_type)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: String, file_type: FileType) -> Result<()> {
        let place = self.root.join(&path);
        let content = if file_type.is_symlink() {
            let parents = path.matches('/').count();
            SourceContent::Link(link::check(self.root, &place, parents)?)
        } else if file_type.is_file() {
            let metadata = place.symlink_metadata();
            let metadata = metadata.map_err(|error| PackError::read(&place, error))?;
            self.bytes += metadata.len();
            if self.bytes > UNPACKED_MAX {
                let reason = format!("has more than {UNPACKED_MAX} bytes, which no client unpacks");
                return Err(PackError::refused(self.root, reason));
            }
            SourceContent::File {
                size: metadata.len(),
                is_executable: is_executable(&metadata),
                stamp: FileStamp::of(&metadata),
            }
        } else {
            let reason = format!("is {}, not a file", kind_of(file_type));
            return Err(PackError::refused(place, reason));
        };
        self.entries.push(SourceEntry { path, content });
        Ok(())
    }
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn kind_of(file_type: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if file_type.is_socket() {
        "a socket"
    } else if file_type.is_fifo() {
        "a pipe"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn kind_of(_: FileType) -> &'static str {
    "something else"
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
