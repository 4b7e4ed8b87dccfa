//! Bounds of an archive that every client unpacks.

/// Largest number of entries, directories included.
pub const ENTRIES_MAX: usize = 65_536;
/// Largest sum of the sizes of all files, in bytes.
pub const UNPACKED_MAX: u64 = 4 << 30;
/// Largest number of unpacked bytes for each packed one.
pub const RATIO_MAX: u64 = 200;
/// Unpacked bytes from which on the ratio counts.
pub const RATIO_AFTER: u64 = 1 << 20;
