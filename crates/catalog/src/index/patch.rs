//! Entry lists of a new view: the previous lists with changed entries replaced.

use std::sync::Arc;

use registry_core::models::naming::ExtensionId;

use crate::index::entry::Entry;
use crate::index::view::Entries;

/// Changed entries by id, ordered; `None` removes the entry.
pub(super) type EntryChanges = Vec<(ExtensionId, Option<Arc<Entry>>)>;

pub(super) fn is_same(some: &Entries, others: &Entries) -> bool {
    some.len() == others.len() && some.iter().zip(others.iter()).all(|(a, b)| Arc::ptr_eq(a, b))
}

/// Applies the changes to a list of the entries that `belongs` selects. Returns the previous `Arc` if
/// nothing differs.
pub(super) fn patched(
    previous: &Entries,
    changes: &EntryChanges,
    belongs: impl Fn(&Entry) -> bool,
) -> Entries {
    let (mut entries, mut rest) = (Vec::with_capacity(previous.len() + changes.len()), &**previous);
    let mut has_changed = false;
    for (id, entry) in changes {
        let entry = entry.as_ref().filter(|entry| belongs(entry));
        // Both sides are ordered, so one pass merges them; a binary search skips the rest.
        let (before, from) = rest.split_at(rest.partition_point(|known| known.id() < id));
        entries.extend_from_slice(before);
        let (known, behind) = match from.split_first() {
            Some((known, behind)) if known.id() == id => (Some(known), behind),
            _ => (None, from),
        };
        has_changed |= match (known, entry) {
            (Some(known), Some(entry)) => !Arc::ptr_eq(known, entry),
            (None, None) => false,
            _ => true,
        };
        entries.extend(entry.cloned());
        rest = behind;
    }
    if !has_changed {
        // Sharing the list lets its search index be shared too.
        return Arc::clone(previous);
    }
    entries.extend_from_slice(rest);
    entries.into()
}
