//! Rows that a list takes over from the previous one: those of entries that did not change.

use std::iter::Peekable;
use std::sync::Arc;

use registry_core::models::extension::Extension;

/// Returns the row that an entry had in the previous list; both lists are ordered by id. Skips earlier
/// entries, which are gone.
pub(crate) fn known_row<'a, T, R: Copy>(
    known: &mut Peekable<impl Iterator<Item = (&'a Arc<T>, R)>>,
    entry: &Arc<T>,
) -> Option<R>
where
    T: AsRef<Arc<Extension>> + 'a,
{
    loop {
        let (before, row) = *known.peek()?;
        if Arc::ptr_eq(before, entry) {
            known.next();
            return Some(row);
        }
        let (before, now) = (T::as_ref(before), T::as_ref(entry));
        if before.id() > now.id() {
            return None;
        }
        known.next();
        if before.id() == now.id() {
            // A change of owner makes a new entry for the same extension, whose row is the same.
            return Arc::ptr_eq(before, now).then_some(row);
        }
    }
}
