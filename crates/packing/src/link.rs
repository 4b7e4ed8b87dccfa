//! Symbolic links that are packed: relative, and inside of the directory.

use std::path::{Path, PathBuf};

use crate::error::{PackError, Result};

/// Checks that a link stays in the directory, and returns its target as it is stored.
///
/// `parents` is the number of directories between the root and the link.
pub(crate) fn check(root: &Path, path: &Path, parents: usize) -> Result<String> {
    let target = std::fs::read_link(path).map_err(|error| PackError::read(path, error))?;
    let refuse = |reason: &str| PackError::refused(path, reason);
    let Some(text) = target.to_str() else {
        return Err(refuse("links to a name that is not UTF-8"));
    };
    if text.chars().any(char::is_control) || text.contains('\\') {
        return Err(refuse("links to a name with control characters or a backslash"));
    }
    let leaves = || refuse("links to a place outside of the directory");
    if target.is_absolute() || !stays(text, parents) {
        return Err(leaves());
    }
    // Another link on the way may lead elsewhere than the text of this one says.
    let real_root = real(root)?;
    match path.canonicalize() {
        Ok(real) if !real.starts_with(&real_root) => Err(leaves()),
        Ok(_) => Ok(text.to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(refuse("links to nothing"))
        }
        Err(error) => Err(PackError::read(path, error)),
    }
}

fn real(root: &Path) -> Result<PathBuf> {
    root.canonicalize().map_err(|error| PackError::read(root, error))
}

/// Returns true if the path never goes above its root, which is this many directories above it.
fn stays(target: &str, parents: usize) -> bool {
    let mut depth = parents;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_climb_as_far_as_its_root() {
        for (target, parents, expected) in [
            ("b", 0, true),
            ("../b", 1, true),
            ("../b", 0, false),
            ("./a//../b", 0, true),
            ("a/../../b", 0, false),
            ("../../c", 1, false),
            ("a/..", 0, true),
        ] {
            assert_eq!(stays(target, parents), expected, "{target} below {parents}");
        }
    }
}
