//! Entries of an index.

use std::fmt;
use std::mem;

/// Bits of a mode beyond the type of the file.
pub(crate) const MODE_BITS: u32 = 0o7777;

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path with escapes, without `./` and the slash of directories. Unique in its index.
    pub path: Box<str>,
    /// Kind of the entry.
    pub kind: Kind,
    /// Length of a file's content in bytes, 0 for other kinds.
    pub size: u64,
    /// Permission bits with set-uid, set-gid and sticky. `None` if the archive has no Unix modes.
    pub mode: Option<u32>,
    /// SHA-256 of the content. Only files have one.
    pub sha256: Option<[u8; 32]>,
    /// Target of a link with escapes. That of a hard link is the path of another entry.
    pub link: Option<Box<str>>,
    /// Place in the archive, counted from 0.
    pub position: u64,
    /// Number of earlier entries with the same path. Unpacking replaces them by this one.
    pub replaced: u32,
    /// True if the path is absolute or has a part `..`.
    pub unsafe_path: bool,
    /// True if the link leads out of the archive.
    pub unsafe_link: bool,
}

impl Entry {
    /// Returns the properties that a reader should notice.
    pub fn marks(&self) -> impl Iterator<Item = Mark> {
        // Links have no permissions of their own: their mode is always 777.
        let mode = if self.kind == Kind::Symlink { 0 } else { self.mode.unwrap_or(0) };
        let marks = [
            (self.unsafe_path, Mark::UnsafePath),
            (self.unsafe_link, Mark::UnsafeLink),
            (mode & 0o4000 != 0, Mark::SetUid),
            (mode & 0o2000 != 0, Mark::SetGid),
            (mode & 0o002 != 0, Mark::WorldWritable),
            (matches!(self.kind, Kind::Other(_)), Mark::Special),
            (self.replaced > 0, Mark::Duplicate),
        ];
        marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark))
    }

    /// Returns the memory of the entry in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        mem::size_of::<Self>() + self.path.len() + self.link.as_ref().map_or(0, |link| link.len())
    }
}

/// Kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A hard link: another name of an earlier file.
    Hardlink,
    /// Anything else, by its name. Has no content here.
    Other(&'static str),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Hardlink => "hardlink",
            Self::Other(name) => name,
        })
    }
}

/// A property of an entry that a reader should notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The path is absolute or has a part `..`.
    UnsafePath,
    /// The link leads out of the archive.
    UnsafeLink,
    /// The file runs as its owner.
    SetUid,
    /// The file runs as its group, or the directory passes its group on.
    SetGid,
    /// Every user may write.
    WorldWritable,
    /// The entry is a device, a fifo, or content that cannot be read here.
    Special,
    /// The path occurs several times; the last entry counts.
    Duplicate,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnsafePath => "path outside the archive",
            Self::UnsafeLink => "link out of the archive",
            Self::SetUid => "set-uid",
            Self::SetGid => "set-gid",
            Self::WorldWritable => "world-writable",
            Self::Special => "special",
            Self::Duplicate => "duplicate path",
        })
    }
}
