//! Differences of two texts, line by line.

use std::fmt;
use std::time::Instant;

use similar::{Algorithm, ChangeTag, DiffOp, capture_diff_slices_deadline, group_diff_ops};

use crate::bounds::Bounds;

/// Equal lines around a change.
const CONTEXT: usize = 3;

/// Difference of two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diff {
    /// The changes. No hunks if the texts are equal.
    Hunks(TextDiff),
    /// The changes are not worth showing: they take too many lines or too much time.
    TooDifferent,
}

/// Two texts and where they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDiff {
    old: String,
    new: String,
    groups: Vec<Vec<DiffOp>>,
    /// Number of added lines.
    pub added: usize,
    /// Number of removed lines.
    pub removed: usize,
}

/// Changes that are close together, with their context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk<'a> {
    /// Lines in order: removed ones stand before added ones.
    pub lines: Vec<DiffLine<'a>>,
}

/// A line of a hunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffLine<'a> {
    /// Number in the old text, counted from 1. `None` for added lines.
    pub old: Option<usize>,
    /// Number in the new text, counted from 1. `None` for removed lines.
    pub new: Option<usize>,
    /// Text without its newline. A carriage return before it is part of the text.
    pub text: &'a str,
    /// False for a last line that does not end with a newline.
    pub has_newline: bool,
}

impl TextDiff {
    /// Returns the changes with their context, in order.
    #[must_use]
    pub fn hunks(&self) -> Vec<Hunk<'_>> {
        let (old, new) = (lines(&self.old), lines(&self.new));
        self.groups.iter().map(|group| hunk(group, &old, &new)).collect()
    }

    /// Returns true if the texts are equal.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Compares two texts. `TooDifferent` if that takes longer than [`Bounds::diff_time`] from the start
/// that the caller gives, or if the hunks have more than [`Bounds::diff_lines`] lines.
#[must_use]
pub fn diff_text(old: String, new: String, bounds: &Bounds, start: Instant) -> Diff {
    let deadline = start + bounds.diff_time;
    let (old_lines, new_lines) = (lines(&old), lines(&new));
    let changes =
        capture_diff_slices_deadline(Algorithm::Myers, &old_lines, &new_lines, Some(deadline));
    // Past the deadline the crate gives up silently, and its changes are larger than necessary.
    if !deadline.elapsed().is_zero() {
        return Diff::TooDifferent;
    }
    let groups = group_diff_ops(changes, CONTEXT);
    if groups.iter().flatten().map(line_count).sum::<usize>() > bounds.diff_lines {
        return Diff::TooDifferent;
    }
    let (mut added, mut removed) = (0, 0);
    for change in groups.iter().flatten() {
        if !matches!(change, DiffOp::Equal { .. }) {
            added += change.new_range().len();
            removed += change.old_range().len();
        }
    }
    Diff::Hunks(TextDiff { old, new, groups, added, removed })
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

impl fmt::Display for Hunk<'_> {
    /// Writes the hunk in the unified format, with its header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [old, new] = [|line: &DiffLine<'_>| line.old, |line: &DiffLine<'_>| line.new]
            .map(|number| range(self.lines.iter().filter_map(number)));
        writeln!(f, "@@ -{old} +{new} @@")?;
        for line in &self.lines {
            let mark = match (line.old, line.new) {
                (Some(_), None) => '-',
                (None, Some(_)) => '+',
                _ => ' ',
            };
            writeln!(f, "{mark}{}", line.text)?;
            if !line.has_newline {
                writeln!(f, "\\ No newline at end of file")?;
            }
        }
        Ok(())
    }
}

/// Returns first line and number of lines, as a header of a hunk has them.
fn range(mut lines: impl Iterator<Item = usize>) -> String {
    let Some(first) = lines.next() else { return "0,0".to_owned() };
    format!("{first},{}", lines.count() + 1)
}

fn line_count(change: &DiffOp) -> usize {
    match change {
        DiffOp::Equal { len, .. } => *len,
        change => change.old_range().len() + change.new_range().len(),
    }
}

fn hunk<'a>(changes: &[DiffOp], old: &[&'a str], new: &[&'a str]) -> Hunk<'a> {
    let lines = changes.iter().flat_map(|change| change.iter_changes(old, new));
    let lines = lines.map(|change| {
        let text = change.value();
        let is_in = |other| change.tag() == ChangeTag::Equal || change.tag() == other;
        DiffLine {
            old: change.old_index().filter(|_| is_in(ChangeTag::Delete)).map(|at| at + 1),
            new: change.new_index().filter(|_| is_in(ChangeTag::Insert)).map(|at| at + 1),
            text: text.strip_suffix('\n').unwrap_or(text),
            has_newline: text.ends_with('\n'),
        }
    });
    Hunk { lines: lines.collect() }
}

#[cfg(test)]
mod tests;
