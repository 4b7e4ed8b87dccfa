//! Counts of the bytes that reading consumes and produces, and the errors beyond their bounds.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;

use crate::bounds::{Bound, Bounds, ByteCount};
use crate::error::{Error, Location, Result};

/// Counts of one reading. Shared by the readers of its packed and unpacked bytes.
pub(crate) struct Meter {
    bounds: Bounds,
    length: Cell<u64>,
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    exceeded: Cell<Option<Bound>>,
    source_error: Cell<Option<io::Error>>,
}

impl Meter {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            bounds: *bounds,
            length: Cell::new(0),
            packed: Cell::new(0),
            unpacked: Cell::new(0),
            exceeded: Cell::new(None),
            source_error: Cell::new(None),
        }
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Sets the length of the archive. `TooLarge` beyond its bound.
    pub(crate) fn set_length(&self, length: u64) -> Result<()> {
        self.length.set(length);
        if length > self.bounds.packed {
            return Err(Error::TooLarge(Bound::Packed(ByteCount(self.bounds.packed))));
        }
        Ok(())
    }

    /// Checks the size that an archive announces. `TooLarge` if it does not fit into the bound.
    pub(crate) fn check_announced(&self, bytes: u64) -> Result<()> {
        if bytes > self.bounds.unpacked.saturating_sub(self.unpacked.get()) {
            return Err(Error::TooLarge(self.unpacked_bound()));
        }
        Ok(())
    }

    /// Returns the error of a failed read. Decoders wrap and replace errors of the readers below
    /// them, so that the meter keeps those itself.
    pub(crate) fn error(&self, location: Location, cause: &io::Error) -> Error {
        if let Some(bound) = self.exceeded.get() {
            return Error::TooLarge(bound);
        }
        if let Some(error) = self.source_error.take() {
            return Error::Read(error);
        }
        if cause.kind() == io::ErrorKind::UnexpectedEof {
            return Error::Truncated(location);
        }
        let zstd = cause.get_ref().and_then(|inner| inner.downcast_ref::<zstd::Error>());
        if zstd.is_some_and(|e| e.is(ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge)) {
            let window = 1u64.checked_shl(self.bounds.zstd_window_log).unwrap_or(u64::MAX);
            return Error::TooLarge(Bound::ZstdWindow(ByteCount(window)));
        }
        Error::Malformed { location, reason: cause.to_string() }
    }

    /// Ends the reading. Fails if the source failed and a decoder took that for the end.
    pub(crate) fn finish(&self) -> Result<()> {
        self.source_error.take().map_or(Ok(()), |error| Err(Error::Read(error)))
    }

    fn produce(&self, bytes: usize) -> io::Result<()> {
        let unpacked = self.unpacked.get().saturating_add(bytes as u64);
        self.unpacked.set(unpacked);
        // A zip archive whose entries overlap is read several times, but has only its length.
        let packed = self.packed.get().min(self.length.get());
        if unpacked > self.bounds.unpacked {
            self.exceeded.set(Some(self.unpacked_bound()));
        } else if unpacked > self.bounds.ratio_after
            && unpacked > packed.saturating_mul(self.bounds.ratio)
        {
            self.exceeded.set(Some(Bound::Ratio(self.bounds.ratio)));
        }
        match self.exceeded.get() {
            Some(bound) => Err(io::Error::other(bound.to_string())),
            None => Ok(()),
        }
    }

    /// A zip archive whose entries overlap can be read for hours without producing a byte.
    fn consume(&self, bytes: usize) -> io::Result<()> {
        let packed = self.packed.get().saturating_add(bytes as u64);
        self.packed.set(packed);
        if packed <= self.length.get().saturating_add(self.bounds.packed) {
            return Ok(());
        }
        let bound = Bound::Packed(ByteCount(self.bounds.packed));
        self.exceeded.set(Some(bound));
        Err(io::Error::other(bound.to_string()))
    }

    const fn unpacked_bound(&self) -> Bound {
        Bound::Unpacked(ByteCount(self.bounds.unpacked))
    }

    #[cfg(test)]
    pub(crate) fn unpacked(&self) -> u64 {
        self.unpacked.get()
    }
}

/// Reader of the archive's own bytes. Counts them and keeps errors of the source.
pub(crate) struct PackedReader<'a, R> {
    source: R,
    meter: &'a Meter,
}

impl<'a, R> PackedReader<'a, R> {
    pub(crate) const fn new(source: R, meter: &'a Meter) -> Self {
        Self { source, meter }
    }

    fn keep(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::Interrupted {
            return error;
        }
        self.meter.source_error.set(Some(error));
        io::Error::other("the source failed")
    }
}

impl<R: Read> Read for PackedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer).map_err(|error| self.keep(error))?;
        self.meter.consume(count)?;
        Ok(count)
    }
}

impl<R: Seek> Seek for PackedReader<'_, R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        // Seeking to an invalid offset is a fault of the archive, not of the source.
        self.source.seek(position)
    }
}

/// Reader of unpacked bytes. Fails beyond the bounds of unpacking.
pub(crate) struct UnpackedReader<'a, R> {
    unpacker: R,
    meter: &'a Meter,
}

impl<'a, R> UnpackedReader<'a, R> {
    pub(crate) const fn new(unpacker: R, meter: &'a Meter) -> Self {
        Self { unpacker, meter }
    }
}

impl<R: Read> Read for UnpackedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.unpacker.read(buffer)?;
        self.meter.produce(count)?;
        Ok(count)
    }
}
