//! Tests of the writer.

use std::fs;
use std::path::Path;

use super::*;

fn write(directory: &Path, tag: &str) -> io::Result<()> {
    let mut layout = LayoutWriter::open(directory)?;
    layout.manifest(tag.as_bytes(), Some(tag))?;
    layout.finish()
}

fn tags(directory: &Path) -> Vec<String> {
    let layout = LayoutWriter::open(directory).unwrap();
    layout.tags().map(ToOwned::to_owned).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_layout_is_extended_and_what_others_wrote_stays() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("root/a-provider");
    write(&layout, "1.0.0").unwrap();
    assert_eq!(names(&layout), ["blobs", "index.json", "oci-layout"]);
    let text = fs::read_to_string(layout.join("index.json")).unwrap();
    fs::write(layout.join("index.json"), text.replace('{', "{\"x\":1,")).unwrap();
    write(&layout, "1.1.0").unwrap();
    write(&layout, "1.0.0").unwrap();
    assert_eq!(tags(&layout), ["1.1.0", "1.0.0"]);
    assert!(fs::read_to_string(layout.join("index.json")).unwrap().contains("\"x\":1"));
    let mut writer = LayoutWriter::open(&layout).unwrap();
    assert!(writer.untag("1.0.0") && !writer.untag("2"));
    drop(writer);
    assert_eq!(tags(&layout).len(), 2, "nothing changes before the end");
    assert!(tagged(&layout, "1.1.0").unwrap().is_some());
    assert!(tagged(&layout, "1.2.0").unwrap().is_none());
    assert!(tagged(&dir.path().join("none"), "1.1.0").unwrap().is_none());
    assert_eq!(names(&dir.path().join("root")), ["a-provider"]);
}

#[test]
fn what_is_no_layout_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in [("README.md", "x"), ("index.json", "{}")] {
        let place = dir.path().join(file.replace('.', "-"));
        fs::create_dir(&place).unwrap();
        fs::write(place.join(file), text).unwrap();
        let error = write(&place, "1").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        assert!(tagged(&place, "1").is_err());
        assert_eq!(names(&place), [file]);
    }
    let place = dir.path().join("bad-index");
    fs::create_dir(&place).unwrap();
    fs::write(place.join(MARK), MARK_CONTENT).unwrap();
    for text in ["", "[]", "{}", "{\"manifests\":1}", "<html>"] {
        fs::write(place.join(INDEX), text).unwrap();
        assert_eq!(write(&place, "1").unwrap_err().kind(), io::ErrorKind::InvalidData, "{text}");
        assert_eq!(fs::read_to_string(place.join(INDEX)).unwrap(), text);
    }
    fs::write(dir.path().join("file"), "x").unwrap();
    assert!(write(&dir.path().join("file"), "1").is_err());
    fs::create_dir(dir.path().join("empty")).unwrap();
    write(&dir.path().join("empty"), "1").unwrap();
}

#[test]
fn a_blob_has_its_digest_and_a_damaged_one_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "1").unwrap();
    let layout = LayoutWriter::open(dir.path()).unwrap();
    let digest = Digest::sha256(b"right");
    let error = layout.blob_from(&digest, &b"wrong"[..]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(!layout.has_blob(&digest));
    let path = dir.path().join(BLOBS).join(digest.hex());
    fs::write(&path, "torn").unwrap();
    layout.blob_from(&digest, &b"right"[..]).unwrap();
    assert_eq!(read_blob(dir.path(), &digest, 5).unwrap(), b"right");
    assert!(read_blob(dir.path(), &digest, 4).is_err());
    assert_eq!(names(&dir.path().join(BLOBS)).len(), 2, "no temporary file stays");
}

#[test]
fn writers_at_once_all_appear() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("a-provider");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let layout = &layout;
            scope.spawn(move || write(layout, &format!("1.0.{writer}")).unwrap());
        }
    });
    let mut found = tags(&layout);
    found.sort();
    assert_eq!(found, (0..8).map(|writer| format!("1.0.{writer}")).collect::<Vec<_>>());
    assert_eq!(names(dir.path()), ["a-provider"]);
}

#[cfg(unix)]
#[test]
fn other_users_can_read_what_is_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("a-provider");
    write(&layout, "1").unwrap();
    // The mask of the process decides, as for files that any program makes.
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&layout.join("index.json")), mode(&plain));
    fs::create_dir(dir.path().join("directory")).unwrap();
    assert_eq!(mode(&layout), mode(&dir.path().join("directory")));
}
