//! A body while it is put together. A long one lies in pages of its own, which go back to the system
//! with it: freed by another thread than the one that asked for it, the allocator would keep each.

use bytes::Bytes;
use memmap2::MmapMut;

use crate::error::{Error, ErrorKind, Result};

/// Longer bodies have pages of their own.
const LONG: usize = 64 * 1024;

/// What came so far.
pub(super) enum Whole {
    Short { bytes: Vec<u8>, most: usize },
    Long { pages: MmapMut, length: usize },
}

/// The bytes of a long body.
struct Pages {
    pages: MmapMut,
    length: usize,
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        self.pages.get(..self.length).unwrap_or_default()
    }
}

impl Whole {
    /// Nothing yet, of a body that is at least that long, and at most this.
    ///
    /// # Errors
    /// The system has no memory left.
    pub(super) fn new(least: usize, most: usize) -> Result<Self> {
        if least > LONG {
            return Self::long(&[], most);
        }
        Ok(Self::Short { bytes: Vec::with_capacity(least), most })
    }

    /// Pages that are not written to take no memory, so that the most is asked for at once.
    fn long(bytes: &[u8], most: usize) -> Result<Self> {
        let mut pages = MmapMut::map_anon(most).map_err(|error| {
            Error::new(ErrorKind::Internal, "There is no memory for a response").because(error)
        })?;
        if let Some(begin) = pages.get_mut(..bytes.len()) {
            begin.copy_from_slice(bytes);
        }
        Ok(Self::Long { pages, length: bytes.len() })
    }

    /// The same and another piece; `None` if that is too long.
    ///
    /// # Errors
    /// The system has no memory left.
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
            Self::Long { pages, length } => Bytes::from_owner(Pages { pages, length }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_together(least: usize, most: usize, pieces: &[&[u8]]) -> Option<Bytes> {
        let mut whole = Whole::new(least, most).unwrap();
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
