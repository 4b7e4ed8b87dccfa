//! Unpacking of archives that are plain, and of those that attack.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use super::*;

/// An entry of a tar, with any name.
struct Entry {
    path: &'static str,
    kind: EntryType,
    mode: u32,
    link: &'static str,
    content: Vec<u8>,
}

fn file(path: &'static str, content: &str) -> Entry {
    let content = content.as_bytes().to_vec();
    Entry { path, kind: EntryType::Regular, mode: 0o644, link: "", content }
}

fn link(path: &'static str, kind: EntryType, target: &'static str) -> Entry {
    Entry { kind, link: target, ..file(path, "") }
}

fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        old.linkname[..entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

fn id() -> ExtensionId {
    "provider/aws".parse().unwrap()
}

fn mark(digest: &str) -> DirectoryMark {
    DirectoryMark {
        id: "provider/aws".to_owned(),
        version: "1.0.0".to_owned(),
        digest: digest.to_owned(),
        source: "oci".to_owned(),
        backend: "oci".to_owned(),
        files: BTreeMap::new(),
    }
}

fn unpacked(dir: &Path, entries: &[Entry], digest: &str) -> Result<bool> {
    let archive = dir.join("archive.tar.gz");
    std::fs::write(&archive, tar(entries)).unwrap();
    unpack(&archive, &dir.join("out"), &id(), &mark(digest), false)
}

/// Names in the directory of providers, where temporary ones would be.
fn left(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("out/provider")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn an_archive_becomes_a_marked_directory_that_the_next_one_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let entries = [
        link("./", EntryType::Directory, ""),
        Entry { mode: 0o777, ..file("bin/run.sh", "#!/bin/sh\n") },
        file("docs/README.md", "# x\n"),
        link("README.md", EntryType::Symlink, "docs/README.md"),
        link("docs/again.md", EntryType::Link, "docs/README.md"),
        file(".extension.json", "{}"),
    ];
    assert!(unpacked(dir.path(), &entries, "sha256:1").unwrap());
    let root = dir.path().join("out/provider/aws");
    assert_eq!(std::fs::read_to_string(root.join("README.md")).unwrap(), "# x\n");
    assert_eq!(std::fs::read_to_string(root.join("docs/again.md")).unwrap(), "# x\n");
    let read = DirectoryMark::read(&root).unwrap().unwrap();
    assert_eq!((read.digest.as_str(), read.files.len()), ("sha256:1", 3));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().permissions().mode();
        assert_eq!((mode("bin/run.sh") & 0o7777, mode("docs/README.md") & 0o7777), (0o755, 0o644));
    }
    assert!(!unpacked(dir.path(), &entries, "sha256:1").unwrap(), "it is there");
    assert!(unpacked(dir.path(), &[file("new", "")], "sha256:2").unwrap());
    assert!(root.join("new").exists() && !root.join("bin").exists());
    assert_eq!(left(dir.path()), ["aws"]);
}

#[test]
fn a_directory_of_somebody_else_stays() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("out/provider/aws");
    std::fs::create_dir_all(&root).unwrap();
    let failure = unpacked(dir.path(), &[file("a", "")], "sha256:1").unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Conflict);
    let archive = dir.path().join("archive.tar.gz");
    assert!(unpack(&archive, &dir.path().join("out"), &id(), &mark("x"), true).unwrap());
    assert!(root.join("a").exists());
}

#[test]
fn unsafe_archives_are_refused_with_the_entry_and_leave_nothing() {
    let zeros = Entry { content: vec![0; 8 << 20], ..file("zeros", "") };
    for (entries, part) in [
        (vec![file("/etc/x", "")], "/etc/x: its path is absolute"),
        (vec![file("../x", "")], "../x: its path has a part .."),
        (vec![file("a\\..\\x", "")], "part .."),
        (vec![link("a", EntryType::Symlink, "../x")], "a: it is a link out"),
        (vec![link("a", EntryType::Symlink, "/etc")], "a: it is a link out"),
        (vec![link("a", EntryType::Symlink, "b"), file("a/x", "")], "a is no directory"),
        (vec![link("a", EntryType::Link, "../x")], "part .."),
        (vec![link("a", EntryType::Link, "b")], "hard link to no file"),
        (vec![link("a", EntryType::Char, "")], "it is a character device"),
        (vec![link("a", EntryType::Fifo, "")], "it is a fifo"),
        (vec![Entry { mode: 0o4755, ..file("a", "") }], "set-uid"),
        (vec![file("a", ""), file("A", "")], "differs from a in case only"),
        (vec![file("a", ""), file("a", "")], "occurs twice"),
        (vec![file("a\u{1b}[2J", "")], "control characters"),
        (vec![zeros], "200 unpacked bytes for each packed byte"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let failure = unpacked(dir.path(), &entries, "sha256:1").unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Integrity, "{failure}");
        assert!(failure.to_string().contains(part), "{failure}");
        assert!(left(dir.path()).is_empty(), "{:?}", left(dir.path()));
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("archive");
    for bytes in [&b"text"[..], &tar(&[file("a", "content")])[..60]] {
        std::fs::write(&archive, bytes).unwrap();
        let unpacked = unpack(&archive, &dir.path().join("out"), &id(), &mark("x"), false);
        assert_eq!(unpacked.unwrap_err().kind(), FailureKind::Integrity);
        assert!(left(dir.path()).is_empty());
    }
}
