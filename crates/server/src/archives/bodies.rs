//! Public JSON made from readings of archives.

use std::fmt::Write as _;

use registry_archives::Entry;

use crate::archives::IndexedArchive;
use crate::archives::difference::{ArchiveDifference, FileChange, TextChange};
use registry_public::files::{DiffBody, DifferencesBody, EntryBody, FileChangeBody, FilesBody};

/// Describes an archive.
#[must_use]
pub fn files(archive: &IndexedArchive) -> FilesBody {
    let IndexedArchive { digest, index } = archive;
    FilesBody {
        digest: digest.to_string(),
        truncated: index.truncated,
        entries: index.entries.iter().map(entry).collect(),
    }
}

/// Describes the differences of two archives.
#[must_use]
pub fn differences(difference: &ArchiveDifference) -> DifferencesBody {
    let ArchiveDifference { from, to, added, removed, changed } = difference;
    DifferencesBody {
        from_digest: from.digest.to_string(),
        to_digest: to.digest.to_string(),
        truncated: from.index.truncated || to.index.truncated,
        added: added.iter().map(entry).collect(),
        removed: removed.iter().map(entry).collect(),
        changed: changed.iter().map(change).collect(),
    }
}

/// Describes the difference of one entry.
#[must_use]
pub fn change(change: &FileChange) -> FileChangeBody {
    let FileChange { path, from, to, text } = change;
    FileChangeBody {
        path: path.to_string(),
        from: from.as_ref().map(entry),
        to: to.as_ref().map(entry),
        diff: text.as_ref().map(diff),
    }
}

fn diff(text: &TextChange) -> DiffBody {
    let state = match text {
        TextChange::Lines(_) => "text",
        TextChange::Binary => "binary",
        TextChange::TooLong => "too_long",
        TextChange::TooDifferent => "too_different",
        TextChange::LeftOut => "left_out",
    };
    let mut body = DiffBody { state: state.to_owned(), added: None, removed: None, unified: None };
    if let TextChange::Lines(diff) = text {
        body.added = Some(diff.added);
        body.removed = Some(diff.removed);
        // Without the header of the files.
        body.unified = Some(diff.hunks().iter().map(ToString::to_string).collect());
    }
    body
}

/// Describes one entry.
#[must_use]
pub fn entry(entry: &Entry) -> EntryBody {
    EntryBody {
        path: entry.path.to_string(),
        kind: entry.kind.to_string(),
        size: entry.size,
        mode: entry.mode.map(|mode| format!("{mode:04o}")),
        sha256: entry.sha256.as_ref().map(|digest| hex(digest)),
        link: entry.link.as_deref().map(str::to_owned),
        marks: entry.marks().map(|mark| mark.to_string()).collect(),
    }
}

/// Writes bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Never an error: a string takes any text.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
