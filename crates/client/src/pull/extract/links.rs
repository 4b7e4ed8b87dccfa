//! Symbolic links of an archive: they lead to places inside, through other links too.

use std::collections::BTreeMap;

/// Links that are followed for one target, as many as systems follow.
const FOLLOWED_MAX: usize = 40;

/// Targets of links by their path. Paths are compared without case: some file systems do.
#[derive(Debug, Default)]
pub(super) struct ArchiveLinks(BTreeMap<String, Link>);

#[derive(Debug)]
pub(super) struct Link {
    pub(super) path: String,
    pub(super) target: String,
}

impl ArchiveLinks {
    /// Adds a link.
    pub(super) fn add(&mut self, path: String, target: String) {
        self.0.insert(path.to_lowercase(), Link { path, target });
    }

    /// Returns the links.
    pub(super) fn all(&self) -> impl Iterator<Item = &Link> {
        self.0.values()
    }

    /// Returns true if the target of a link is inside, whatever links are on the way. A check of the
    /// text alone is not enough: `up -> ..` makes `up/..` another place than its text says.
    pub(super) fn stays_inside(&self, link: &Link) -> bool {
        let mut place: Vec<String> = link.path.split('/').map(str::to_lowercase).collect();
        place.pop();
        let mut followed = 0;
        let mut rest = vec![link.target.as_str()];
        while let Some(target) = rest.pop() {
            let (part, after) = target.split_once('/').unwrap_or((target, ""));
            if !after.is_empty() {
                rest.push(after);
            }
            match part {
                "" | "." => {}
                ".." => {
                    if place.pop().is_none() {
                        return false;
                    }
                }
                name => {
                    place.push(name.to_lowercase());
                    if let Some(other) = self.0.get(&place.join("/")) {
                        followed += 1;
                        if followed > FOLLOWED_MAX || is_absolute(&other.target) {
                            return false;
                        }
                        place.pop();
                        rest.push(&other.target);
                    }
                }
            }
        }
        !is_absolute(&link.target)
    }
}

fn is_absolute(target: &str) -> bool {
    target.starts_with('/') || target.contains('\\') || target.as_bytes().get(1) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside_through_other_links_too() {
        for (links, is_inside) in [
            (&[("a", "b")][..], true),
            (&[("d/a", "../b")], true),
            (&[("a", "d/../b/./c")], true),
            (&[("a", "b"), ("b", "c")], true),
            (&[("a", "..")], false),
            (&[("d/a", "../../b")], false),
            (&[("a", "/etc")], false),
            (&[("a", "\\x")], false),
            (&[("a", "C:x")], false),
            // By its text `p/q/r/up/../..` is `p/q`.
            (&[("p/q/r/up", "../.."), ("a", "p/q/r/up/../..")], false),
            (&[("p/q/r/up", "../.."), ("a", "p/q/r/UP/../..")], false),
            (&[("p/q/r/up", "../.."), ("a", "p/q/r/up/x")], true),
            (&[("a", "b"), ("b", "a")], false),
        ] {
            let mut all = ArchiveLinks::default();
            for (path, target) in links {
                all.add((*path).to_owned(), (*target).to_owned());
            }
            assert_eq!(all.all().all(|link| all.stays_inside(link)), is_inside, "{links:?}");
        }
    }
}
