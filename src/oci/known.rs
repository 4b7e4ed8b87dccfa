//! What the tags of each extension were when it was last read, so that a round can tell what changed.

use std::collections::HashMap;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::backend::changes::ChangeCursor;
use crate::models::digest::Digest;
use crate::models::naming::ExtensionId;

/// Tags by extension, for as long as this process runs.
pub struct Known {
    cursor: ChangeCursor,
    tags: Mutex<HashMap<ExtensionId, Digest>>,
}

impl Known {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let cursor = ChangeCursor::new(Uuid::new_v4().to_string());
        Self { cursor, tags: Mutex::default() }
    }

    /// The one cursor there is: it says that the asker has read what is known here.
    #[must_use]
    pub const fn cursor(&self) -> &ChangeCursor {
        &self.cursor
    }

    /// Notes the tags with which an extension was read.
    pub fn read_with(&self, id: ExtensionId, tags: &[String]) {
        self.tags.lock().insert(id, fingerprint(tags));
    }

    /// Forgets an extension that is gone.
    pub fn forget(&self, id: &ExtensionId) {
        self.tags.lock().remove(id);
    }

    /// Whether an extension was last read with exactly these tags.
    #[must_use]
    pub fn is_same(&self, id: &ExtensionId, tags: &[String]) -> bool {
        self.tags.lock().get(id) == Some(&fingerprint(tags))
    }

    /// Every extension that was read.
    #[must_use]
    pub fn ids(&self) -> Vec<ExtensionId> {
        self.tags.lock().keys().cloned().collect()
    }
}

impl Default for Known {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells lists of tags apart, whatever their order.
fn fingerprint(tags: &[String]) -> Digest {
    let mut tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    tags.sort_unstable();
    // No tag holds a line break.
    Digest::sha256(tags.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags_are_the_same_in_any_order() {
        let known = Known::new();
        let id = ExtensionId::from_oci_repository("a-provider").unwrap();
        let tags = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        assert!(!known.is_same(&id, &tags("1.0 2.0")));
        known.read_with(id.clone(), &tags("1.0 2.0"));
        assert!(known.is_same(&id, &tags("2.0 1.0")));
        assert!(!known.is_same(&id, &tags("1.0")));
        assert!(!known.is_same(&id, &tags("1.0 2.0 3.0")));
        known.forget(&id);
        assert!(known.ids().is_empty());
    }
}
