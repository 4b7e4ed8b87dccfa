//! Members: entries of an archive while it is read.

use std::io::{self, Read};
use std::ops::ControlFlow;

use crate::entry::Kind;
use crate::error::{Location, Result};
use crate::escape::escape;
use crate::meter::Meter;

/// Receiver of members, in the order of the archive. `Break` ends the reading.
pub type Visit<'a> = dyn FnMut(&mut Member<'_>) -> Result<ControlFlow<()>> + 'a;

/// An entry whose content can be read once. Content that is left is skipped.
pub struct Member<'a> {
    pub(crate) header: &'a MemberHeader,
    pub(crate) content: &'a mut dyn Read,
    pub(crate) meter: &'a Meter,
}

impl Member<'_> {
    /// Returns the path as the archive has it: any bytes.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.header.path
    }

    /// Returns the path with escapes, for messages.
    #[must_use]
    pub fn shown_path(&self) -> String {
        escape(&self.header.path)
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.header.kind
    }

    /// Returns the permission bits with set-uid, set-gid and sticky; `None` in an archive without
    /// Unix modes.
    #[must_use]
    pub const fn mode(&self) -> Option<u32> {
        self.header.mode
    }

    /// Returns the target of a link as the archive has it: any bytes.
    #[must_use]
    pub fn link(&self) -> Option<&[u8]> {
        self.header.link.as_deref()
    }

    /// Reads content. 0 at its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.content.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(|e| self.meter.error(self.header.location(), &e)),
            }
        }
    }
}

/// Properties of a member. Names are the bytes of the archive.
pub(crate) struct MemberHeader {
    /// Place in the archive, counted from 0.
    pub(crate) position: u64,
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: Option<u32>,
    pub(crate) link: Option<Vec<u8>>,
}

impl MemberHeader {
    pub(crate) fn location(&self) -> Location {
        // A path may be as long as a pax header, and errors stay short.
        let path = self.path.get(..self.path.len().min(512)).map(escape);
        Location::Entry { number: self.position + 1, path }
    }
}
