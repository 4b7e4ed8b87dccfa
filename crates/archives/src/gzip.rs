//! Gzip with several members, and with other bytes behind them.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Members of one archive. Each costs a fresh decoder, even if it holds nothing.
const MEMBERS_MAX: u32 = 65_536;

/// Reader of all members of a gzip stream. Bytes behind the last member that do not begin another
/// one are ignored, as gzip and GNU tar do.
pub(crate) struct GzipReader<R> {
    member: Option<GzDecoder<R>>,
    count: u32,
}

impl<R: BufRead> GzipReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { member: Some(GzDecoder::new(reader)), count: 1 }
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let rest = self.member.take().map(GzDecoder::into_inner);
            // The decoder reads the header at once; bytes without one are not a member.
            self.member = rest.map(GzDecoder::new).filter(|next| next.header().is_some());
            self.count += 1;
            if self.count > MEMBERS_MAX {
                let reason = format!("it has more than {MEMBERS_MAX} gzip members");
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::gzip;

    fn read(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        GzipReader::new(packed).read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn members_are_joined_and_bytes_behind_them_ignored() {
        let packed = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        assert_eq!(read(&packed).unwrap(), b"one two");
        for garbage in [&b"\0\0\0\0"[..], b"garbage", b"\x1f", b"\x1f\x8b"] {
            assert_eq!(read(&[&packed, garbage].concat()).unwrap(), b"one two", "{garbage:?}");
        }
    }

    #[test]
    fn members_that_are_cut_off_or_damaged_fail() {
        let mut packed = gzip(b"one two three");
        let error = read(&packed[..packed.len() - 5]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let checksum = packed.len() - 8;
        packed[checksum] ^= 1;
        assert!(read(&packed).is_err());
    }

    #[test]
    fn the_number_of_members_is_bounded() {
        let empty = gzip(b"");
        assert!(read(&empty.repeat(MEMBERS_MAX as usize - 1)).is_ok());
        assert!(read(&empty.repeat(MEMBERS_MAX as usize + 1)).is_err());
    }
}
