//! Header blocks of tar.

use ::tar::Header;

use crate::entry::{Kind, MODE_BITS};

/// Length of a header, and the unit of contents, in bytes.
pub(crate) const BLOCK: usize = 512;
/// Place of the checksum field in a header.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Returns true if the first bytes of a file are those of a tar: a header, or the end marker of an
/// empty archive.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    let Ok(block) = <&[u8; BLOCK]>::try_from(head) else { return false };
    is_end(block) || block.get(257..).is_some_and(|rest| rest.starts_with(b"ustar")) || {
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        has_valid_checksum(&header)
    }
}

/// Returns true for a block of zeros, which ends an archive.
pub(crate) fn is_end(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// Returns true if the checksum is right: the sum of all bytes, with spaces for its own field.
pub(crate) fn has_valid_checksum(header: &Header) -> bool {
    let bytes = header.as_bytes().iter().enumerate();
    let sum: u32 =
        bytes.map(|(at, byte)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { *byte })).sum();
    header.cksum().is_ok_and(|checksum| checksum == sum)
}

/// Permission bits. `None` if the field is not a number.
pub(crate) fn mode(header: &Header) -> Option<u32> {
    header.mode().ok().map(|mode| mode & MODE_BITS)
}

/// Role of a header in the archive.
pub(crate) enum Role {
    /// Path of the next entry.
    LongPath,
    /// Link target of the next entry.
    LongLink,
    /// Pax header of the next entry.
    Pax,
    /// Pax header of all later entries.
    GlobalPax,
    /// An entry.
    Entry(Kind),
}

impl Role {
    pub(crate) fn of(header: &Header) -> Self {
        Self::Entry(match header.entry_type().as_byte() {
            b'L' => return Self::LongPath,
            b'K' => return Self::LongLink,
            b'x' | b'X' => return Self::Pax,
            b'g' => return Self::GlobalPax,
            b'1' => Kind::Hardlink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Other("character device"),
            b'4' => Kind::Other("block device"),
            b'5' => Kind::Directory,
            b'6' => Kind::Other("fifo"),
            b'D' => Kind::Other("incremental directory"),
            b'M' => Kind::Other("continued file"),
            b'S' => Kind::Other(SPARSE),
            b'V' => Kind::Other("volume label"),
            // Programs unpack unknown types as files.
            _ => Kind::File,
        })
    }
}

/// Kind of files with holes. They are not expanded: a hole of 1 EiB takes a few bytes.
pub(crate) const SPARSE: &str = "sparse file";
