//! Paths of entries and targets of links, as bytes.

use std::borrow::Cow;

/// Removes redundant parts: `.`, doubled slashes and the slash at the end. A path of nothing else is
/// `.`. A slash at the start and `..` remain.
pub(crate) fn normalize(path: &[u8]) -> Cow<'_, [u8]> {
    if path.split(|byte| *byte == b'/').all(|part| !part.is_empty() && part != b".") {
        return Cow::Borrowed(path);
    }
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let mut normal = parts.collect::<Vec<_>>().join(&b'/');
    if path.starts_with(b"/") {
        normal.insert(0, b'/');
    } else if normal.is_empty() {
        normal.push(b'.');
    }
    Cow::Owned(normal)
}

/// Returns true if a path is absolute or has a part `..`, here or on Windows.
pub(crate) fn is_unsafe(path: &[u8]) -> bool {
    is_absolute(path) || parts(path).any(|part| part == b"..")
}

/// Returns true if a symbolic link leads out of the archive. Links on the way are not followed.
pub(crate) fn leaves_archive(link: &[u8], target: &[u8]) -> bool {
    if is_absolute(target) {
        return true;
    }
    let mut depth = parts(&normalize(link)).count().saturating_sub(1);
    for part in parts(target) {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn is_absolute(path: &[u8]) -> bool {
    match path {
        [b'/' | b'\\', ..] => true,
        [drive, b':', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Backslashes separate as well, because programs on Windows take them for slashes.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| matches!(byte, b'/' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redundant_parts_are_removed() {
        for (path, expected) in [
            (&b"a/b"[..], &b"a/b"[..]),
            (b"./a//b/", b"a/b"),
            (b"./", b"."),
            (b"", b"."),
            (b"/etc/./passwd", b"/etc/passwd"),
            (b"/", b"/"),
            (b"../../x", b"../../x"),
            (b"a/../b", b"a/../b"),
        ] {
            assert_eq!(*normalize(path), *expected, "{}", path.escape_ascii());
        }
    }

    #[test]
    fn paths_out_of_the_archive_are_unsafe() {
        for path in ["../x", "../../x", "/etc/passwd", "a/../b", "..\\x", "\\\\host\\x", "C:\\x"] {
            assert!(is_unsafe(path.as_bytes()), "{path}");
        }
        for path in ["a", "a..b/..c", "...", "a/b:c"] {
            assert!(!is_unsafe(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn links_are_resolved_from_their_directory() {
        for (link, target, expected) in [
            ("a/b/link", "../../c", false),
            ("a/b/link", "../../../c", true),
            ("./a//link", "../../c", true),
            ("link", "..", true),
            ("link", "a/../../b", true),
            ("link", "a/../b", false),
            ("link", "/etc/passwd", true),
        ] {
            assert_eq!(leaves_archive(link.as_bytes(), target.as_bytes()), expected, "{target}");
        }
    }
}
