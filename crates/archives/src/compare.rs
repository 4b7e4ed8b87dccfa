//! Differences of two archives by their indexes.

use std::collections::{HashMap, HashSet};

use crate::entry::{Entry, Kind};
use crate::index::ArchiveIndex;

/// Differences of two archives. Each list keeps the order of its archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// Entries of the new archive alone.
    pub added: Vec<&'a Entry>,
    /// Entries of the old archive alone.
    pub removed: Vec<&'a Entry>,
    /// Entries of both with another kind, mode, link or content, in the order of the new archive.
    pub changed: Vec<EntryChange<'a>>,
}

/// An entry that differs between two archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryChange<'a> {
    /// The entry of the old archive.
    pub from: &'a Entry,
    /// The entry of the new archive.
    pub to: &'a Entry,
}

/// Compares two archives path by path. If each has a single top directory, paths below it are
/// compared: that directory often has the version in its name.
#[must_use]
pub fn compare<'a>(old: &'a ArchiveIndex, new: &'a ArchiveIndex) -> Comparison<'a> {
    let tops = old.top_directory().zip(new.top_directory());
    let (old_top, new_top) = tops.unwrap_or_default();
    let mut comparison = Comparison::default();
    let earlier: HashMap<&str, &Entry> =
        old.entries.iter().map(|entry| (below(&entry.path, old_top), entry)).collect();
    let mut seen = HashSet::new();
    for to in &new.entries {
        let path = below(&to.path, new_top);
        match earlier.get(path) {
            None => comparison.added.push(to),
            Some(from) => {
                seen.insert(path);
                if differ((*from, old_top), (to, new_top)) {
                    comparison.changed.push(EntryChange { from, to });
                }
            }
        }
    }
    comparison.removed = old
        .entries
        .iter()
        .filter(|entry: &&Entry| !seen.contains(below(&entry.path, old_top)))
        .collect();
    comparison
}

/// Returns the entries of a path in the old and in the new archive, which [`compare`] compares with
/// each other. The path is that of either.
#[must_use]
pub fn find_pair<'a>(
    old: &'a ArchiveIndex,
    new: &'a ArchiveIndex,
    path: &str,
) -> (Option<&'a Entry>, Option<&'a Entry>) {
    let (old_top, new_top) = old.top_directory().zip(new.top_directory()).unwrap_or_default();
    let (from, to) = (old.entry(path), new.entry(path));
    let counterpart = |other: &'a ArchiveIndex, top: &str, other_top: &str| {
        let wanted = below(path, top);
        other.entries.iter().find(|entry| below(&entry.path, other_top) == wanted)
    };
    match (from, to) {
        (None, Some(to)) => (counterpart(old, new_top, old_top), Some(to)),
        (Some(from), None) => (Some(from), counterpart(new, old_top, new_top)),
        both => both,
    }
}

fn differ((old, old_top): (&Entry, &str), (new, new_top): (&Entry, &str)) -> bool {
    old.kind != new.kind
        || old.mode != new.mode
        || old.sha256 != new.sha256
        || target(old, old_top) != target(new, new_top)
}

/// Targets of hard links begin with the top directory as paths do.
fn target<'a>(entry: &'a Entry, top: &str) -> Option<&'a str> {
    let link = entry.link.as_deref()?;
    Some(if entry.kind == Kind::Hardlink { below(link, top) } else { link })
}

/// Returns a path without the top directory. That of the directory itself is empty.
fn below<'a>(path: &'a str, top: &str) -> &'a str {
    match path.strip_prefix(top) {
        Some("") => "",
        Some(rest) if !top.is_empty() => rest.strip_prefix('/').unwrap_or(path),
        _ => path,
    }
}

#[cfg(test)]
mod tests;
