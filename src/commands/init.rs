//! The `config init` command: writes a first configuration and prints the command that serves it.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::commands::{CommandFailure, print};
use crate::config::{SEARCHED, example};

const NAME: &str = "extension-registry";

/// `program` is the name the program was started under, valid in the same directory.
pub(super) fn run(path: &Path, program: &OsStr) -> Result<(), CommandFailure> {
    if path.as_os_str() == "-" {
        return print(example().as_bytes());
    }
    // `create_new` never overwrites a file, not even one created since a check.
    let created = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = created.map_err(|error| CommandFailure::Failed(unwritten(path, &error)))?;
    if let Err(error) = file.write_all(example().as_bytes()) {
        // A partial file would block the next attempt, since existing files are never overwritten.
        let _ = fs::remove_file(path);
        return Err(CommandFailure::Failed(unwritten(path, &error)));
    }
    let path = path.as_os_str();
    let command = command(path, program);
    print(&[b"wrote ", path.as_bytes(), b"; serve it with: ", &command, b"\n"].concat())
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    let elsewhere = "choose another file, or - for standard output";
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match (error.kind(), parent) {
        (ErrorKind::AlreadyExists, _) if !path.is_dir() => {
            format!("{shown} already exists and is not changed; {elsewhere}")
        }
        (ErrorKind::AlreadyExists | ErrorKind::IsADirectory, _) => {
            let inside = path.join(SEARCHED[0]);
            format!("{shown} names a directory; name a file in it: {}", inside.display())
        }
        (ErrorKind::NotFound, Some(parent)) => {
            let word = path_word(parent.as_os_str());
            let (parent, word) = (parent.display(), String::from_utf8_lossy(&word));
            format!(
                "{shown} cannot be written: the directory {parent} does not exist; create it with: \
                 mkdir -p {word}"
            )
        }
        (ErrorKind::NotADirectory, _) => {
            let mut above = path.ancestors().skip(1);
            let culprit = above.find(|one| one.symlink_metadata().is_ok() && !one.is_dir());
            let culprit = culprit.unwrap_or(path).display();
            format!("{shown} cannot be written: {culprit} is not a directory; {elsewhere}")
        }
        _ => format!("{shown} cannot be written: {error}; {elsewhere}"),
    }
}

fn command(path: &OsStr, program: &OsStr) -> Vec<u8> {
    let program = if program.is_empty() { OsStr::new(NAME) } else { program };
    let mut command = quoted(program.as_bytes());
    if path != SEARCHED[0] {
        command.extend_from_slice(b" --config ");
        command.extend(path_word(path));
    }
    command
}

/// Quotes a path as an argument that cannot be taken for an option.
fn path_word(path: &OsStr) -> Vec<u8> {
    let path = path.as_bytes();
    let here: &[u8] = if path.starts_with(b"-") { b"./" } else { b"" };
    quoted(&[here, path].concat())
}

fn quoted(word: &[u8]) -> Vec<u8> {
    let is_plain = word.iter().all(|b| b.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(b));
    if !word.is_empty() && is_plain {
        return word.to_vec();
    }
    // Single quotes cannot be escaped inside single quotes: each ends, adds `\'`, and reopens.
    let escaped = word.split(|byte| *byte == b'\'').collect::<Vec<_>>().join(&b"'\\''"[..]);
    [b"'", escaped.as_slice(), b"'"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_one_that_a_shell_takes() {
        for (path, program, expected) in [
            ("config.toml", "extension-registry", "extension-registry"),
            (
                "config.toml",
                "target/release/extension-registry",
                "target/release/extension-registry",
            ),
            ("config.toml", "", "extension-registry"),
            ("./config.toml", "er", "er --config ./config.toml"),
            ("/etc/x/config.toml", "er", "er --config /etc/x/config.toml"),
            ("my file.toml", "my dir/er", "'my dir/er' --config 'my file.toml'"),
            ("it's.toml", "er", "er --config 'it'\\''s.toml'"),
            ("-c.toml", "er", "er --config ./-c.toml"),
            ("~a.toml", "er", "er --config '~a.toml'"),
        ] {
            let told = command(OsStr::new(path), OsStr::new(program));
            assert_eq!(String::from_utf8(told).unwrap(), expected, "{path}");
        }
    }
}
