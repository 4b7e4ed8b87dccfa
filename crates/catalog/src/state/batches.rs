//! Batches of records: checksums, and the valid part of a file.

use std::fs::File;
use std::io::{self, Write};

use registry_core::models::digest::{Algorithm, Digest, DigestHasher};
use serde::{Deserialize, Serialize};

/// Beginning of the line that ends a batch.
const SUM: &str = "{\"sum\":";
#[derive(Serialize, Deserialize)]
struct Sum {
    sum: String,
}

/// The batches of a file up to the first one that is cut short or damaged.
pub(super) struct Verified<'a> {
    /// The first line, and all records.
    pub(super) lines: Vec<&'a str>,
    /// End of the first batch.
    pub(super) first: usize,
    pub(super) end: usize,
}

pub(super) fn verified(bytes: &[u8]) -> Verified<'_> {
    let text = str::from_utf8(bytes);
    let text = text.unwrap_or_else(|_| bytes.utf8_chunks().next().map_or("", |one| one.valid()));
    let mut verified = Verified { lines: Vec::new(), first: 0, end: 0 };
    let (mut lines, mut at) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let begins = at;
        at += line.len();
        if !line.starts_with(SUM) {
            lines.push(line.trim_end_matches('\n'));
            continue;
        }
        let batch = bytes.get(verified.end..begins).unwrap_or_default();
        let sum = serde_json::from_str(line).map(|Sum { sum }| sum).unwrap_or_default();
        if !line.ends_with('\n') || Digest::sha256(batch).to_string() != sum {
            break;
        }
        verified.lines.append(&mut lines);
        verified.end = at;
        if verified.first == 0 {
            verified.first = at;
        }
    }
    verified
}

pub(super) fn has_sum(bytes: &[u8]) -> bool {
    let at = bytes.windows(SUM.len()).position(|part| part == SUM.as_bytes());
    at.and_then(|at| bytes.get(at..)).is_some_and(|line| line.contains(&b'\n'))
}

pub(super) fn write_sum(out: &mut Vec<u8>, digest: &Digest) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Sum { sum: digest.to_string() })?;
    out.push(b'\n');
    Ok(())
}

pub(super) struct Hashed<'a> {
    file: &'a File,
    hasher: DigestHasher,
}

impl<'a> Hashed<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, hasher: DigestHasher::new(Algorithm::Sha256) }
    }

    pub(super) fn digest(self) -> Digest {
        self.hasher.finish()
    }
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        // A write may be short: only the bytes that went out belong to the digest.
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
