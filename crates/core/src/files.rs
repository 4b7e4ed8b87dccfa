//! Files in directories that others can write to: opened once, without blocking, and checked only
//! through the open handle, since the name may refer to another file a moment later.
//!
//! [`folder`] follows no links, [`within`] only links that stay below a directory, and
//! [`read_named`] all links to a file named by an operator. Blocking I/O; see [`lane`].

pub mod folder;
pub mod lane;
pub mod unfinished;

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{FileType, OFlags, stat};
use rustix::io::Errno;

/// Without this flag, opening a pipe blocks until it has a writer, possibly forever.
const AT_ONCE: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// Opens a regular file below a directory. Fails for other kinds and links that lead outside.
pub fn within(dir: &Dir, path: impl AsRef<Path>) -> io::Result<(File, Metadata)> {
    let opened = dir.open_with(path, OpenOptions::new().read(true).custom_flags(AT_ONCE));
    regular(opened.map_err(explained)?.into_std())
}

/// Opens an operator's regular file. Follows links, as for mounted secrets. Fails for other kinds.
pub fn open_named(path: &Path) -> io::Result<(File, Metadata)> {
    let opened = File::options().read(true).custom_flags(AT_ONCE).open(path);
    regular(opened.map_err(explained)?)
}

/// Reads a regular file named by an operator. Fails beyond `max` bytes, or as [`open_named`].
pub fn read_named(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read(open_named(path)?.0, max)
}

/// Reads a text file named by an operator. Fails if it is not UTF-8, or as [`read_named`].
pub fn text_named(path: &Path, max: u64) -> io::Result<String> {
    let text = String::from_utf8(read_named(path, max)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads the rest of a file. Fails if it has more than `max` bytes.
pub fn read(file: File, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte over the limit tells a longer file from one of exactly `max` bytes. The size in the
    // metadata is no substitute: the file may grow.
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is larger than {max} bytes"),
        ));
    }
    Ok(bytes)
}

/// Returns the kind of file at an operator's path, such as "a file". Fails if it is not accessible.
pub fn kind_of(path: &Path) -> io::Result<&'static str> {
    Ok(described(FileType::from_raw_mode(stat(path)?.st_mode)))
}

/// Creates a directory with mode 700 and its parents. An existing one stays; a file is an error.
pub fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn regular(file: File) -> io::Result<(File, Metadata)> {
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok((file, metadata));
    }
    let what = match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file")))
}

/// Replaces the messages for sockets and missing devices, which mean little to operators.
fn explained(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::NXIO | Errno::NODEV) => io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a socket or a device, not a regular file",
        ),
        _ => error,
    }
}

const fn described(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn only_regular_files_are_read_and_none_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("/etc/hostname", at("out")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status();
        assert!(made.unwrap().success());
        drop(UnixListener::bind(at("socket")).unwrap());
        let root = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        for (name, below, named) in [
            ("file", true, true),
            ("link", true, true),
            ("out", false, true),
            ("folder", false, false),
            ("pipe", false, false),
            ("socket", false, false),
            ("none", false, false),
        ] {
            assert_eq!(within(&root, name).is_ok(), below, "{name}");
            assert_eq!(open_named(&at(name)).is_ok(), named, "{name}");
        }
        for (name, word) in [("folder", "directory"), ("pipe", "pipe"), ("socket", "socket")] {
            let told = read_named(&at(name), 5).unwrap_err().to_string();
            assert!(told.contains(word) && told.contains("regular file"), "{told}");
        }
        assert_eq!(read_named(&at("link"), 5).unwrap(), b"12345");
        assert!(read_named(&at("file"), 4).unwrap_err().to_string().contains("larger than 4"));
        assert!(read_named(Path::new("/dev/zero"), 4).is_err());
    }
}
