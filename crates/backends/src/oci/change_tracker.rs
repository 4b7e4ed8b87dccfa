//! Fingerprints of the tags of each extension at its last read, to detect changes.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use registry_core::backend::changes::ChangeCursor;
use registry_core::models::digest::{Algorithm, DigestHasher};
use registry_core::models::naming::ExtensionId;
use uuid::Uuid;

/// Fingerprints by extension. Own reads take precedence over an earlier process's cursor.
pub struct ChangeTracker {
    /// Random identity of this process, to recognize its own cursors.
    process: String,
    tags: Mutex<HashMap<ExtensionId, String>>,
}

impl ChangeTracker {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { process: Uuid::new_v4().to_string(), tags: Mutex::default() }
    }

    /// Returns a cursor: the identity of this process, and one line per extension for a restart.
    #[must_use]
    pub fn cursor(&self) -> ChangeCursor {
        let tags = self.tags.lock();
        let lines: BTreeMap<_, _> = tags.iter().collect();
        let lines: String = lines.iter().map(|(id, tags)| format!("\n{id} {tags}")).collect();
        ChangeCursor::new(format!("{}{lines}", self.process))
    }

    /// Returns true for a cursor of this process, or after adopting that of an earlier one.
    #[must_use]
    pub fn goes_on_from(&self, cursor: &ChangeCursor) -> bool {
        let (process, lines) = cursor.as_str().split_once('\n').unwrap_or((cursor.as_str(), ""));
        if process == self.process {
            return true;
        }
        let parsed: Option<Vec<(ExtensionId, String)>> = lines.lines().map(read_line).collect();
        // A cursor without lines has no fingerprints, so that nothing can be compared with it.
        let Some(theirs) = parsed.filter(|lines| !lines.is_empty()) else { return false };
        let mut tags = self.tags.lock();
        for (id, read_with) in theirs {
            tags.entry(id).or_insert(read_with);
        }
        true
    }

    /// Stores the tags of an extension at a read, together with a gap in their list.
    pub fn read_with(&self, id: ExtensionId, tags: &[String], has_gap: bool) {
        self.tags.lock().insert(id, fingerprint(tags, has_gap));
    }

    /// Removes an extension that does not exist.
    pub fn forget(&self, id: &ExtensionId) {
        self.tags.lock().remove(id);
    }

    /// Returns true if the last read of an extension had exactly these tags and the same gap.
    #[must_use]
    pub fn is_same(&self, id: &ExtensionId, tags: &[String], has_gap: bool) -> bool {
        self.tags.lock().get(id) == Some(&fingerprint(tags, has_gap))
    }

    /// Returns all extensions that were read.
    #[must_use]
    pub fn ids(&self) -> Vec<ExtensionId> {
        self.tags.lock().keys().cloned().collect()
    }
}

impl Default for ChangeTracker {
    fn default() -> Self {
        Self::new()
    }
}

/// Parses `{type}/{name} {fingerprint}`.
fn read_line(line: &str) -> Option<(ExtensionId, String)> {
    let (id, tags) = line.split_once(' ')?;
    Some((id.parse().ok()?, tags.to_owned()))
}

fn fingerprint(tags: &[String], has_gap: bool) -> String {
    let mut tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    tags.sort_unstable();
    let mut digest = DigestHasher::new(Algorithm::Sha256);
    for (number, tag) in tags.into_iter().enumerate() {
        // No tag contains a line break.
        digest.update(if number == 0 { b"" } else { b"\n" });
        digest.update(tag.as_bytes());
    }
    if has_gap {
        digest.update(b"\n\n");
    }
    let digest = digest.finish();
    // Every cursor holds one per extension, so that it is only as long as necessary.
    digest.hex().get(..16).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags_are_the_same_in_any_order() {
        let known = ChangeTracker::new();
        let id = ExtensionId::from_oci_repository("a-provider").unwrap();
        let tags = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        assert!(!known.is_same(&id, &tags("1.0 2.0"), false));
        known.read_with(id.clone(), &tags("1.0 2.0"), false);
        assert!(known.is_same(&id, &tags("2.0 1.0"), false));
        assert!(!known.is_same(&id, &tags("1.0"), false));
        assert!(!known.is_same(&id, &tags("1.0 2.0 3.0"), false));
        assert!(!known.is_same(&id, &tags("1.0 2.0"), true), "the whole list was read");
        known.forget(&id);
        assert!(known.ids().is_empty());
    }

    #[test]
    fn another_process_goes_on_from_a_cursor() {
        let (known, other) = (ChangeTracker::new(), ChangeTracker::new());
        assert!(!other.goes_on_from(&known.cursor()), "nothing was known to go on from");
        let ids =
            ["a-provider", "b-cluster"].map(|name| ExtensionId::from_oci_repository(name).unwrap());
        known.read_with(ids[0].clone(), &["1.0".to_owned()], false);
        known.read_with(ids[1].clone(), &["1.0".to_owned()], false);
        other.read_with(ids[1].clone(), &["2.0".to_owned()], false);
        assert!(other.goes_on_from(&known.cursor()));
        assert!(other.is_same(&ids[0], &["1.0".to_owned()], false));
        assert!(other.is_same(&ids[1], &["2.0".to_owned()], false), "it has read that one itself");
        assert!(known.goes_on_from(&ChangeCursor::new(known.process.clone())));
        for text in ["", "x", "x\n", "x\nprovider/a", "x\nprovider/.. 0", "x\ngadget/a 0"] {
            assert!(!other.goes_on_from(&ChangeCursor::new(text)), "{text:?}");
        }
    }
}
