//! Archives for tests, among them some that no packing program would write.

#![allow(clippy::cast_possible_truncation, reason = "fields of archives are narrow")]

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write as _};
use std::rc::Rc;

use ::tar::{EntryType, Header};

use crate::header::BLOCK;

/// An entry of a tar, with any name in its header.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) link: Vec<u8>,
    pub(crate) content: Vec<u8>,
}

impl File {
    pub(crate) fn new(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let (path, content) = (path.as_ref().to_vec(), content.as_ref().to_vec());
        Self { path, kind: b'0', mode: 0o644, link: Vec::new(), content }
    }

    pub(crate) fn of_kind(path: &str, kind: u8) -> Self {
        Self { kind, ..Self::new(path, "") }
    }

    pub(crate) fn link(path: &str, kind: u8, target: &str) -> Self {
        Self { link: target.into(), ..Self::of_kind(path, kind) }
    }

    pub(crate) fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    pub(crate) fn header(&self, size: u64) -> Header {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..self.path.len()].copy_from_slice(&self.path);
        old.linkname[..self.link.len()].copy_from_slice(&self.link);
        header.set_entry_type(EntryType::new(self.kind));
        header.set_mode(self.mode);
        header.set_size(size);
        header.set_cksum();
        header
    }

    fn entry(&self) -> Vec<u8> {
        let header = self.header(self.content.len() as u64);
        [header.as_bytes().as_slice(), &self.content, &vec![0; padding(&self.content)]].concat()
    }
}

fn padding(content: &[u8]) -> usize {
    content.len().next_multiple_of(BLOCK) - content.len()
}

/// A tar with its end marker.
pub(crate) fn tar(files: &[File]) -> Vec<u8> {
    let mut bytes: Vec<u8> = files.iter().flat_map(File::entry).collect();
    bytes.extend([0; 2 * BLOCK]);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

pub(crate) fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    [length.to_string().as_bytes(), &rest].concat()
}

/// Bytes that do not compress.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// An entry of a zip, with any values in its headers.
#[derive(Clone)]
pub(crate) struct Zipped {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) packed: Vec<u8>,
    pub(crate) size: u32,
    pub(crate) checksum: u32,
    /// Entry whose local header this one shares.
    pub(crate) shares: Option<usize>,
}

impl Zipped {
    pub(crate) fn stored(path: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let mut checksum = flate2::Crc::new();
        checksum.update(content);
        Self {
            path: path.as_ref().to_vec(),
            mode: 0o100_644,
            flags: 0,
            method: 0,
            packed: content.to_vec(),
            size: content.len() as u32,
            checksum: checksum.sum(),
            shares: None,
        }
    }

    fn fields(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(20u16.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.method.to_le_bytes());
        bytes.extend([0, 0, 0x21, 0]);
        bytes.extend(self.checksum.to_le_bytes());
        bytes.extend((self.packed.len() as u32).to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes.extend((self.path.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }
}

pub(crate) fn zip(files: &[Zipped]) -> Vec<u8> {
    zip_announcing(files, files.len() as u16)
}

/// A zip whose end record announces any number of entries.
pub(crate) fn zip_announcing(files: &[Zipped], count: u16) -> Vec<u8> {
    let (mut bytes, mut offsets) = (Vec::new(), Vec::new());
    for file in files {
        offsets.push(file.shares.map_or(bytes.len(), |other| offsets[other]));
        if file.shares.is_none() {
            bytes.extend(b"PK\x03\x04");
            bytes.extend([file.fields(), file.path.clone(), file.packed.clone()].concat());
        }
    }
    let start = bytes.len();
    for (file, offset) in files.iter().zip(offsets) {
        bytes.extend(b"PK\x01\x02\x14\x03");
        bytes.extend(file.fields());
        bytes.extend([0; 6]);
        bytes.extend((file.mode << 16).to_le_bytes());
        bytes.extend((offset as u32).to_le_bytes());
        bytes.extend(&file.path);
    }
    let length = bytes.len() - start;
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend((length as u32).to_le_bytes());
    bytes.extend((start as u32).to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// Archives of one file of zeros, of more than 1 GiB, in each format that compresses.
pub(crate) fn bombs() -> [(&'static str, Vec<u8>); 3] {
    const SIZE: usize = 4 << 20;
    const TIMES: usize = 256;
    let zeros = vec![0; SIZE];
    // Within the bound by its announcement, so that only the bytes themselves give it away.
    let members = (0..TIMES).map(|_| File::new("zeros", "").header(SIZE as u64));
    let headers: Vec<Vec<u8>> = members.map(|header| header.as_bytes().to_vec()).collect();
    let join = |pack: fn(&[u8]) -> Vec<u8>| {
        let zeros = pack(&zeros);
        headers.iter().flat_map(|header| [pack(header), zeros.clone()].concat()).collect()
    };
    let mut block = Vec::with_capacity(SIZE);
    let mut deflate = flate2::Compress::new(flate2::Compression::default(), false);
    deflate.compress_vec(&zeros, &mut block, flate2::FlushCompress::Full).unwrap();
    let packed = [block.repeat(TIMES), vec![3, 0]].concat();
    let size = (SIZE * TIMES) as u32;
    let file = Zipped { method: 8, packed, size, ..Zipped::stored("zeros", b"") };
    [("gzip", join(gzip)), ("zstd", join(zstd)), ("zip", zip(&[file]))]
}

/// Reader that counts the bytes it gives.
pub(crate) struct CountingReader {
    bytes: Cursor<Vec<u8>>,
    count: Rc<Cell<u64>>,
}

impl CountingReader {
    pub(crate) fn new(bytes: Vec<u8>) -> (Self, Rc<Cell<u64>>) {
        let count = Rc::new(Cell::new(0));
        (Self { bytes: Cursor::new(bytes), count: Rc::clone(&count) }, count)
    }
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(buffer)?;
        self.count.set(self.count.get() + length as u64);
        Ok(length)
    }
}

impl Seek for CountingReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(position)
    }
}

/// Reader that fails after some bytes, as a disk does.
pub(crate) struct FailingReader {
    pub(crate) bytes: Cursor<Vec<u8>>,
    pub(crate) fails_at: u64,
}

impl Read for FailingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.fails_at.saturating_sub(self.bytes.position()) {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the disk failed")),
            left => (&mut self.bytes).take(left).read(buffer),
        }
    }
}

impl Seek for FailingReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(position)
    }
}
