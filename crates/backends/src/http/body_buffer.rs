//! Buffer for a body that is read whole. A long body lies in its own memory mapping, which returns
//! to the system when it is dropped. The allocator would keep blocks that another thread frees.

use bytes::Bytes;
use memmap2::MmapMut;
use registry_core::error::{Error, ErrorKind, Result};

/// Length, in bytes, beyond which a body gets a memory mapping.
const LONG: usize = 64 * 1024;

pub(super) enum BodyBuffer {
    Short { bytes: Vec<u8>, most: usize },
    Long { pages: MmapMut, length: usize },
}

struct MappedPages {
    pages: MmapMut,
    length: usize,
}

impl AsRef<[u8]> for MappedPages {
    fn as_ref(&self) -> &[u8] {
        self.pages.get(..self.length).unwrap_or_default()
    }
}

impl BodyBuffer {
    /// Creates a buffer for `least` to `most` bytes. Fails if the system has no memory left.
    pub(super) fn new(least: usize, most: usize) -> Result<Self> {
        if least > LONG {
            return Self::long(&[], most);
        }
        Ok(Self::Short { bytes: Vec::with_capacity(least), most })
    }

    /// Maps `most` bytes at once: pages take no memory until they are written.
    fn long(bytes: &[u8], most: usize) -> Result<Self> {
        let mut pages = MmapMut::map_anon(most).map_err(|error| {
            Error::new(ErrorKind::Internal, "Not enough memory for a response").because(error)
        })?;
        if let Some(begin) = pages.get_mut(..bytes.len()) {
            begin.copy_from_slice(bytes);
        }
        Ok(Self::Long { pages, length: bytes.len() })
    }

    /// Appends a piece. `None` if the body becomes too long; an error without memory.
    pub(super) fn with(self, piece: &[u8]) -> Result<Option<Self>> {
        match self {
            Self::Short { bytes, most } if bytes.len() + piece.len() > most => Ok(None),
            Self::Short { bytes, most } if bytes.len() + piece.len() > LONG => {
                Self::long(&bytes, most)?.with(piece)
            }
            Self::Short { mut bytes, most } => {
                bytes.extend_from_slice(piece);
                Ok(Some(Self::Short { bytes, most }))
            }
            Self::Long { mut pages, length } => {
                let end = length + piece.len();
                let Some(room) = pages.get_mut(length..end) else { return Ok(None) };
                room.copy_from_slice(piece);
                Ok(Some(Self::Long { pages, length: end }))
            }
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Short { bytes, .. } => bytes.into(),
            Self::Long { pages, length } => Bytes::from_owner(MappedPages { pages, length }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_together(least: usize, most: usize, pieces: &[&[u8]]) -> Option<Bytes> {
        let mut whole = BodyBuffer::new(least, most).unwrap();
        for piece in pieces {
            whole = whole.with(piece).unwrap()?;
        }
        Some(whole.into_bytes())
    }

    #[test]
    fn bodies_are_put_together_whatever_their_length() {
        let long = vec![7; LONG];
        for (least, pieces) in [
            (0, &[&b"a"[..], b"", b"bc"][..]),
            (3, &[b"abc"]),
            (0, &[&long, b"x", &long]),
            (LONG + 1, &[&long, b"x"]),
            (0, &[]),
        ] {
            let expected = pieces.concat();
            assert!(put_together(least, 1 << 20, pieces).unwrap() == expected);
            let exactly = put_together(least, expected.len().max(1), pieces);
            assert!(exactly.unwrap() == expected);
            let too_long = put_together(0, expected.len().max(1), &[pieces, &[b"xy"]].concat());
            assert_eq!(too_long, None);
        }
    }
}
