//! Walks the entries of a tar.
//!
//! The headers are parsed by the `tar` crate, the sequence is read here: the crate collects long
//! names and pax headers of any length in memory, and splits pax records at newlines.

use std::io::{self, Read};
use std::mem;
use std::ops::ControlFlow;

use ::tar::{GnuExtSparseHeader, Header};

use crate::bounds::{Bound, ByteCount};
use crate::entry::Kind;
use crate::error::{Error, Location, Result};
use crate::header::{self, BLOCK, Role, SPARSE};
use crate::member::{Member, MemberHeader, Visit};
use crate::meter::Meter;
use crate::pending::{self, Pending};

/// Visits all entries of a tar. Returns true if bytes other than zero follow its end marker.
pub(crate) fn walk(stream: &mut dyn Read, meter: &Meter, visit: &mut Visit<'_>) -> Result<bool> {
    let mut walk = TarWalk { stream, meter, position: 0 };
    let mut pending = Pending::default();
    while let Some(header) = walk.next_header()? {
        match Role::of(&header) {
            Role::LongPath => pending.set_path(walk.read_extension(&header)?),
            Role::LongLink => pending.set_link(walk.read_extension(&header)?),
            Role::Pax => pending.set_pax(&walk.read_extension(&header)?),
            Role::GlobalPax => pending::check_global(&walk.read_extension(&header)?),
            Role::Entry(kind) => {
                if walk.visit(&header, kind, mem::take(&mut pending), visit)?.is_break() {
                    return Ok(false);
                }
                Ok(())
            }
        }
        .map_err(|reason| walk.malformed(reason))?;
    }
    if pending.is_empty() { walk.drain() } else { Err(Error::Truncated(walk.location())) }
}

struct TarWalk<'a> {
    stream: &'a mut dyn Read,
    meter: &'a Meter,
    position: u64,
}

impl TarWalk<'_> {
    /// Reads the next header. `None` at the end marker, or at the end of the stream.
    fn next_header(&mut self) -> Result<Option<Header>> {
        let mut block = [0; BLOCK];
        let length = read_up_to(self.stream, &mut block).map_err(|error| self.error(&error))?;
        if length == 0 || (length == BLOCK && header::is_end(&block)) {
            return Ok(None);
        }
        if length < BLOCK {
            return Err(Error::Truncated(self.location()));
        }
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        if !header::has_valid_checksum(&header) {
            return Err(self.malformed("its header has a wrong checksum"));
        }
        Ok(Some(header))
    }

    /// Reads the content of a header that belongs to the next entry.
    fn read_extension(&mut self, header: &Header) -> Result<Vec<u8>> {
        let size = header.entry_size().map_err(|error| self.error(&error))?;
        let max = self.meter.bounds().metadata;
        if size > max {
            return Err(Error::TooLarge(Bound::Metadata(ByteCount(max))));
        }
        let mut content = Vec::new();
        let mut reader = EntryContent { stream: self.stream, left: size };
        reader.read_to_end(&mut content).map_err(|error| self.error(&error))?;
        self.skip(padding(size))?;
        Ok(content)
    }

    fn visit(
        &mut self,
        header: &Header,
        kind: Kind,
        pending: Pending,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>> {
        let (member, size) = self.member(header, kind, pending)?;
        self.skip_sparse_map(header, kind)?;
        let mut content = EntryContent { stream: self.stream, left: size };
        let mut empty = io::empty();
        let reader: &mut dyn Read =
            if member.kind == Kind::File { &mut content } else { &mut empty };
        let flow = visit(&mut Member { header: &member, content: reader, meter: self.meter })?;
        if flow.is_continue() {
            let rest = content.left + padding(size);
            self.skip(rest).map_err(|error| match error {
                Error::Truncated(_) => Error::Truncated(member.location()),
                error => error,
            })?;
            self.position += 1;
        }
        Ok(flow)
    }

    fn member(
        &self,
        header: &Header,
        mut kind: Kind,
        pending: Pending,
    ) -> Result<(MemberHeader, u64)> {
        let pax = pending.pax.unwrap_or_default();
        if (pax.path.is_some() && pending.path.is_some())
            || (pax.link.is_some() && pending.link.is_some())
        {
            return Err(self.malformed("it has a pax header and a GNU long name"));
        }
        let size = match pax.size {
            Some(size) => size,
            None => header.entry_size().map_err(|error| self.error(&error))?,
        };
        let path = pax.path.or(pending.path).unwrap_or_else(|| header.path_bytes().into_owned());
        if pax.is_sparse {
            kind = Kind::Other(SPARSE);
        } else if kind == Kind::File && path.ends_with(b"/") {
            // Old archives have no type for directories.
            kind = Kind::Directory;
        }
        let link = match kind {
            Kind::Hardlink | Kind::Symlink => {
                let link = pax.link.or(pending.link);
                link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            }
            _ => None,
        };
        let mode = header::mode(header);
        let member = MemberHeader { position: self.position, path, kind, mode, link };
        // Some programs skip the content, others take it for the next header.
        if size > 0 && matches!(header.entry_type().as_byte(), b'1'..=b'6') {
            let reason = format!("a {kind} has content");
            return Err(Error::Malformed { location: member.location(), reason });
        }
        self.meter.check_announced(size)?;
        Ok((member, size))
    }

    /// Skips the map of a sparse file that does not fit into its header.
    fn skip_sparse_map(&mut self, header: &Header, kind: Kind) -> Result<()> {
        let is_sparse = kind == Kind::Other(SPARSE);
        let mut has_more = is_sparse && header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        while has_more {
            let mut map = GnuExtSparseHeader::new();
            self.stream.read_exact(map.as_mut_bytes()).map_err(|error| self.error(&error))?;
            has_more = map.is_extended();
        }
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        let mut content = EntryContent { stream: self.stream, left: bytes };
        io::copy(&mut content, &mut io::sink()).map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Reads what follows the end marker, so that damage there is found too.
    fn drain(&mut self) -> Result<bool> {
        let (mut buffer, mut has_data) = ([0; 8 * BLOCK], false);
        loop {
            let length =
                read_up_to(self.stream, &mut buffer).map_err(|error| self.error(&error))?;
            let read = buffer.get(..length).unwrap_or_default();
            if read.is_empty() {
                return Ok(has_data);
            }
            has_data |= read.iter().any(|byte| *byte != 0);
        }
    }

    fn location(&self) -> Location {
        Location::Entry { number: self.position + 1, path: None }
    }

    fn error(&self, cause: &io::Error) -> Error {
        self.meter.error(self.location(), cause)
    }

    fn malformed(&self, reason: &str) -> Error {
        Error::Malformed { location: self.location(), reason: reason.to_owned() }
    }
}

const fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

/// Reads until the buffer is full or the stream ends. Returns the number of bytes.
pub(crate) fn read_up_to(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Reader of a part of the stream. `UnexpectedEof` if the stream ends before it.
struct EntryContent<'a> {
    stream: &'a mut dyn Read,
    left: u64,
}

impl Read for EntryContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut *self.stream).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
