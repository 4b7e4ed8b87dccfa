//! Tests of the archives.

use std::fs;

use super::*;

fn headers(packed: &[u8]) -> Vec<(String, u32)> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let entries = tar.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        // Empty fields are zeros: no owner (108 to 123), no time (136 to 147).
        let bytes = header.as_bytes();
        assert!(
            bytes[108..124].iter().chain(&bytes[136..148]).all(|byte| matches!(byte, 0 | b'0'))
        );
        (entry.path().unwrap().display().to_string(), header.mode().unwrap())
    });
    entries.collect()
}

fn sample() -> BTreeMap<String, Vec<u8>> {
    [("b.sh", "#!/bin/sh\n"), ("a/x.toml", "x = 1\n"), ("a.toml", "")]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into()
}

#[test]
fn equal_files_make_equal_bytes_from_memory_and_from_a_directory() {
    let packed = pack_files(&sample()).unwrap();
    let modes = [("a.toml", 0o644), ("a/x.toml", 0o644), ("b.sh", 0o755)];
    assert_eq!(headers(&packed), modes.map(|(path, mode)| (path.to_owned(), mode)));
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    for (path, bytes) in sample() {
        fs::write(dir.path().join(path), bytes).unwrap();
    }
    let mut out = Vec::new();
    let archive = pack_directory(dir.path(), &Exclusions::default(), &mut out).unwrap();
    assert_eq!(out, packed);
    assert_eq!(archive.digest, Digest::sha256(&out));
    assert_eq!((archive.size, archive.entries.len()), (out.len() as u64, 3));
}

/// A change of the compressor or of the headers changes the digest of everything that is published
/// again.
#[test]
fn the_digest_of_a_sample_stays() {
    let text: String = (0..20_000).map(|line| format!("line {}\n", line * line % 977)).collect();
    let mut files = sample();
    files.insert("data/large.txt".to_owned(), text.into_bytes());
    files.insert(format!("{}/{}", "d".repeat(120), "f".repeat(90)), b"long".to_vec());
    files.insert(format!("{}/{}", "d".repeat(200), "g".repeat(120)), b"longer".to_vec());
    let packed = pack_files(&files).unwrap();
    let digest = Digest::sha256(&packed).to_string();
    assert_eq!(digest, "sha256:221c7071bd58a29e75667c18353d0305d052721d266fc188122b588aab979150");
    assert_eq!(packed.get(..10), Some(&[31, 139, 8, 0, 0, 0, 0, 0, 2, 255][..]), "gzip header");
}

#[test]
fn a_full_disk_is_a_failure_of_the_archive() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "x").unwrap();
    let failed = pack_directory(dir.path(), &Exclusions::default(), Full).unwrap_err();
    assert!(matches!(failed, PackError::Write(_)), "{failed}");
}

/// A writer that changes the directory as soon as the archive begins.
struct Meddler<F: FnMut()>(F);

impl<F: FnMut()> Write for Meddler<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_changes_meanwhile_is_noticed() {
    let noise: Vec<u8> =
        (0..1_000_000_u32).flat_map(|n| n.wrapping_mul(n ^ 0x4d).to_le_bytes()).collect();
    let changes: [fn(&Path); 6] = [
        |dir| fs::write(dir.join("a"), "other").unwrap(),
        |dir| fs::write(dir.join("m"), "longer than before").unwrap(),
        |dir| fs::write(dir.join("z"), "other").unwrap(),
        |dir| fs::write(dir.join("new"), "x").unwrap(),
        |dir| {
            let _ = fs::remove_file(dir.join("z"));
        },
        |dir| {
            let _ = fs::remove_file(dir.join("z"));
            let _ = fs::create_dir(dir.join("z"));
        },
    ];
    for (index, change) in changes.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "first").unwrap();
        fs::write(dir.path().join("m"), &noise).unwrap();
        fs::write(dir.path().join("z"), "last").unwrap();
        let out = Meddler(|| change(dir.path()));
        let failed = pack_directory(dir.path(), &Exclusions::default(), out).unwrap_err();
        assert!(matches!(failed, PackError::Changed(_)), "{index}: {failed}");
    }
}

#[test]
fn what_no_client_unpacks_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), vec![0; 2 << 20]).unwrap();
    let failed = pack_directory(dir.path(), &Exclusions::default(), io::sink()).unwrap_err();
    assert!(failed.to_string().contains("200 bytes for each"), "{failed}");
}
