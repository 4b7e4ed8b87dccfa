//! What tells that a file is the one that was seen before, and unchanged.

use std::fs::Metadata;

/// Identity, size and times of a file. A write changes it, even one that keeps the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    size: u64,
    #[cfg(unix)]
    unix: (u64, u64, i64, i64, i64, i64),
    #[cfg(not(unix))]
    modified: Option<std::time::SystemTime>,
}

impl FileStamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let unix = {
            use std::os::unix::fs::MetadataExt as _;
            (
                metadata.dev(),
                metadata.ino(),
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            )
        };
        Self {
            size: metadata.len(),
            #[cfg(unix)]
            unix,
            #[cfg(not(unix))]
            modified: metadata.modified().ok(),
        }
    }
}
