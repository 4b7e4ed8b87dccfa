//! Random archives, built by other code than that which reads them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic")]

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use registry_archives::{
    ArchiveIndex, Bounds, Comparison, Error, FileContent, Kind, compare, copy_file, index,
    read_file,
};
use sha2::{Digest as _, Sha256};

type Files = BTreeMap<String, (Vec<u8>, bool)>;

fn files() -> impl Strategy<Value = Files> {
    let path = "[a-e]{1,2}(/[f-j ü]{1,3}){0,2}(/[k-m]{90,130})?\\.[a-z]{2}";
    btree_map(path, (vec(any::<u8>(), 0..2000), any::<bool>()), 0..12)
}

fn tar(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, (content, is_executable)) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(if *is_executable { 0o755 } else { 0o644 });
        builder.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(files: &Files) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, (content, is_executable)) in files {
        let mode = if *is_executable { 0o755 } else { 0o644 };
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .unix_permissions(mode);
        writer.start_file(path.as_str(), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn every_format(files: &Files) -> [Vec<u8>; 4] {
    let plain = tar(files);
    [gzip(&plain), zstd::encode_all(plain.as_slice(), 1).unwrap(), zip(files), plain]
}

fn index_of(bytes: &[u8]) -> ArchiveIndex {
    index(Cursor::new(bytes), &Bounds::default()).unwrap()
}

fn paths<'a>(entries: &[&'a registry_archives::Entry]) -> Vec<&'a str> {
    entries.iter().map(|entry| &*entry.path).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn indexes_have_exactly_the_entries(files in files()) {
        for bytes in every_format(&files) {
            let index = index_of(&bytes);
            prop_assert_eq!(index.entries.len(), files.len());
            for (entry, (path, (content, is_executable))) in index.entries.iter().zip(&files) {
                prop_assert_eq!(&*entry.path, path);
                prop_assert_eq!(entry.kind, Kind::File);
                prop_assert_eq!(entry.size, content.len() as u64);
                let mode = if *is_executable { 0o755 } else { 0o644 };
                prop_assert_eq!(entry.mode, Some(mode));
                prop_assert_eq!(entry.sha256, Some(Sha256::digest(content).into()));
                prop_assert_eq!(entry.marks().count(), 0);
            }
        }
    }

    #[test]
    fn every_file_reads_back(files in files()) {
        let bounds = Bounds::default();
        for bytes in every_format(&files) {
            let index = index_of(&bytes);
            for (path, (content, _)) in &files {
                let mut copy = Vec::new();
                copy_file(Cursor::new(&bytes), &index, path, &bounds, &mut copy).unwrap();
                prop_assert_eq!(&copy, content);
                let shown = read_file(Cursor::new(&bytes), &index, path, &bounds).unwrap();
                let expected = if content.contains(&0) {
                    FileContent::Binary
                } else {
                    FileContent::Text(String::from_utf8_lossy(content).into_owned())
                };
                prop_assert_eq!(shown, expected);
            }
        }
    }

    #[test]
    fn comparisons_are_antisymmetric(old in files(), new in files(), shared in files()) {
        let (mut old, mut new) = (old, new);
        old.extend(shared.clone());
        new.extend(shared);
        let (old, new) = (index_of(&tar(&old)), index_of(&zip(&new)));
        prop_assert_eq!(compare(&old, &old), Comparison::default());
        let (there, back) = (compare(&old, &new), compare(&new, &old));
        prop_assert_eq!(paths(&there.added), paths(&back.removed));
        prop_assert_eq!(paths(&there.removed), paths(&back.added));
        let mut changes: Vec<_> = there.changed.iter().map(|c| (&c.from.path, &c.to.path)).collect();
        let mut reverse: Vec<_> = back.changed.iter().map(|c| (&c.to.path, &c.from.path)).collect();
        changes.sort();
        reverse.sort();
        prop_assert_eq!(changes, reverse);
        prop_assert_eq!(old.entries.len() + there.added.len(), new.entries.len() + there.removed.len());
    }

    #[test]
    fn damaged_archives_end_in_an_error_or_an_index(
        files in files(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for mut bytes in every_format(&files) {
            for (at, value) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            let end = bytes.len().saturating_sub(cut.index(bytes.len()) / 8);
            bytes.truncate(end);
            let Ok(index) = index(Cursor::new(&bytes), &Bounds::default()) else { continue };
            for entry in &index.entries {
                let read = read_file(Cursor::new(&bytes), &index, &entry.path, &Bounds::default());
                let is_readable = entry.kind == Kind::File;
                let is_refused = matches!(read, Err(Error::NotAFile { .. }));
                prop_assert!(read.is_ok() == is_readable || is_refused, "{:?}", read);
            }
        }
    }
}
