//! Differences of two archives, with those of their texts.

use std::time::Duration;

use registry_archives::{
    Bounds, Diff, Entry, EntryChange, FileContent, Kind, Result, TextDiff, compare, diff_text,
    find_pair, read_files,
};
use registry_core::error;
use tokio::time::Instant;

use crate::archives::IndexedArchive;
use crate::archives::failure::{failed, no_entry};
use crate::archives::open_archive::ComparedSide;

/// Bytes of the files, old and new, whose texts are compared at once.
const COMPARED_MAX: u64 = 4 << 20;
/// Time after which no further text is compared.
const COMPARING_MAX: Duration = Duration::from_secs(1);

/// The differences of two archives.
#[derive(Clone, Debug)]
pub struct ArchiveDifference {
    /// The old archive.
    pub from: IndexedArchive,
    /// The new archive.
    pub to: IndexedArchive,
    /// Entries of the new archive alone.
    pub added: Vec<Entry>,
    /// Entries of the old archive alone.
    pub removed: Vec<Entry>,
    /// Entries that differ.
    pub changed: Vec<FileChange>,
}

/// The difference of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Path in the new archive, or else in the old one.
    pub path: Box<str>,
    /// The old entry; `None` if it was added.
    pub from: Option<Entry>,
    /// The new entry; `None` if it was removed.
    pub to: Option<Entry>,
    /// Difference of the contents; `None` unless both are files with different contents.
    pub text: Option<TextChange>,
}

/// The difference of two contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextChange {
    /// Lines that differ.
    Lines(TextDiff),
    /// One of them is not text.
    Binary,
    /// One of them has more than 512 KiB.
    TooLong,
    /// The changes take too many lines or too much time.
    TooDifferent,
    /// The texts before it in the answer took all of its bytes or time.
    LeftOut,
}

/// Compares two archives, old and new.
pub(super) fn of_archives(sides: &[ComparedSide; 2], bounds: &Bounds) -> Result<ArchiveDifference> {
    let [from, to] = sides;
    let differences = compare(from.index(), to.index());
    let owned = |entries: Vec<&Entry>| entries.into_iter().cloned().collect();
    Ok(ArchiveDifference {
        from: from.indexed.clone(),
        to: to.indexed.clone(),
        added: owned(differences.added),
        removed: owned(differences.removed),
        changed: changes(sides, &differences.changed, bounds)?,
    })
}

/// Compares the file of a path of either archive.
pub(super) fn of_file(
    sides: &[ComparedSide; 2],
    path: &str,
    bounds: &Bounds,
) -> error::Result<FileChange> {
    let [from, to] = sides;
    let (old, new) = find_pair(from.index(), to.index(), path);
    if let (Some(from), Some(to)) = (old, new) {
        let changes = changes(sides, &[EntryChange { from, to }], bounds).map_err(failed)?;
        return changes.into_iter().next().ok_or_else(|| no_entry(false, path));
    }
    let is_lacking =
        |side: &ComparedSide, entry: Option<&Entry>| side.index().truncated && entry.is_none();
    // An entry that one index leaves out would look like an added or removed one.
    let is_unsure = is_lacking(from, old) || is_lacking(to, new);
    let entry = new.or(old).filter(|_| !is_unsure).ok_or_else(|| no_entry(is_unsure, path))?;
    let (from, to) = (old.cloned(), new.cloned());
    Ok(FileChange { path: entry.path.clone(), from, to, text: None })
}

/// How the contents of two entries are compared.
enum Plan {
    /// The contents are equal, or one entry has none.
    Nothing,
    /// They are not read, for this reason.
    Unread(TextChange),
    Read,
}

/// Compares the contents of entries, in one pass over each archive.
fn changes(
    sides: &[ComparedSide; 2],
    changed: &[EntryChange<'_>],
    bounds: &Bounds,
) -> Result<Vec<FileChange>> {
    let plans = plans(changed, bounds);
    let read = changed.iter().zip(&plans).filter(|(_, plan)| matches!(plan, Plan::Read));
    let read: Vec<&EntryChange<'_>> = read.map(|(change, _)| change).collect();
    let [old, new] = sides;
    let old = contents(old, read.iter().map(|change| &*change.from.path), bounds)?;
    let new = contents(new, read.iter().map(|change| &*change.to.path), bounds)?;
    let (mut contents, started) = (old.into_iter().zip(new), Instant::now());
    let changes = changed.iter().zip(plans).map(|(EntryChange { from, to }, plan)| {
        let text = match plan {
            Plan::Nothing => None,
            Plan::Unread(reason) => Some(reason),
            Plan::Read => contents.next().map(|(old, new)| text_change(old, new, bounds, started)),
        };
        let (from, to) = (Entry::clone(from), Entry::clone(to));
        FileChange { path: to.path.clone(), from: Some(from), to: Some(to), text }
    });
    Ok(changes.collect())
}

fn plans(changed: &[EntryChange<'_>], bounds: &Bounds) -> Vec<Plan> {
    let mut left = COMPARED_MAX;
    let plans = changed.iter().map(|EntryChange { from, to }| {
        let are_files = from.kind == Kind::File && to.kind == Kind::File;
        if !are_files || from.sha256 == to.sha256 {
            return Plan::Nothing;
        }
        if from.size.max(to.size) > bounds.shown {
            return Plan::Unread(TextChange::TooLong);
        }
        match left.checked_sub(from.size + to.size) {
            Some(rest) => {
                left = rest;
                Plan::Read
            }
            None => Plan::Unread(TextChange::LeftOut),
        }
    });
    plans.collect()
}

fn contents<'a>(
    side: &ComparedSide,
    paths: impl Iterator<Item = &'a str>,
    bounds: &Bounds,
) -> Result<Vec<FileContent>> {
    let paths: Vec<&str> = paths.collect();
    read_files(side.bytes.reader(), side.index(), &paths, bounds)
}

fn text_change(
    old: FileContent,
    new: FileContent,
    bounds: &Bounds,
    started: Instant,
) -> TextChange {
    let (old, new) = match (old, new) {
        (FileContent::Text(old), FileContent::Text(new)) => (old, new),
        (FileContent::TooLong, _) | (_, FileContent::TooLong) => return TextChange::TooLong,
        _ => return TextChange::Binary,
    };
    if started.elapsed() > COMPARING_MAX {
        return TextChange::LeftOut;
    }
    match diff_text(old, new, bounds, Instant::now().into_std()) {
        Diff::TooDifferent => TextChange::TooDifferent,
        // The bytes differ where neither is text.
        Diff::Hunks(diff) if diff.is_empty() => TextChange::Binary,
        Diff::Hunks(diff) => TextChange::Lines(diff),
    }
}
