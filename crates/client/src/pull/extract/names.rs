//! Paths of an archive: relative, inside, and different on every file system.

use std::collections::HashMap;

/// Most entries of an archive, directories on the way included.
const ENTRIES_MAX: usize = 65_536;

/// Paths that were seen.
#[derive(Debug, Default)]
pub(super) struct EntryNames(HashMap<String, EntryName>);

#[derive(Debug)]
struct EntryName {
    spelled: String,
    is_directory: bool,
}

/// Returns the parts of a path. Fails with the reason if it is not safe; a path of the archive's root
/// has no parts.
pub(super) fn parts(path: &[u8]) -> Result<Vec<&str>, &'static str> {
    let path = str::from_utf8(path).map_err(|_| "its name is not UTF-8")?;
    if path.chars().any(char::is_control) {
        return Err("its name has control characters");
    }
    let has_drive = path.as_bytes().get(1) == Some(&b':');
    if path.starts_with(['/', '\\']) || has_drive {
        return Err("its path is absolute");
    }
    let parts: Vec<&str> =
        path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("its path has a part ..");
    }
    if path.contains('\\') {
        return Err("its name has a backslash");
    }
    Ok(parts)
}

impl EntryNames {
    /// Takes a path and the directories on the way. Fails with the reason if another entry has it.
    pub(super) fn claim(&mut self, parts: &[&str], is_directory: bool) -> Result<(), String> {
        for length in 1..=parts.len() {
            let path = parts.get(..length).unwrap_or_default().join("/");
            let is_directory = is_directory || length < parts.len();
            match self.0.get(&path.to_lowercase()) {
                Some(known) if known.spelled != path => {
                    return Err(format!("its name differs from {} in case only", known.spelled));
                }
                Some(known) if known.is_directory && is_directory => {}
                Some(known) if is_directory => {
                    return Err(format!("{} is no directory", known.spelled));
                }
                Some(_) => return Err("its path occurs twice".to_owned()),
                None => {
                    let name = EntryName { spelled: path.clone(), is_directory };
                    self.0.insert(path.to_lowercase(), name);
                }
            }
        }
        if self.0.len() > ENTRIES_MAX {
            return Err(format!("there are more than {ENTRIES_MAX} entries"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_on_every_system() {
        assert_eq!(parts(b"./a//b/"), Ok(vec!["a", "b"]));
        assert_eq!(parts(b"."), Ok(Vec::new()));
        for path in [
            &b"/a"[..],
            b"../a",
            b"a/../b",
            b"a\\..\\b",
            b"\\a",
            b"C:\\a",
            b"C:a",
            b"a\\b",
            b"a\nb",
            b"a\x1b[2Jb",
            b"\xff",
        ] {
            assert!(parts(path).is_err(), "{}", path.escape_ascii());
        }
    }

    #[test]
    fn two_entries_never_have_one_place() {
        let mut names = EntryNames::default();
        names.claim(&["a", "b"], false).unwrap();
        names.claim(&["a"], true).unwrap();
        names.claim(&["a", "c"], false).unwrap();
        for (parts, is_directory, part) in [
            (&["a", "b"][..], false, "twice"),
            (&["A", "x"], false, "case"),
            (&["a", "B"], false, "case"),
            (&["a", "b", "c"], false, "no directory"),
            (&["a"], false, "twice"),
        ] {
            let reason = names.claim(parts, is_directory).unwrap_err();
            assert!(reason.contains(part), "{parts:?}: {reason}");
        }
    }
}
