//! What differs between two locks, for messages.

use crate::lock::file::Lock;

/// Describes the difference, one line for each extension; empty without a difference.
pub(crate) fn describe(old: &Lock, new: &Lock) -> Vec<String> {
    let removed = old.entries().iter().filter(|entry| new.entry(&entry.id).is_none());
    let removed = removed.map(|entry| format!("- {} {}", entry.id, entry.version));
    let others = new.entries().iter().filter_map(|entry| match old.entry(&entry.id) {
        None => Some(format!("+ {} {}", entry.id, entry.version)),
        Some(before) if before == entry => None,
        Some(before) if before.version == entry.version && before.digest == entry.digest => {
            Some(format!("~ {} {}: requested as {}", entry.id, entry.version, entry.requested))
        }
        Some(before) => {
            let (from, to) = (&before.version, &entry.version);
            let line = format!("~ {} {from} -> {to}", entry.id);
            let (from, to) = (before.backend_name(), entry.backend_name());
            Some(if from == to { line } else { format!("{line}, from {from} to {to}") })
        }
    });
    removed.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::file::tests::locked;

    #[test]
    fn each_difference_is_a_line() {
        let lock = |entries| Lock::default().with_entries(entries);
        let old =
            lock(vec![locked("provider/a", "1.0.0", "a"), locked("provider/b", "1.0.0", "b")]);
        let mut moved = locked("provider/b", "1.1.0", "c");
        moved.backend = Some("other".to_owned());
        let new = lock(vec![moved, locked("cluster/c", "2.0.0", "d")]);
        assert_eq!(
            describe(&old, &new),
            [
                "- provider/a 1.0.0",
                "+ cluster/c 2.0.0",
                "~ provider/b 1.0.0 -> 1.1.0, from oci to other"
            ]
        );
        assert!(describe(&new, &new).is_empty());
    }
}
