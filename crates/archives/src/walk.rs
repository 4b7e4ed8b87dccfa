//! Walks the entries of an archive of any format.

use std::io::{self, BufReader, Read, Seek};

use crate::bounds::Bounds;
use crate::error::{Error, Location, Result};
use crate::format::Format;
use crate::gzip::GzipReader;
use crate::header::{self, BLOCK};
use crate::member::Visit;
use crate::meter::{Meter, PackedReader, UnpackedReader};
use crate::{tar, zip};

/// Bytes that are read at once.
pub(crate) const BUFFER: usize = 64 * 1024;

/// Visits the entries of an archive until the visitor breaks. The format is detected by the content.
/// Of the bounds, those of an index do not count. A path may occur several times.
pub fn visit<R: Read + Seek>(archive: R, bounds: &Bounds, visit: &mut Visit<'_>) -> Result<()> {
    walk(archive, &Meter::new(bounds), visit).map(|_| ())
}

/// Properties of an archive that its entries do not have.
pub(crate) struct Walked {
    pub(crate) format: Format,
    pub(crate) trailing_data: bool,
}

/// Visits the entries of an archive until the visitor breaks.
pub(crate) fn walk<R: Read + Seek>(
    mut reader: R,
    meter: &Meter,
    visit: &mut Visit<'_>,
) -> Result<Walked> {
    meter.set_length(reader.seek(io::SeekFrom::End(0)).map_err(Error::Read)?)?;
    reader.rewind().map_err(Error::Read)?;
    let mut head = [0; BLOCK];
    let length = tar::read_up_to(&mut reader, &mut head).map_err(Error::Read)?;
    let format = Format::detect(head.get(..length).unwrap_or_default())?;
    reader.rewind().map_err(Error::Read)?;

    let packed = PackedReader::new(reader, meter);
    let trailing_data = if format == Format::Zip {
        zip::walk(packed, meter, visit)?;
        false
    } else {
        let unpacker = unpacker(format, packed, meter).map_err(Error::Read)?;
        walk_tar(
            UnpackedReader::new(BufReader::with_capacity(BUFFER, unpacker), meter),
            meter,
            visit,
        )?
    };
    meter.finish()?;
    Ok(Walked { format, trailing_data })
}

fn unpacker<'a, R: Read + 'a>(
    format: Format,
    packed: PackedReader<'a, R>,
    meter: &Meter,
) -> io::Result<Box<dyn Read + 'a>> {
    let packed = BufReader::with_capacity(BUFFER, packed);
    Ok(match format {
        Format::TarGzip => Box::new(GzipReader::new(packed)),
        Format::TarZstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(meter.bounds().zstd_window_log)?;
            Box::new(decoder)
        }
        Format::Tar | Format::Zip => Box::new(packed),
    })
}

fn walk_tar(mut stream: impl Read, meter: &Meter, visit: &mut Visit<'_>) -> Result<bool> {
    let mut head = [0; BLOCK];
    let at_start = Location::Entry { number: 1, path: None };
    let length = tar::read_up_to(&mut stream, &mut head).map_err(|e| meter.error(at_start, &e))?;
    // Compressed files are not always archives.
    let head = head.get(..length).filter(|head| header::is_tar(head)).ok_or(Error::NotAnArchive)?;
    tar::walk(&mut head.chain(stream), meter, visit)
}
