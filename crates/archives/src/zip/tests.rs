//! Tests of the entries of a zip.

use std::io::Cursor;

use super::*;
use crate::bounds::{Bound, Bounds};
use crate::fixtures::{CountingReader, Zipped, noise, zip, zip_announcing};
use crate::index::{ArchiveIndex, index};

fn index_of(files: &[Zipped]) -> Result<ArchiveIndex> {
    index(Cursor::new(zip(files)), &Bounds::default())
}

#[test]
fn links_directories_and_devices_are_told_apart() {
    let index = index_of(&[
        Zipped { mode: 0o120_777, ..Zipped::stored("l", b"../x") },
        Zipped { mode: 0o040_755, ..Zipped::stored("d/", b"") },
        Zipped { mode: 0, ..Zipped::stored("e/", b"") },
        Zipped { mode: 0o010_644, ..Zipped::stored("p", b"") },
        Zipped { flags: 1, ..Zipped::stored("secret", b"x") },
        Zipped { flags: 1, mode: 0o120_777, ..Zipped::stored("secret-link", b"x") },
        Zipped { method: 12, ..Zipped::stored("bz", b"x") },
    ])
    .unwrap();
    let kinds: Vec<_> = index.entries.iter().map(|entry| entry.kind.to_string()).collect();
    let expected = [
        "symlink",
        "directory",
        "directory",
        "fifo",
        "encrypted file",
        "encrypted file",
        "file with an unsupported compression",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(index.entries[0].link.as_deref(), Some("../x"));
    assert!(index.entries[0].unsafe_link);
    assert!(index.entries.iter().all(|entry| entry.sha256.is_none()));
}

#[test]
fn overlapping_entries_count_each_time() {
    let first = Zipped::stored("a", &noise(1 << 20));
    let other = Zipped { shares: Some(0), ..first.clone() };
    let files: Vec<_> = [first].into_iter().chain(std::iter::repeat_n(other, 15)).collect();
    let bytes = zip(&files);
    let bounds = Bounds { unpacked: 8 << 20, ..Bounds::default() };
    let error = index(Cursor::new(bytes.clone()), &bounds).unwrap_err();
    assert!(matches!(error, Error::TooLarge(Bound::Unpacked(_))), "{error}");
    let bounds = Bounds { ratio: 4, ..Bounds::default() };
    let error = index(Cursor::new(bytes), &bounds).unwrap_err();
    assert!(matches!(error, Error::TooLarge(Bound::Ratio(4))), "{error}");
}

#[test]
fn sizes_and_checksums_that_are_wrong_are_damage() {
    let good = Zipped::stored("a", b"content");
    for bad in [Zipped { checksum: 1, ..good.clone() }, Zipped { size: 3, ..good }] {
        let error = index_of(&[Zipped::stored("ok", b""), bad]).unwrap_err();
        let expected = Location::Entry { number: 2, path: Some("a".to_owned()) };
        let location = match &error {
            Error::Malformed { location, .. } | Error::Truncated(location) => location,
            error => panic!("{error}"),
        };
        assert_eq!(*location, expected, "{error}");
    }
}

#[test]
fn announced_sizes_do_not_count() {
    let file = Zipped { size: 3 << 30, ..Zipped::stored("a", b"content") };
    assert_eq!(index_of(&[file]).unwrap().entries[0].size, 7);
}

#[test]
fn overlapping_entries_without_content_end_at_the_packed_bound() {
    // Blocks of deflate that hold nothing, read by each of the entries.
    let packed = [[0, 0, 0, 0xff, 0xff].repeat(10_000), vec![3, 0]].concat();
    let first = Zipped { method: 8, packed, ..Zipped::stored("a", b"") };
    let other = Zipped { shares: Some(0), ..first.clone() };
    let files: Vec<_> = [first].into_iter().chain(std::iter::repeat_n(other, 99)).collect();
    let bounds = Bounds { packed: 1 << 20, ..Bounds::default() };
    let (reader, read) = CountingReader::new(zip(&files));
    let error = index(reader, &bounds).unwrap_err();
    assert!(matches!(error, Error::TooLarge(Bound::Packed(_))), "{error}");
    assert!(read.get() < 2 << 20);
}

#[test]
fn contents_that_are_skipped_are_not_read() {
    let files = [Zipped::stored("a", &noise(1 << 20)), Zipped::stored("b", b"x")];
    let bytes = zip(&files);
    let index = index(Cursor::new(bytes.clone()), &Bounds::default()).unwrap();
    let (reader, read) = CountingReader::new(bytes);
    let content = crate::file::read_file(reader, &index, "b", &Bounds::default()).unwrap();
    assert_eq!(content, crate::file::FileContent::Text("x".to_owned()));
    assert!(read.get() < 1 << 18);
}

#[test]
fn directories_that_announce_too_much_are_refused() {
    for count in [2, 60_000, u16::MAX] {
        let bytes = zip_announcing(&[Zipped::stored("a", b"x")], count);
        let (reader, read) = CountingReader::new(bytes);
        let error = index(reader, &Bounds::default()).unwrap_err();
        let is_refused = matches!(error, Error::Malformed { location: Location::Directory, .. });
        assert!(is_refused, "{count}: {error}");
        assert!(read.get() < 64 * 1024);
    }
}

#[test]
fn archives_that_are_cut_off_have_no_directory() {
    let bytes = zip(&[Zipped::stored("a", &noise(1000))]);
    let error = index(Cursor::new(bytes[..500].to_vec()), &Bounds::default()).unwrap_err();
    assert!(matches!(error, Error::Truncated(Location::Directory)), "{error}");
}
