//! Tests of the entries of a tar.

use std::io::Cursor;

use super::*;
use crate::bounds::Bounds;
use crate::fixtures::{CountingReader, File, pax_record, tar};
use crate::index::{ArchiveIndex, index};

fn extension(kind: u8, content: impl AsRef<[u8]>) -> File {
    File { kind, ..File::new("ext", content) }
}

fn index_of(files: &[File]) -> Result<ArchiveIndex> {
    index(Cursor::new(tar(files)), &Bounds::default())
}

fn reason(files: &[File]) -> String {
    match index_of(files).unwrap_err() {
        Error::Malformed { reason, .. } => reason,
        error => panic!("{error}"),
    }
}

#[test]
fn long_names_and_pax_headers_replace_fields() {
    let long = "d/".repeat(100) + "file";
    let index = index_of(&[
        extension(b'L', format!("{long}\0rest")),
        File::new("short", "1"),
        extension(b'K', "target\0"),
        File::link("soft", b'2', "cut"),
        extension(b'x', pax_record("path", "größe".as_bytes())),
        File::new("ascii", "2"),
        File::new("plain", "3"),
    ])
    .unwrap();
    let entries: Vec<_> = index.entries.iter().map(|e| (&*e.path, e.link.as_deref())).collect();
    let expected = [(&*long, None), ("soft", Some("target")), ("größe", None), ("plain", None)];
    assert_eq!(entries, expected);
    assert_eq!(index.entries[3].position, 3);
}

#[test]
fn a_size_in_a_pax_header_counts() {
    let mut file = File::new("a", vec![b'x'; 700]);
    let mut bytes = tar(&[extension(b'x', pax_record("size", b"700")), file.clone()]);
    file.content.clear();
    let header = file.header(0);
    bytes[2 * BLOCK..3 * BLOCK].copy_from_slice(header.as_bytes());
    let index = index(Cursor::new(bytes), &Bounds::default()).unwrap();
    assert_eq!((index.entries.len(), index.entries[0].size), (1, 700));
}

#[test]
fn comments_of_git_are_no_entries() {
    let comment = pax_record("comment", b"0123abcd");
    let index = index_of(&[extension(b'g', comment), File::new("a", "")]).unwrap();
    assert_eq!(&*index.entries[0].path, "a");
    let path = pax_record("path", b"b");
    assert!(reason(&[extension(b'g', path), File::new("a", "")]).contains("global pax header"));
}

#[test]
fn archives_that_programs_read_differently_are_refused() {
    let path = || extension(b'x', pax_record("path", b"b"));
    let name = || extension(b'L', "c");
    let file = || File::new("a", "");
    let directory = File { kind: b'5', ..File::new("d", vec![0; BLOCK]) };
    for (files, expected) in [
        (vec![path(), path(), file()], "two headers of one kind"),
        (vec![name(), name(), file()], "two headers of one kind"),
        (vec![path(), name(), file()], "a pax header and a GNU long name"),
        (vec![extension(b'x', "8 path=b\n"), file()], "pax record"),
        (vec![directory], "a directory has content"),
    ] {
        assert!(reason(&files).contains(expected), "{}", reason(&files));
    }
}

#[test]
fn headers_without_their_entry_are_cut_off() {
    let error = index_of(&[File::new("a", ""), extension(b'L', "long")]).unwrap_err();
    let expected = Location::Entry { number: 2, path: None };
    assert!(matches!(&error, Error::Truncated(found) if *found == expected), "{error}");
}

#[test]
fn long_names_of_any_length_are_not_read_into_memory() {
    for kind in [b'L', b'K', b'x', b'g'] {
        let header = File::of_kind("ext", kind).header(1 << 30);
        let bytes = [header.as_bytes().as_slice(), &[b'a'; 4 * BLOCK]].concat();
        let (reader, read) = CountingReader::new(bytes);
        let error = index(reader, &Bounds::default()).unwrap_err();
        assert!(matches!(error, Error::TooLarge(Bound::Metadata(_))), "{error}");
        assert!(read.get() <= 6 * BLOCK as u64);
    }
}

#[test]
fn wrong_checksums_are_damage() {
    let mut bytes = tar(&[File::new("a", ""), File::new("b", "")]);
    bytes[BLOCK] ^= 1;
    let error = index(Cursor::new(bytes), &Bounds::default()).unwrap_err();
    let Error::Malformed { location, reason } = error else { panic!("{error}") };
    assert_eq!(location, Location::Entry { number: 2, path: None });
    assert!(reason.contains("checksum"));
}

#[test]
fn sparse_files_are_named_and_not_expanded() {
    let mut header = File::of_kind("holes", b'S').header(BLOCK as u64);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_is_extended(true);
    gnu.set_real_size(1 << 50);
    header.set_cksum();
    let map = |is_last: bool| {
        let mut map = GnuExtSparseHeader::new();
        map.isextended = [u8::from(!is_last)];
        map.as_bytes().to_vec()
    };
    let content = [header.as_bytes().to_vec(), map(false), map(true), vec![b'x'; BLOCK]].concat();
    let pax = extension(b'x', pax_record("GNU.sparse.name", b"pax-holes"));
    let rest = tar(&[pax, File::new("GNUSparseFile.0/x", "map"), File::new("after", "1")]);
    let bytes = [content, rest].concat();
    let index = index(Cursor::new(bytes), &Bounds::default()).unwrap();
    let entries: Vec<_> = index.entries.iter().map(|e| (&*e.path, e.kind)).collect();
    let sparse = Kind::Other(SPARSE);
    assert_eq!(entries, [("holes", sparse), ("pax-holes", sparse), ("after", Kind::File)]);
    assert_eq!(index.entries[0].sha256, None);
}
