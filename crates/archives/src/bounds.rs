//! Bounds of reading, and the names under which errors report them.

use std::fmt;
use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Bounds of reading one archive, and of showing its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Length of the archive itself, in bytes.
    pub packed: u64,
    /// Bytes that unpacking produces: of the whole stream for tar, of all files for zip.
    pub unpacked: u64,
    /// Unpacked bytes for each packed byte.
    pub ratio: u64,
    /// Unpacked bytes from which on the ratio counts. Tiny archives of zeros stay below it.
    pub ratio_after: u64,
    /// Entries that are read. Later ones are left out of the index.
    pub entries: u64,
    /// Bytes of a path or of a link's target. Entries beyond are left out of the index.
    pub path: usize,
    /// Bytes of memory for an index. Later entries are left out.
    pub index: usize,
    /// Bytes of one pax header or GNU long name.
    pub metadata: u64,
    /// Window of a zstd frame, as a power of two.
    pub zstd_window_log: u32,
    /// Bytes of a file that is shown as text.
    pub shown: u64,
    /// Lines in the hunks of a difference, with their context.
    pub diff_lines: usize,
    /// Time to find a difference.
    pub diff_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            packed: 64 * MIB,
            unpacked: 256 * MIB,
            ratio: 200,
            ratio_after: MIB,
            entries: 10_000,
            path: 512,
            index: 16 << 20,
            metadata: 256 * KIB,
            zstd_window_log: 26,
            shown: 512 * KIB,
            diff_lines: 20_000,
            diff_time: Duration::from_millis(200),
        }
    }
}

/// A bound that an archive exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Length of the archive.
    Packed(ByteCount),
    /// Bytes that unpacking produces.
    Unpacked(ByteCount),
    /// Unpacked bytes for each packed byte.
    Ratio(u64),
    /// Length of a pax header or GNU long name.
    Metadata(ByteCount),
    /// Window of a zstd frame.
    ZstdWindow(ByteCount),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packed(bytes) => write!(f, "{bytes} packed"),
            Self::Unpacked(bytes) => write!(f, "{bytes} unpacked"),
            Self::Ratio(ratio) => write!(f, "{ratio} unpacked bytes for each packed byte"),
            Self::Metadata(bytes) => write!(f, "{bytes} in one pax header or long name"),
            Self::ZstdWindow(bytes) => write!(f, "{bytes} in a zstd window"),
        }
    }
}

/// A number of bytes. Shown in the largest binary unit without a remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteCount(pub u64);

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => (bytes / MIB, "MiB"),
            bytes if bytes >= KIB && bytes.is_multiple_of(KIB) => (bytes / KIB, "KiB"),
            bytes => (bytes, "bytes"),
        };
        write!(f, "{count} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_their_value_and_unit() {
        let bounds = Bounds::default();
        for (bound, text) in [
            (Bound::Packed(ByteCount(bounds.packed)), "64 MiB packed"),
            (Bound::Unpacked(ByteCount(1025)), "1025 bytes unpacked"),
            (Bound::Ratio(bounds.ratio), "200 unpacked bytes for each packed byte"),
            (Bound::Metadata(ByteCount(bounds.metadata)), "256 KiB in one pax header or long name"),
        ] {
            assert_eq!(bound.to_string(), text);
        }
    }
}
