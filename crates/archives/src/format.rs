//! Formats of archives, detected by their first bytes.

use crate::error::{Error, Result};
use crate::header;

/// Format of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tar without compression.
    Tar,
    /// Tar in gzip.
    TarGzip,
    /// Tar in zstd.
    TarZstd,
    /// Zip.
    Zip,
}

impl Format {
    /// Detects the format by the first bytes of an archive, up to [`header::BLOCK`] bytes.
    pub(crate) fn detect(head: &[u8]) -> Result<Self> {
        // First, because the name of a tar's first entry may look like another format.
        if header::is_tar(head) {
            return Ok(Self::Tar);
        }
        match head {
            [0x1f, 0x8b, ..] => Ok(Self::TarGzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::TarZstd),
            // A skippable frame: seekable archives begin with one.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::TarZstd),
            // The second is the end record of an empty archive.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Self::Zip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(Error::UnsupportedFormat("xz")),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err(Error::UnsupportedFormat("bzip2")),
            _ => Err(Error::NotAnArchive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{File, tar};

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        for (head, format) in [
            (&b"\x1f\x8b\x08"[..], Format::TarGzip),
            (b"\x28\xb5\x2f\xfd\x04", Format::TarZstd),
            (b"\x5e\x2a\x4d\x18\x04", Format::TarZstd),
            (b"PK\x03\x04", Format::Zip),
            (b"PK\x05\x06", Format::Zip),
            (&[0; 512], Format::Tar),
        ] {
            assert_eq!(Format::detect(head).unwrap(), format, "{head:?}");
        }
        for head in [&b""[..], b"PK", b"{}", b"BZhome", b"\x7fELF", &[0; 511]] {
            assert!(matches!(Format::detect(head), Err(Error::NotAnArchive)), "{head:?}");
        }
    }

    #[test]
    fn formats_that_cannot_be_read_are_named() {
        for (head, name) in [(&b"\xfd7zXZ\0\0"[..], "xz"), (b"BZh91AY&SY", "bzip2")] {
            let error = Format::detect(head).unwrap_err();
            assert!(matches!(error, Error::UnsupportedFormat(n) if n == name), "{error}");
            assert!(error.to_string().contains(name));
        }
    }

    #[test]
    fn tars_are_known_even_if_their_first_path_looks_like_another_format() {
        for path in ["BZh9", "PK\u{3}\u{4}"] {
            let bytes = tar(&[File::new(path, b"x")]);
            assert_eq!(Format::detect(&bytes[..512]).unwrap(), Format::Tar);
        }
    }
}
