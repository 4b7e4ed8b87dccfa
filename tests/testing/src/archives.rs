//! Archives for tests, with entries that no packing program would write.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

/// An entry of a tar.
#[derive(Clone)]
pub struct File {
    path: Vec<u8>,
    kind: EntryType,
    mode: u32,
    link: String,
    content: Vec<u8>,
}

impl File {
    pub fn new(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let (path, content) = (path.as_ref().to_vec(), content.as_ref().to_vec());
        Self { path, kind: EntryType::Regular, mode: 0o644, link: String::new(), content }
    }

    pub fn directory(path: &str) -> Self {
        Self { kind: EntryType::Directory, mode: 0o755, ..Self::new(path, "") }
    }

    pub fn link(path: &str, kind: EntryType, target: &str) -> Self {
        Self { kind, mode: 0o777, link: target.to_owned(), ..Self::new(path, "") }
    }

    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }
}

/// A tar of these entries, whose names are written as they are.
pub fn tar(files: &[File]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for File { path, kind, mode, link, content } in files {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path);
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_size(content.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar in gzip.
pub fn packed(files: &[File]) -> Vec<u8> {
    gzip(&tar(files))
}
