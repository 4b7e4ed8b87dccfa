//! Walks the entries of a zip.

use std::io::{self, Read, Seek, SeekFrom};

use ::zip::read::{Config, OwnedZipFileEntry};
use ::zip::result::ZipError;
use ::zip::unstable::read::ZipIterable;
use ::zip::{CompressionMethod, System, ZipReadOptions};

use crate::entry::{Kind, MODE_BITS};
use crate::error::{Error, Location, Result};
use crate::member::{Member, MemberHeader, Visit};
use crate::meter::{Meter, UnpackedReader};

/// Signature of the end record, and its length with the longest comment.
const END: &[u8] = b"PK\x05\x06";
const END_MAX: u64 = 22 + u16::MAX as u64;
/// Mask of the file type in a Unix mode, and the types.
const TYPE: u32 = 0o170_000;
const SYMLINK: u32 = 0o120_000;
const DIRECTORY: u32 = 0o040_000;
const FIFO: u32 = 0o010_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const BLOCK_DEVICE: u32 = 0o060_000;
const SOCKET: u32 = 0o140_000;

/// Visits all entries of a zip, in the order of its central directory. Entries may overlap: each of
/// them counts against the bound of unpacked bytes.
pub(crate) fn walk<R: Read + Seek>(
    mut reader: R,
    meter: &Meter,
    visit: &mut Visit<'_>,
) -> Result<()> {
    if !has_end(&mut reader).map_err(|error| meter.error(Location::Directory, &error))? {
        return Err(Error::Truncated(Location::Directory));
    }
    let at_directory = |error| failure(meter, Location::Directory, error);
    // Reads one entry at a time: an archive of 64 MiB may announce more than a million.
    let mut archive = ZipIterable::try_new(reader, Config::default()).map_err(at_directory)?;
    let entries = archive.files().map_err(at_directory)?;
    let mut position = 0;
    while let Some(entry) = entries.next() {
        let at_entry = Location::Entry { number: position + 1, path: None };
        let entry = entry.map_err(|error| failure(meter, at_entry, error))?;
        let entry = OwnedZipFileEntry::from(entry);
        let mut member = MemberHeader {
            position,
            path: entry.name_raw().to_vec(),
            kind: kind(&entry),
            mode: unix_mode(&entry).map(|mode| mode & MODE_BITS),
            link: None,
        };
        let location = member.location();
        let flow = if matches!(member.kind, Kind::File | Kind::Symlink) {
            // Borrowed, because a file that owns its entry reads all packed bytes when it is dropped.
            let opened = entry.as_ref().with_reader(entries.reader_mut(), ZipReadOptions::new());
            let file = opened.map_err(|error| failure(meter, location.clone(), error))?;
            let mut content = UnpackedReader::new(file, meter);
            if member.kind == Kind::Symlink {
                let target = read_target(&mut content, meter);
                member.link = Some(target.map_err(|error| meter.error(location, &error))?);
            }
            visit(&mut Member { header: &member, content: &mut content, meter })?
        } else {
            visit(&mut Member { header: &member, content: &mut io::empty(), meter })?
        };
        if flow.is_break() {
            break;
        }
        position += 1;
    }
    Ok(())
}

/// Returns true if the archive has an end record. Without one it is cut off.
fn has_end(reader: &mut (impl Read + Seek)) -> io::Result<bool> {
    let length = reader.seek(SeekFrom::End(0))?;
    reader.seek(SeekFrom::Start(length.saturating_sub(END_MAX)))?;
    let mut tail = Vec::new();
    reader.take(END_MAX).read_to_end(&mut tail)?;
    Ok(tail.windows(END.len()).any(|window| window == END))
}

/// Reads the target of a link. One byte beyond the bound is enough to show that it is too long.
fn read_target(content: &mut dyn Read, meter: &Meter) -> io::Result<Vec<u8>> {
    let mut target = Vec::new();
    content.take(meter.bounds().path as u64 + 1).read_to_end(&mut target)?;
    Ok(target)
}

fn kind(entry: &OwnedZipFileEntry) -> Kind {
    let kind = match unix_mode(entry).unwrap_or(0) & TYPE {
        SYMLINK => Kind::Symlink,
        FIFO => return Kind::Other("fifo"),
        CHARACTER_DEVICE => return Kind::Other("character device"),
        BLOCK_DEVICE => return Kind::Other("block device"),
        SOCKET => return Kind::Other("socket"),
        DIRECTORY => return Kind::Directory,
        _ if entry.is_dir() => return Kind::Directory,
        _ => Kind::File,
    };
    match entry.compression() {
        _ if entry.encrypted() => Kind::Other("encrypted file"),
        CompressionMethod::Stored | CompressionMethod::Deflated => kind,
        _ => Kind::Other("file with an unsupported compression"),
    }
}

/// Mode with the type of the file. The crate's own accessor removes set-uid and set-gid, and makes a
/// mode up for archives of DOS.
fn unix_mode(entry: &OwnedZipFileEntry) -> Option<u32> {
    let mode = entry.external_attributes() >> 16;
    (entry.system() != System::Dos && mode != 0).then_some(mode)
}

fn failure(meter: &Meter, location: Location, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => meter.error(location, &error),
        error => Error::Malformed { location, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
