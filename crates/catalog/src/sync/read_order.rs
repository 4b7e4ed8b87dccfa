//! The order of reads: a slow read must not replace what a later one has found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use registry_core::models::naming::ExtensionId;

/// The reads of one backend that are under way or not applied yet.
#[derive(Default)]
pub(super) struct ReadOrder(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    last: u64,
    running: BTreeSet<u64>,
    /// The last applied read of each extension, as long as an earlier read of any is running.
    applied: BTreeMap<ExtensionId, u64>,
}

/// The place of a read among the others. It counts as running until this is dropped.
pub(super) struct ReadNumber {
    number: u64,
    order: Arc<ReadOrder>,
}

impl ReadOrder {
    /// Numbers a read that begins now.
    pub(super) fn begin(self: &Arc<Self>) -> ReadNumber {
        let mut numbers = self.0.lock();
        numbers.last += 1;
        let number = numbers.last;
        numbers.running.insert(number);
        drop(numbers);
        ReadNumber { number, order: Arc::clone(self) }
    }
}

impl ReadNumber {
    /// Returns true if a read of this extension that began later was applied.
    pub(super) fn is_outdated(&self, id: &ExtensionId) -> bool {
        self.order.0.lock().applied.get(id).is_some_and(|applied| *applied > self.number)
    }

    /// Records that this read of the extension is applied.
    pub(super) fn applied(&self, id: &ExtensionId) {
        let mut numbers = self.order.0.lock();
        // Only an earlier read that is running can be outdated by this one.
        if numbers.running.first().is_some_and(|first| *first < self.number) {
            numbers.applied.insert(id.clone(), self.number);
        }
    }
}

impl Drop for ReadNumber {
    fn drop(&mut self) {
        let mut numbers = self.order.0.lock();
        numbers.running.remove(&self.number);
        let first = numbers.running.first().copied();
        // One pass for each read would cost a sweep the square of its extensions.
        if first.is_none_or(|first| first > self.number) {
            match first {
                Some(first) => numbers.applied.retain(|_, applied| *applied > first),
                None => numbers.applied.clear(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExtensionId {
        ExtensionId::from_oci_repository(&format!("{name}-provider")).unwrap()
    }

    #[test]
    fn a_read_is_outdated_by_one_that_began_later() {
        let order = Arc::new(ReadOrder::default());
        let (first, second, third) = (order.begin(), order.begin(), order.begin());
        second.applied(&id("a"));
        drop(second);
        assert!(first.is_outdated(&id("a")) && !first.is_outdated(&id("b")));
        assert!(!third.is_outdated(&id("a")), "it began later");
        third.applied(&id("a"));
        drop(third);
        assert!(first.is_outdated(&id("a")));
        drop(first);
        assert!(order.0.lock().applied.is_empty(), "no earlier read is running");
    }

    #[test]
    fn what_is_kept_is_bounded_by_the_reads_under_way() {
        let order = Arc::new(ReadOrder::default());
        let mut running = order.begin();
        for round in 0..3 {
            for number in 0..100 {
                let read = order.begin();
                read.applied(&id(&format!("a{number}")));
            }
            assert_eq!(order.0.lock().applied.len(), 100, "{round}");
            running = order.begin();
        }
        assert!(order.0.lock().applied.is_empty());
        drop(running);
        assert!(order.0.lock().running.is_empty());
    }
}
