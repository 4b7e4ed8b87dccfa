//! Fuzz target of the readers: untrusted archives, with invariants of the result.
//! `scripts/fuzz` generates bytes, `fuzz/corpus` keeps inputs with new coverage, and the test replays
//! them.

#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a violated invariant must stop the run; the service never compiles this"
)]

use std::collections::HashSet;
use std::io::Cursor;

use sha2::{Digest as _, Sha256};

use crate::bounds::Bounds;
use crate::compare::{Comparison, compare};
use crate::entry::Kind;
use crate::file::{FileContent, copy_file, read_file};
use crate::index::index;

/// Bounds that short inputs reach.
const BOUNDS: Bounds = Bounds {
    packed: 64 << 10,
    unpacked: 1 << 20,
    ratio: 50,
    ratio_after: 64 << 10,
    entries: 20,
    path: 200,
    index: 16 << 10,
    metadata: 4 << 10,
    zstd_window_log: 20,
    shown: 2 << 10,
    diff_lines: 100,
    diff_time: std::time::Duration::from_millis(100),
};

/// Target `archive`: an index stays within its bounds, and each of its files can be read again with
/// the same hash, unless a bound is in the way.
pub fn archive(bytes: &[u8]) {
    let Ok(index) = index(Cursor::new(bytes), &BOUNDS) else { return };
    assert!(index.entries.len() as u64 <= BOUNDS.entries);
    let mut paths = HashSet::new();
    for entry in &index.entries {
        assert!(paths.insert(&*entry.path), "{:?} is listed twice", entry.path);
        assert!(!entry.path.contains(char::is_control), "{:?}", entry.path);
        assert!(entry.marks().count() <= 7);
        assert_eq!(entry.sha256.is_some(), entry.kind == Kind::File);
        if entry.kind != Kind::File {
            assert!(read_file(Cursor::new(bytes), &index, &entry.path, &BOUNDS).is_err());
            continue;
        }
        assert!(entry.size <= BOUNDS.unpacked);
        let mut content = Vec::new();
        let copied = copy_file(Cursor::new(bytes), &index, &entry.path, &BOUNDS, &mut content);
        assert_eq!(copied.ok(), Some(entry.size), "{:?}", entry.path);
        assert_eq!(entry.sha256, Some(Sha256::digest(&content).into()));
        let shown = read_file(Cursor::new(bytes), &index, &entry.path, &BOUNDS);
        assert_eq!(shown.ok() == Some(FileContent::TooLong), entry.size > BOUNDS.shown);
    }
    assert_eq!(compare(&index, &index), Comparison::default());
}

#[cfg(test)]
mod tests {
    use registry_testing::fuzzing::{Target, replay};

    const TARGETS: [Target; 1] = [("archive", super::archive)];

    #[test]
    fn targets_keep_their_invariants() {
        replay(&TARGETS);
    }
}
