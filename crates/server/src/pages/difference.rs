//! Differences of archives as models of pages.

use registry_archives::{Entry, Kind};
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
            Some(TextChange::Lines { unified, .. }) => DiffView::Lines(hunks(unified)),
            Some(TextChange::Binary) => DiffView::Binary,
            Some(TextChange::TooLong | TextChange::TooDifferent | TextChange::LeftOut) => {
                DiffView::TooDifferent
            }
        },
    }
}

/// Parses hunks in the unified format. Lines outside of a hunk, and the remark about a missing line
/// break, are left out.
fn hunks(unified: &str) -> Vec<HunkView> {
    let mut hunks: Vec<HunkView> = Vec::new();
    for line in unified.split('\n') {
        if let Some(ranges) = line.strip_prefix("@@ ") {
            let (old_start, new_start) = (start(ranges, '-'), start(ranges, '+'));
            hunks.push(HunkView { old_start, new_start, lines: Vec::new() });
            continue;
        }
        let mut characters = line.chars();
        let kind = match characters.next() {
            Some(' ') => LineKind::Context,
            Some('+') => LineKind::Added,
            Some('-') => LineKind::Removed,
            _ => continue,
        };
        if let Some(hunk) = hunks.last_mut() {
            hunk.lines.push(LineView { kind, text: characters.as_str().to_owned() });
        }
    }
    hunks
}

/// Returns the first line of a range, such as 3 of `-3,7`.
fn start(ranges: &str, sign: char) -> usize {
    let range = ranges.split(' ').find_map(|range| range.strip_prefix(sign));
    range.and_then(|range| range.split(',').next()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_are_read_from_the_unified_format() {
        let unified = "@@ -3,2 +3,3 @@\n a\n-b\n+@@ c\n+d\n@@ -9 +10,0 @@\n-e\n\\ No newline\n";
        let hunks = hunks(unified);
        let starts: Vec<_> = hunks.iter().map(|hunk| (hunk.old_start, hunk.new_start)).collect();
        assert_eq!(starts, [(3, 3), (9, 10)]);
        let lines: Vec<_> =
            hunks[0].lines.iter().map(|line| (line.kind, line.text.as_str())).collect();
        assert_eq!(
            lines,
            [
                (LineKind::Context, "a"),
                (LineKind::Removed, "b"),
                (LineKind::Added, "@@ c"),
                (LineKind::Added, "d"),
            ]
        );
        assert_eq!(hunks[1].lines.len(), 1);
    }
}
