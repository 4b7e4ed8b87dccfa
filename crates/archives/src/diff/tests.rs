//! Tests of differences of texts.

use std::time::Duration;

use super::*;

/// An hour ago or ahead, so that no pause of a test decides.
#[allow(clippy::disallowed_methods, reason = "the crate `similar` takes times of the real clock")]
fn now_and(offset: i8) -> Instant {
    let (now, hour) = (Instant::now(), Duration::from_hours(1));
    if offset < 0 { now.checked_sub(hour).unwrap() } else { now + hour }
}

fn diff(old: &str, new: &str) -> Diff {
    diff_within(old, new, &Bounds::default())
}

fn diff_within(old: &str, new: &str, bounds: &Bounds) -> Diff {
    diff_text(old.to_owned(), new.to_owned(), bounds, now_and(1))
}

/// Lines of each hunk as `old new text`, and the numbers of added and removed lines.
fn shown(diff: &Diff) -> (Vec<Vec<String>>, usize, usize) {
    let Diff::Hunks(text) = diff else { panic!("{diff:?}") };
    let TextDiff { added, removed, .. } = text;
    let hunks = text.hunks();
    assert_eq!(hunks.is_empty(), text.is_empty());
    let number = |at: Option<usize>| at.map_or("-".to_owned(), |at| at.to_string());
    let line = |line: &DiffLine<'_>| {
        let end = if line.has_newline { "" } else { "$" };
        format!("{} {} {}{end}", number(line.old), number(line.new), line.text)
    };
    (hunks.iter().map(|hunk| hunk.lines.iter().map(line).collect()).collect(), *added, *removed)
}

#[test]
fn hunks_have_line_numbers_of_both_sides() {
    let (old, new) = ("a\nb\nc\nd\ne\nf\ng\n", "a\nb\nX\nY\nd\ne\nf\ng\n");
    let lines = ["1 1 a", "2 2 b", "3 - c", "- 3 X", "- 4 Y", "4 5 d", "5 6 e", "6 7 f"];
    assert_eq!(shown(&diff(old, new)), (vec![lines.map(str::to_owned).to_vec()], 2, 1));
}

#[test]
fn distant_changes_are_separate_hunks() {
    let old: String = (0..50).map(|n| format!("{n}\n")).collect();
    let new = old.replace("\n5\n", "\nfive\n").replace("\n40\n", "\nforty\n");
    let (hunks, added, removed) = shown(&diff(&old, &new));
    assert_eq!((hunks.len(), added, removed), (2, 2, 2));
    assert_eq!(hunks[1][0], "38 38 37");
}

#[test]
fn ends_of_lines_count() {
    assert_eq!(shown(&diff("a\n", "a\n")), (vec![], 0, 0));
    assert_eq!(shown(&diff("", "")), (vec![], 0, 0));
    let long = "line\n".repeat(50);
    assert_eq!(shown(&diff(&long, &long)), (vec![], 0, 0));
    let lines = |lines: [&str; 2]| vec![lines.map(str::to_owned).to_vec()];
    assert_eq!(shown(&diff("a", "a\n")), (lines(["1 - a$", "- 1 a"]), 1, 1));
    assert_eq!(shown(&diff("a\r\n", "a\n")), (lines(["1 - a\r", "- 1 a"]), 1, 1));
    assert_eq!(shown(&diff("", "a\n")), (vec![vec!["- 1 a".to_owned()]], 1, 0));
}

#[test]
fn hunks_beyond_the_bound_are_too_different() {
    let old: String = (0..100).map(|n| format!("old {n}\n")).collect();
    let new = old.replace("old", "new");
    let bounds = Bounds { diff_lines: 200, ..Bounds::default() };
    assert_eq!(shown(&diff_within(&old, &new, &bounds)).1, 100);
    let bounds = Bounds { diff_lines: 199, ..Bounds::default() };
    assert_eq!(diff_within(&old, &new, &bounds), Diff::TooDifferent);
}

#[test]
fn a_late_difference_is_too_different() {
    let late = diff_text("a\n".to_owned(), "b\n".to_owned(), &Bounds::default(), now_and(-1));
    assert_eq!(late, Diff::TooDifferent);
}

#[test]
fn hunks_are_written_in_the_unified_format() {
    for (old, new, text) in [
        ("a\nb\nc\n", "a\nX\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+X\n c\n"),
        ("", "a\n", "@@ -0,0 +1,1 @@\n+a\n"),
        ("a", "a\n", "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n"),
    ] {
        let Diff::Hunks(diff) = diff(old, new) else { panic!("{old:?} {new:?}") };
        assert_eq!(diff.hunks()[0].to_string(), text);
    }
}
