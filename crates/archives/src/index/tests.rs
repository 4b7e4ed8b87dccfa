//! Tests of indexes.

use std::io::Cursor;

use super::*;
use crate::bounds::{Bound, ByteCount};
use crate::entry::Mark;
use crate::error::{Error, Location};
use crate::fixtures::{
    CountingReader, FailingReader, File, Zipped, bombs, gzip, noise, tar, zip, zstd,
};
use crate::header::BLOCK;

fn index_of(bytes: Vec<u8>) -> Result<ArchiveIndex> {
    index_bounded(bytes, &Bounds::default())
}

fn index_bounded(bytes: Vec<u8>, bounds: &Bounds) -> Result<ArchiveIndex> {
    index(Cursor::new(bytes), bounds)
}

fn paths(index: &ArchiveIndex) -> Vec<&str> {
    index.entries.iter().map(|entry| &*entry.path).collect()
}

fn marks(file: File) -> Vec<Mark> {
    index_of(tar(&[file])).unwrap().entries[0].marks().collect()
}

#[test]
fn every_format_gives_the_same_entries() {
    let plain = tar(&[File::new("a/b.txt", "hello"), File::new("c", "")]);
    let zipped = zip(&[Zipped::stored("a/b.txt", b"hello"), Zipped::stored("c", b"")]);
    for (format, bytes) in [
        (Format::Tar, plain.clone()),
        (Format::TarGzip, gzip(&plain)),
        (Format::TarZstd, zstd(&plain)),
        (Format::Zip, zipped),
    ] {
        let index = index_of(bytes).unwrap();
        assert_eq!(index.format, format);
        let entries: Vec<_> = index.entries.iter().map(|e| (&*e.path, e.size, e.mode)).collect();
        assert_eq!(entries, [("a/b.txt", 5, Some(0o644)), ("c", 0, Some(0o644))]);
        let expected: [u8; 32] = Sha256::digest(b"hello").into();
        assert_eq!(index.entries[0].sha256, Some(expected));
        assert!(!index.truncated && !index.trailing_data);
    }
}

#[test]
fn empty_archives_have_no_entries() {
    for bytes in [tar(&[]), gzip(&tar(&[])), zstd(&tar(&[])), zip(&[])] {
        assert!(index_of(bytes).unwrap().entries.is_empty());
    }
}

#[test]
fn files_that_are_not_archives_are_refused() {
    for bytes in [vec![], b"{}".to_vec(), noise(4096), gzip(b"text"), gzip(&noise(4096)), zstd(b"")]
    {
        assert!(matches!(index_of(bytes), Err(Error::NotAnArchive)));
    }
}

#[test]
fn all_kinds_are_told_apart() {
    let index = index_of(tar(&[
        File::new("file", "x"),
        File::of_kind("dir/", b'5'),
        File::of_kind("old-dir/", b'0'),
        File::link("dir/soft", b'2', "../file"),
        File::link("hard", b'1', "./file"),
        File::of_kind("tty", b'3'),
        File::of_kind("disk", b'4'),
        File::of_kind("pipe", b'6'),
        File::new("unknown", "y").clone(),
    ]))
    .unwrap();
    let kinds: Vec<_> = index.entries.iter().map(|e| (&*e.path, e.kind.to_string())).collect();
    let expected = [
        ("file", "file"),
        ("dir", "directory"),
        ("old-dir", "directory"),
        ("dir/soft", "symlink"),
        ("hard", "hardlink"),
        ("tty", "character device"),
        ("disk", "block device"),
        ("pipe", "fifo"),
        ("unknown", "file"),
    ];
    assert_eq!(kinds, expected.map(|(path, kind)| (path, kind.to_owned())));
    let links: Vec<_> = index.entries.iter().filter_map(|e| e.link.as_deref()).collect();
    assert_eq!(links, ["../file", "file"]);
}

#[test]
fn dangerous_entries_are_marked() {
    for (file, expected) in [
        (File::new("../../x", ""), &[Mark::UnsafePath][..]),
        (File::new("/etc/passwd", ""), &[Mark::UnsafePath]),
        (File::new("su", "").mode(0o4755), &[Mark::SetUid]),
        (File::new("sg", "").mode(0o2777), &[Mark::SetGid, Mark::WorldWritable]),
        (File::link("a/l", b'2', "../../b"), &[Mark::UnsafeLink]),
        (File::link("a/l", b'2', "../b").mode(0o777), &[]),
        (File::link("l", b'1', "/etc/shadow"), &[Mark::UnsafeLink]),
        (File::of_kind("null", b'3').mode(0o666), &[Mark::WorldWritable, Mark::Special]),
        (File::new("plain", ""), &[]),
    ] {
        let name = file.path.escape_ascii().to_string();
        assert_eq!(marks(file), expected, "{name}");
    }
    let index = index_of(tar(&[File::new("../../x", ""), File::new("/etc/passwd", "")])).unwrap();
    assert_eq!(paths(&index), ["../../x", "/etc/passwd"]);
}

#[test]
fn modes_of_zip_keep_set_uid_and_unknown_modes_are_none() {
    let su = Zipped { mode: 0o104_755, ..Zipped::stored("su", b"") };
    let none = Zipped { mode: 0, ..Zipped::stored("none", b"") };
    let index = index_of(zip(&[su, none])).unwrap();
    let modes: Vec<_> = index.entries.iter().map(|entry| entry.mode).collect();
    assert_eq!(modes, [Some(0o4755), None]);
    assert_eq!(index.entries[0].marks().collect::<Vec<_>>(), [Mark::SetUid]);
}

#[test]
fn the_last_of_equal_paths_counts_in_the_place_of_the_first() {
    let tarred = tar(&[File::new("a", "1"), File::new("b", ""), File::new("./a", "two")]);
    let zipped =
        zip(&[Zipped::stored("a", b"1"), Zipped::stored("b", b""), Zipped::stored("a", b"two")]);
    for bytes in [tarred, zipped] {
        let index = index_of(bytes).unwrap();
        assert_eq!(paths(&index), ["a", "b"]);
        let first = &index.entries[0];
        assert_eq!((first.size, first.position, first.replaced), (3, 2, 1));
        assert_eq!(first.marks().collect::<Vec<_>>(), [Mark::Duplicate]);
    }
}

#[test]
fn names_with_any_bytes_are_escaped_and_stay_apart() {
    let names: [&[u8]; 5] =
        [b"caf\xe9", b"caf\\xe9", b"a\nb", b"a\\nb", "gpj.\u{202e}exe".as_bytes()];
    let files = names.map(|name| File::new(name, name));
    let zipped = names.map(|name| Zipped::stored(name, name));
    for bytes in [tar(&files), zip(&zipped)] {
        let index = index_of(bytes).unwrap();
        let expected = ["caf\\xe9", "caf\\\\xe9", "a\\nb", "a\\\\nb", "gpj.\\u{202e}exe"];
        assert_eq!(paths(&index), expected);
        for (path, name) in expected.iter().zip(names) {
            let hash: [u8; 32] = Sha256::digest(name).into();
            assert_eq!(index.entry(path).unwrap().sha256, Some(hash));
        }
    }
}

#[test]
fn entries_beyond_the_bounds_are_left_out() {
    let files: Vec<File> = (0..10_001).map(|n| File::new(format!("f{n}"), "")).collect();
    let index = index_of(gzip(&tar(&files))).unwrap();
    assert_eq!((index.entries.len(), index.truncated), (10_000, true));
    assert!(!index_of(gzip(&tar(&files[1..]))).unwrap().truncated);

    let zipped: Vec<_> = (0..10_001).map(|n| Zipped::stored(format!("f{n}"), b"")).collect();
    let index = index_of(zip(&zipped)).unwrap();
    assert_eq!((index.entries.len(), index.truncated), (10_000, true));

    let bounds = Bounds { path: 3, ..Bounds::default() };
    let files = tar(&[File::new("long", "x"), File::new("abc", ""), File::link("l", b'2', "long")]);
    let part = index_bounded(files, &bounds).unwrap();
    assert_eq!((paths(&part), part.truncated), (vec!["abc"], true));
}

#[test]
fn memory_of_the_index_is_bounded_and_reported() {
    let files: Vec<File> = (0..100).map(|n| File::new(format!("f{n:03}"), "")).collect();
    let whole = index_of(tar(&files)).unwrap();
    let each = mem::size_of::<Entry>() + 4;
    assert_eq!(whole.memory_bytes(), mem::size_of::<ArchiveIndex>() + 100 * each);
    let bounds = Bounds { index: 10 * each, ..Bounds::default() };
    let part = index(Cursor::new(tar(&files)), &bounds).unwrap();
    assert_eq!((part.entries.len(), part.truncated), (10, true));
}

#[test]
fn bombs_stop_within_the_bounds() {
    let bounds = Bounds::default();
    for (format, bytes) in bombs() {
        let (reader, read) = CountingReader::new(bytes);
        let meter = Meter::new(&bounds);
        let error = index_metered(reader, &meter).unwrap_err();
        assert!(matches!(error, Error::TooLarge(Bound::Ratio(200))), "{format}: {error}");
        // Few buffers are read, and the last one of what they unpack to is beyond the ratio.
        assert!(read.get() <= 3 * BUFFER as u64, "{format}: {}", read.get());
        let allowed = (read.get() * bounds.ratio).max(bounds.ratio_after);
        assert!(meter.unpacked() <= allowed + BUFFER as u64, "{format}: {}", meter.unpacked());
    }
}

#[test]
fn bombs_below_the_ratio_stop_at_the_unpacked_bound() {
    let bounds = Bounds { ratio: u64::MAX, ..Bounds::default() };
    for (format, bytes) in bombs() {
        let meter = Meter::new(&bounds);
        let error = index_metered(Cursor::new(bytes), &meter).unwrap_err();
        let expected = Bound::Unpacked(ByteCount(256 << 20));
        assert!(matches!(error, Error::TooLarge(bound) if bound == expected), "{format}: {error}");
        assert!(meter.unpacked() <= bounds.unpacked + BUFFER as u64, "{format}");
    }
}

#[test]
fn tiny_archives_of_zeros_are_no_bombs() {
    let zeros = tar(&[File::new("zeros", vec![0; 900 << 10])]);
    for bytes in [gzip(&zeros), zstd(&zeros)] {
        assert!((bytes.len() as u64) * 200 < zeros.len() as u64);
        assert_eq!(index_of(bytes).unwrap().entries[0].size, 900 << 10);
    }
}

#[test]
fn announced_sizes_are_checked_before_a_byte_is_read() {
    let header = File::new("huge", "").header(1 << 40);
    let (reader, read) = CountingReader::new(header.as_bytes().to_vec());
    assert!(matches!(index(reader, &Bounds::default()), Err(Error::TooLarge(Bound::Unpacked(_)))));
    assert_eq!(read.get(), 2 * BLOCK as u64);

    let bounds = Bounds { packed: 1023, ..Bounds::default() };
    let (reader, read) = CountingReader::new(tar(&[]));
    assert!(matches!(index(reader, &bounds), Err(Error::TooLarge(Bound::Packed(_)))));
    assert_eq!(read.get(), 0);
}

#[test]
fn archives_that_are_cut_off_name_the_entry() {
    let whole = tar(&[File::new("a", "x"), File::new("b", vec![b'y'; 600])]);
    let at = |number, path: Option<&str>| Location::Entry { number, path: path.map(str::to_owned) };
    for (length, expected) in [
        (BLOCK + 100, at(1, Some("a"))),
        (BLOCK + 1, at(1, Some("a"))),
        (2 * BLOCK + 100, at(2, None)),
        (3 * BLOCK + 599, at(2, Some("b"))),
        (3 * BLOCK + 700, at(2, Some("b"))),
    ] {
        let error = index_of(whole[..length].to_vec()).unwrap_err();
        assert!(matches!(&error, Error::Truncated(found) if *found == expected), "{error}");
    }
    // The end marker is not required.
    assert_eq!(paths(&index_of(whole[..5 * BLOCK].to_vec()).unwrap()), ["a", "b"]);

    let content = tar(&[File::new("a", noise(200_000))]);
    for packed in [gzip(&content), zstd(&content)] {
        for length in [packed.len() / 2, packed.len() - 1] {
            let error = index_of(packed[..length].to_vec()).unwrap_err();
            assert!(matches!(error, Error::Truncated(_)), "{error}");
        }
    }
}

#[test]
fn failures_of_the_source_are_not_taken_for_damage() {
    let content = tar(&[File::new("a", noise(200_000)), File::new("b", "")]);
    let zipped = zip(&[Zipped::stored("a", &noise(200_000))]);
    // Between two entries in two members, where the decoder takes the failure for the end.
    let short = tar(&[File::new("a", noise(2048)), File::new("b", "")]);
    let (first, rest) = (gzip(&short[..5 * BLOCK]), gzip(&short[5 * BLOCK..]));
    let end = first.len() as u64;
    for (bytes, fails_at) in [
        (content.clone(), 100_000),
        (zstd(&content), 100_000),
        (gzip(&content), 100_000),
        ([first, rest].concat(), end),
        (zipped, 100_000),
    ] {
        let reader = FailingReader { bytes: Cursor::new(bytes), fails_at };
        let error = index(reader, &Bounds::default()).unwrap_err();
        assert!(matches!(error, Error::Read(_)), "{error}");
    }
}

#[test]
fn a_second_tar_behind_the_end_marker_is_told_and_not_read() {
    let (first, second) = (tar(&[File::new("a", "")]), tar(&[File::new("b", "")]));
    for bytes in [
        [first.clone(), second.clone()].concat(),
        [gzip(&first), gzip(&second)].concat(),
        [zstd(&first), zstd(&second)].concat(),
    ] {
        let index = index_of(bytes).unwrap();
        assert_eq!((paths(&index), index.trailing_data), (vec!["a"], true));
    }
    let padded = [first.clone(), vec![0; 20 * BLOCK]].concat();
    assert!(!index_of(padded).unwrap().trailing_data);
    let garbage = [gzip(&first), b"garbage".to_vec()].concat();
    assert_eq!(paths(&index_of(garbage).unwrap()), ["a"]);
}

#[test]
fn windows_of_zstd_are_bounded() {
    let pack = |log| {
        let mut encoder = ::zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        std::io::Write::write_all(&mut encoder, &tar(&[File::new("a", "x")])).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(paths(&index_of(pack(26)).unwrap()), ["a"]);
    let error = index_of(pack(27)).unwrap_err();
    let expected = Bound::ZstdWindow(ByteCount(64 << 20));
    assert!(matches!(error, Error::TooLarge(bound) if bound == expected), "{error}");
}

#[test]
fn a_single_top_directory_is_found() {
    for (files, expected) in [
        (&["aws-1.0/", "aws-1.0/a", "aws-1.0/b/c"][..], Some("aws-1.0")),
        (&["./", "./aws/a"], Some("aws")),
        (&["aws/a", "aws-2/b"], None),
        (&["aws/a", "README.md"], None),
        (&["aws"], None),
        (&["../a", "../b"], None),
        (&[], None),
    ] {
        let files: Vec<File> = files
            .iter()
            .map(|path| File::of_kind(path, if path.ends_with('/') { b'5' } else { b'0' }))
            .collect();
        assert_eq!(index_of(tar(&files)).unwrap().top_directory(), expected);
    }
}
