//! Differences of archives as models of pages.

use registry_archives::{DiffLine, Entry, Hunk, Kind};
use registry_web::pages::changes::{DiffView, FileChangeView, HunkView, LineKind, LineView};

use crate::archives::difference::{ArchiveDifference, FileChange, TextChange};

/// Describes the files that differ, ordered by path.
#[must_use]
pub fn file_changes(difference: &ArchiveDifference) -> Vec<FileChangeView> {
    let is_file = |entry: &&Entry| entry.kind != Kind::Directory;
    let added = difference.added.iter().filter(is_file);
    let added = added.map(|entry| one_sided(entry, None, Some(entry.size)));
    let removed = difference.removed.iter().filter(is_file);
    let removed = removed.map(|entry| one_sided(entry, Some(entry.size), None));
    let changed = difference.changed.iter().map(changed);
    let mut changes: Vec<FileChangeView> = added.chain(removed).chain(changed).collect();
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    changes
}

fn one_sided(entry: &Entry, before: Option<u64>, after: Option<u64>) -> FileChangeView {
    FileChangeView {
        path: entry.path.to_string(),
        size_before: before,
        size_after: after,
        diff: DiffView::Lines(Vec::new()),
    }
}

fn changed(change: &FileChange) -> FileChangeView {
    let size = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.size);
    FileChangeView {
        path: change.path.to_string(),
        size_before: size(&change.from),
        size_after: size(&change.to),
        diff: match &change.text {
            None => DiffView::Lines(Vec::new()),
            Some(TextChange::Lines(diff)) => {
                DiffView::Lines(diff.hunks().iter().map(hunk).collect())
            }
            Some(TextChange::Binary) => DiffView::Binary,
            Some(TextChange::TooLong | TextChange::TooDifferent | TextChange::LeftOut) => {
                DiffView::TooDifferent
            }
        },
    }
}

fn hunk(hunk: &Hunk<'_>) -> HunkView {
    let first = |number: fn(&DiffLine<'_>) -> Option<usize>| {
        hunk.lines.iter().find_map(number).unwrap_or_default()
    };
    let lines = hunk.lines.iter().map(|line| LineView {
        kind: match (line.old, line.new) {
            (Some(_), None) => LineKind::Removed,
            (None, Some(_)) => LineKind::Added,
            _ => LineKind::Context,
        },
        text: line.text.to_owned(),
    });
    HunkView {
        old_start: first(|line| line.old),
        new_start: first(|line| line.new),
        lines: lines.collect(),
    }
}
