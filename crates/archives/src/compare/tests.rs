//! Tests of comparisons.

use std::io::Cursor;

use super::*;
use crate::bounds::Bounds;
use crate::fixtures::{File, tar};
use crate::index::index;

fn index_of(files: &[File]) -> ArchiveIndex {
    index(Cursor::new(tar(files)), &Bounds::default()).unwrap()
}

fn paths<'a>(entries: &[&'a Entry]) -> Vec<&'a str> {
    entries.iter().map(|entry| &*entry.path).collect()
}

#[test]
fn additions_removals_and_changes_are_found() {
    let old = index_of(&[
        File::new("same", "x"),
        File::new("gone", ""),
        File::new("content", "1"),
        File::new("mode", ""),
        File::new("kind", ""),
        File::link("link", b'2', "same"),
    ]);
    let new = index_of(&[
        File::link("link", b'2', "mode"),
        File::of_kind("kind", b'5'),
        File::new("mode", "").mode(0o755),
        File::new("content", "2"),
        File::new("same", "x"),
        File::new("here", ""),
    ]);
    let comparison = compare(&old, &new);
    assert_eq!(paths(&comparison.added), ["here"]);
    assert_eq!(paths(&comparison.removed), ["gone"]);
    let changed: Vec<_> = comparison.changed.iter().map(|change| change.to).collect();
    assert_eq!(paths(&changed), ["link", "kind", "mode", "content"]);
    assert!(comparison.changed.iter().all(|change| change.from.path == change.to.path));
}

#[test]
fn top_directories_with_versions_are_set_aside() {
    let files = |top: &str, content: &str| {
        index_of(&[
            File::of_kind(&format!("{top}/"), b'5'),
            File::new(format!("{top}/a"), content),
            File::new(format!("{top}/b"), "same"),
            File::link(&format!("{top}/hard"), b'1', &format!("{top}/a")),
        ])
    };
    let (old, new) = (files("aws-1.0", "1"), files("aws-1.1", "2"));
    let comparison = compare(&old, &new);
    assert!(comparison.added.is_empty() && comparison.removed.is_empty());
    let [EntryChange { from, to }] = comparison.changed[..] else { panic!("{comparison:?}") };
    assert_eq!((&*from.path, &*to.path), ("aws-1.0/a", "aws-1.1/a"));
}

#[test]
fn a_top_directory_of_one_archive_alone_is_a_difference() {
    let (old, new) = (index_of(&[File::new("a", "")]), index_of(&[File::new("aws/a", "")]));
    let comparison = compare(&old, &new);
    assert_eq!((paths(&comparison.added), paths(&comparison.removed)), (vec!["aws/a"], vec!["a"]));
}

#[test]
fn archives_equal_themselves_even_with_a_root_and_a_top_directory() {
    let files = [
        File::of_kind("./", b'5').mode(0o700),
        File::of_kind("./aws/", b'5'),
        File::new("./aws/a", ""),
    ];
    let index = index_of(&files);
    assert_eq!(compare(&index, &index), Comparison::default());
}

#[test]
fn pairs_are_found_by_the_path_of_either_archive() {
    let (old, new) = (
        index_of(&[File::new("aws-1/same", ""), File::new("aws-1/gone", "")]),
        index_of(&[File::new("aws-2/same", ""), File::new("aws-2/here", "")]),
    );
    let pair = |path: &str| {
        let (from, to) = find_pair(&old, &new, path);
        (from.map(|entry| entry.path.to_string()), to.map(|entry| entry.path.to_string()))
    };
    let both = (Some("aws-1/same".to_owned()), Some("aws-2/same".to_owned()));
    assert_eq!((pair("aws-1/same"), pair("aws-2/same")), (both.clone(), both));
    assert_eq!(pair("aws-1/gone"), (Some("aws-1/gone".to_owned()), None));
    assert_eq!(pair("aws-2/here"), (None, Some("aws-2/here".to_owned())));
    assert_eq!((pair("same"), pair("none")), ((None, None), (None, None)));
}
