//! Tests of the scan.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

fn directory(files: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    dir
}

fn paths(dir: &TempDir, exclude: &[&str]) -> Vec<String> {
    let patterns: Vec<String> = exclude.iter().map(|&text| text.to_owned()).collect();
    let entries = scan(dir.path(), &Exclusions::parse(&patterns).unwrap()).unwrap();
    entries.into_iter().map(|entry| entry.path).collect()
}

fn refused(dir: &TempDir) -> String {
    match scan(dir.path(), &Exclusions::default()) {
        Err(error @ PackError::Refused { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_are_sorted_by_the_bytes_of_their_paths_and_directories_are_none() {
    let dir = directory(&["b/1", "b.txt", "a", "b/é", "B2", ".git/config", "x/.git", "x/y.part-1"]);
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert_eq!(paths(&dir, &[]), ["B2", "a", "b.txt", "b/1", "b/é"]);
    assert_eq!(paths(&dir, &["b/", "a*"]), ["B2", "b.txt"]);
}

#[test]
fn links_stay_inside_or_are_refused() {
    let dir = directory(&["a/file", "b/file"]);
    symlink("file", dir.path().join("a/near")).unwrap();
    symlink("../b/file", dir.path().join("a/beside")).unwrap();
    symlink("a", dir.path().join("folder")).unwrap();
    let entries = scan(dir.path(), &Exclusions::default()).unwrap();
    let links = entries.iter().filter(|entry| matches!(entry.content, SourceContent::Link(_)));
    assert_eq!(links.count(), 3);
    let root = dir.path().display().to_string();
    for target in
        ["../../x", "/etc/hostname", &root, "none", "../folder/../../x", "back\\slash", "a\nb"]
    {
        let link = dir.path().join("a/link");
        symlink(target, &link).unwrap();
        assert!(refused(&dir).contains("links to"), "{target}");
        fs::remove_file(link).unwrap();
    }
    // Each text stays inside, and both together lead out.
    symlink(".", dir.path().join("here")).unwrap();
    symlink("here/../etc", dir.path().join("out")).unwrap();
    assert!(refused(&dir).contains("links to"));
}

#[test]
fn what_is_no_file_is_refused() {
    let dir = directory(&["a"]);
    let socket = dir.path().join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert!(refused(&dir).contains("is a socket"));
    fs::remove_file(&socket).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&socket).status().unwrap();
    assert!(made.success() && refused(&dir).contains("is a pipe"));
    let devices = scan(std::path::Path::new("/dev/null"), &Exclusions::default()).unwrap_err();
    assert!(devices.to_string().contains("is not a directory"), "{devices}");
}

#[test]
fn names_are_the_same_on_every_machine() {
    for (names, part) in [
        (&["a", "A"][..], "in case only"),
        (&["x/Readme", "x/README"], "in case only"),
        (&["x/1", "X/2"], "in case only"),
        (&["straße", "STRAßE"], "in case only"),
        (&["a\nb"], "control characters"),
        (&["a\u{7f}"], "control characters"),
        (&["a\\b"], "backslash"),
    ] {
        assert!(refused(&directory(names)).contains(part), "{names:?}");
    }
    let dir = directory(&[]);
    fs::write(dir.path().join(OsStr::from_bytes(b"a\xff")), "").unwrap();
    assert!(refused(&dir).contains("not UTF-8"));
}

#[test]
fn what_no_client_unpacks_is_refused() {
    let dir = directory(&[]);
    let many: PathBuf = dir.path().join("many");
    fs::create_dir(&many).unwrap();
    for file in 0..ENTRIES_MAX - 1 {
        fs::File::create(many.join(file.to_string())).unwrap();
    }
    assert_eq!(scan(dir.path(), &Exclusions::default()).unwrap().len(), ENTRIES_MAX - 1);
    fs::File::create(many.join("one more")).unwrap();
    assert!(refused(&dir).contains("more than 65536"));
    let dir = directory(&["a"]);
    let large = fs::File::create(dir.path().join("large")).unwrap();
    large.set_len(UNPACKED_MAX).unwrap();
    assert!(refused(&dir).contains("bytes"));
}
