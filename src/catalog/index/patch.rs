//! The entries of a new view: those of the one before, with what changed put in its place.

use std::sync::Arc;

use crate::catalog::index::{Entries, Entry};
use crate::models::naming::ExtensionId;

/// What became of some names, by id in order; `None`: there is no such entry now.
pub(super) type Changes = Vec<(ExtensionId, Option<Arc<Entry>>)>;

/// Whether both lists have the very same entries.
pub(super) fn is_same(some: &Entries, others: &Entries) -> bool {
    let same = |(one, other): (&Arc<Entry>, &Arc<Entry>)| Arc::ptr_eq(one, other);
    some.len() == others.len() && some.iter().zip(others.iter()).all(same)
}

/// The entries with these changes. Without a change they are the very same.
pub(super) fn patched(previous: &Entries, changes: &Changes) -> Entries {
    let (mut entries, mut rest) = (Vec::with_capacity(previous.len() + changes.len()), &**previous);
    let mut news = false;
    for (id, entry) in changes {
        let (before, from) = rest.split_at(rest.partition_point(|known| known.id() < id));
        entries.extend_from_slice(before);
        let (known, behind) = match from.split_first() {
            Some((known, behind)) if known.id() == id => (Some(known), behind),
            _ => (None, from),
        };
        news |= match (known, entry) {
            (Some(known), Some(entry)) => !Arc::ptr_eq(known, entry),
            (None, None) => false,
            _ => true,
        };
        entries.extend(entry.clone());
        rest = behind;
    }
    if !news {
        return Arc::clone(previous);
    }
    entries.extend_from_slice(rest);
    entries.into()
}
