//! Tree of an archive, as the steps of a walk through it.

use crate::pages::files::EntryRow;

/// Trees with more entries start closed.
const OPEN_MAX: usize = 200;
/// Browsers become slow with deeper nesting; deeper paths are shown in one line.
const DEPTH_MAX: usize = 16;

/// Step of a walk through the tree.
pub(super) enum Step<'a> {
    /// A folder starts.
    Enter {
        name: &'a str,
        is_open: bool,
    },
    /// A folder ends.
    Leave,
    Entry {
        name: &'a str,
        entry: &'a EntryRow,
    },
}

/// Returns the walk through entries that are ordered by path.
pub(super) fn steps(entries: &[EntryRow]) -> Vec<Step<'_>> {
    let is_open = entries.len() <= OPEN_MAX;
    let mut sorted: Vec<&EntryRow> = entries.iter().collect();
    // By segments, so that `a/b` never stands between `a-b` and `a`.
    sorted.sort_by(|one, other| one.path.split('/').cmp(other.path.split('/')));
    let mut steps = Vec::with_capacity(entries.len() * 2);
    let mut folder: Vec<&str> = Vec::new();
    for entry in sorted {
        let (folders, name) = split(&entry.path);
        let shared = folder.iter().zip(&folders).take_while(|(one, other)| one == other).count();
        steps.extend(folder.drain(shared..).map(|_| Step::Leave));
        for name in folders.into_iter().skip(shared) {
            steps.push(Step::Enter { name, is_open });
            folder.push(name);
        }
        steps.push(Step::Entry { name, entry });
    }
    steps.extend(folder.iter().map(|_| Step::Leave));
    steps
}

fn split(path: &str) -> (Vec<&str>, &str) {
    let mut folders = Vec::new();
    let mut rest = path;
    while folders.len() < DEPTH_MAX {
        let Some((folder, after)) = rest.split_once('/') else { break };
        folders.push(folder);
        rest = after;
    }
    (folders, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::files::EntryKind;

    fn walk(paths: &[&str]) -> String {
        let entry = |path: &&str| EntryRow {
            path: (*path).to_owned(),
            kind: EntryKind::File,
            size: 0,
            mode: 0o644,
            digest: None,
            is_only_in_archive: None,
        };
        let entries: Vec<EntryRow> = paths.iter().map(entry).collect();
        let words = steps(&entries).into_iter().map(|step| match step {
            Step::Enter { name, .. } => format!("{name}("),
            Step::Leave => ")".to_owned(),
            Step::Entry { name, .. } => format!("{name};"),
        });
        words.collect()
    }

    #[test]
    fn folders_open_once_and_close() {
        assert_eq!(walk(&["a/c", "a-b", "a/b/x", "z", "a/b/y"]), "a(b(x;y;)c;)a-b;z;");
        assert_eq!(walk(&[]), "");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}f", "d/".repeat(100));
        let walk = walk(&[&deep]);
        assert_eq!(walk.matches('(').count(), DEPTH_MAX);
        assert_eq!(walk.matches(')').count(), DEPTH_MAX);
    }
}
