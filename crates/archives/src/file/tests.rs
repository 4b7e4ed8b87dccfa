//! Tests of files of archives.

use std::io::{self, Cursor};

use super::*;
use crate::fixtures::{File, Zipped, gzip, noise, tar, zip};
use crate::index::index;

fn read(bytes: &[u8], path: &str) -> Result<FileContent> {
    let index = index(Cursor::new(bytes), &Bounds::default()).unwrap();
    read_file(Cursor::new(bytes), &index, path, &Bounds::default())
}

#[test]
fn texts_are_shown_and_binaries_are_not() {
    let one_line = "x".repeat(512 * 1024);
    let late_zero = [vec![b'a'; 8192], vec![0]].concat();
    let files = [
        ("a.txt", b"hello\n".to_vec()),
        ("latin1", b"caf\xe9".to_vec()),
        ("zero", b"a\0b".to_vec()),
        ("late", late_zero.clone()),
        ("line", one_line.clone().into_bytes()),
        ("longer", vec![b'x'; 512 * 1024 + 1]),
        ("empty", Vec::new()),
    ];
    let tarred = tar(&files.each_ref().map(|(path, content)| File::new(path, content)));
    let zipped = zip(&files.each_ref().map(|(path, content)| Zipped::stored(path, content)));
    let text = |text: &str| FileContent::Text(text.to_owned());
    for bytes in [tarred, zipped] {
        for (path, expected) in [
            ("a.txt", text("hello\n")),
            ("latin1", text("caf\u{fffd}")),
            ("zero", FileContent::Binary),
            ("late", text(str::from_utf8(&late_zero).unwrap())),
            ("line", text(&one_line)),
            ("longer", FileContent::TooLong),
            ("empty", text("")),
        ] {
            assert_eq!(read(&bytes, path).unwrap(), expected, "{path}");
        }
    }
}

#[test]
fn raw_bytes_are_written_in_pieces() {
    // One line of 5 MB.
    let line: Vec<u8> = noise(5_000_000).into_iter().map(|byte| b'a' + byte % 26).collect();
    let packed = gzip(&tar(&[File::new("before", "x"), File::new("line", &line)]));
    let index = index(Cursor::new(&packed), &Bounds::default()).unwrap();
    let mut pieces = PiecewiseRead::default();
    let bounds = Bounds::default();
    let length = copy_file(Cursor::new(&packed), &index, "line", &bounds, &mut pieces).unwrap();
    assert_eq!((length, pieces.bytes == line), (5_000_000, true));
    assert!(pieces.longest <= BUFFER);
    let shown = read_file(Cursor::new(&packed), &index, "line", &bounds).unwrap();
    assert_eq!(shown, FileContent::TooLong);
}

#[test]
fn the_last_of_equal_paths_is_read() {
    let bytes = tar(&[File::new("a", "1"), File::new("b", ""), File::new("./a", "two")]);
    assert_eq!(read(&bytes, "a").unwrap(), FileContent::Text("two".to_owned()));
}

#[test]
fn only_files_of_the_index_are_read() {
    let bytes = tar(&[File::of_kind("d/", b'5'), File::link("l", b'2', "x"), File::new("x", "")]);
    assert!(matches!(read(&bytes, "y"), Err(Error::NoSuchEntry(path)) if path == "y"));
    for (path, expected) in [("d", Kind::Directory), ("l", Kind::Symlink)] {
        let error = read(&bytes, path).unwrap_err();
        assert!(matches!(error, Error::NotAFile { kind, .. } if kind == expected), "{error}");
    }
}

#[test]
fn another_archive_than_that_of_the_index_is_refused() {
    let index = index(Cursor::new(tar(&[File::new("a", "1")])), &Bounds::default()).unwrap();
    for other in [
        tar(&[]),
        tar(&[File::new("b", "1")]),
        tar(&[File::new("a", "2")]),
        tar(&[File::new("a", "12")]),
        tar(&[File::new("a", "")]),
        tar(&[File::link("a", b'2', "x")]),
    ] {
        let read = read_file(Cursor::new(other), &index, "a", &Bounds::default());
        assert!(matches!(read, Err(Error::OtherArchive(_))), "{read:?}");
    }
}

#[test]
fn a_receiver_that_fails_ends_the_reading() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let bytes = tar(&[File::new("a", "1")]);
    let bounds = Bounds::default();
    let index = index(Cursor::new(&bytes), &bounds).unwrap();
    let copied = copy_file(Cursor::new(&bytes), &index, "a", &bounds, &mut Gone);
    assert!(matches!(copied, Err(Error::Write(_))));
}

#[derive(Default)]
struct PiecewiseRead {
    bytes: Vec<u8>,
    longest: usize,
}

impl Write for PiecewiseRead {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.longest = self.longest.max(piece.len());
        self.bytes.extend(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn several_files_are_read_in_one_pass() {
    let files = ["a", "b", "c"].map(|path| File::new(path, path.repeat(3)));
    let bytes = tar(&[&files[..], &[File::new("long", vec![b'x'; 512 * 1024 + 1])]].concat());
    let index = index(Cursor::new(&bytes), &Bounds::default()).unwrap();
    let (reader, count) = crate::fixtures::CountingReader::new(bytes.clone());
    let paths = ["c", "long", "a"];
    let read = read_files(reader, &index, &paths, &Bounds::default()).unwrap();
    let text = |text: &str| FileContent::Text(text.to_owned());
    assert_eq!(read, [text("ccc"), FileContent::TooLong, text("aaa")]);
    assert!(count.get() <= bytes.len() as u64, "{} bytes were read", count.get());
    assert!(read_files(Cursor::new(tar(&[])), &index, &paths, &Bounds::default()).is_err());
}
