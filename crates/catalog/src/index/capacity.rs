//! Memory limit of one backend's extensions, and the number of those that did not fit.
//!
//! A backend may list any number of extensions with any number of releases, and a listing that was
//! cut short never removes one. The limit bounds their memory. While something does not fit, the
//! backend may have any name: reads must not report one as absent, and no later backend may own it.

use serde::{Deserialize, Serialize};

/// Memory use of one backend's extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityUse {
    /// Approximate size of the extensions in bytes.
    pub bytes: usize,
    /// Number of extensions that did not fit in the last sweep and since.
    pub refused: usize,
}

/// Extensions that did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// Number in the last sweep and in the change cycles since.
    counted: usize,
    /// True if a lookup since the last sweep began did not fit. It may repeat a counted one.
    uncounted: bool,
}

impl Refusals {
    /// Returns the number of extensions that did not fit; at least 1 if any did not.
    #[must_use]
    pub const fn count(self) -> usize {
        if self.counted == 0 && self.uncounted { 1 } else { self.counted }
    }

    /// Adds something that did not fit. Cycles count it when they end.
    #[must_use]
    pub const fn with_another(self) -> Self {
        Self { uncounted: true, ..self }
    }

    /// Adds extensions that did not fit.
    #[must_use]
    pub const fn plus(self, count: usize) -> Self {
        Self { counted: self.counted.saturating_add(count), ..self }
    }

    /// Returns the refusals at the beginning of a sweep.
    #[must_use]
    pub const fn before_sweep(self) -> Self {
        Self { counted: self.count(), uncounted: false }
    }

    /// Returns the refusals after a sweep in which `count` extensions did not fit.
    #[must_use]
    pub const fn after_sweep(self, complete: bool, count: usize) -> Self {
        // Extensions that an incomplete listing lacks may be among those that did not fit before.
        let counted = if complete || count > self.counted { count } else { self.counted };
        Self { counted, ..self }
    }
}

/// Approximate memory use and its limit, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    max: usize,
    used: usize,
}

impl Capacity {
    pub(super) const fn new(max: usize) -> Self {
        Self { max, used: 0 }
    }

    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Returns true if `now` bytes can replace `before` bytes.
    pub(super) const fn fits(&self, before: usize, now: usize) -> bool {
        // A smaller one always fits: learned digests may have pushed the sum over the limit.
        now <= before || (self.used - before).saturating_add(now) <= self.max
    }

    pub(super) const fn replace(&mut self, before: usize, now: usize) {
        self.used = (self.used - before).saturating_add(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_may_shrink_and_what_comes_has_to_fit_in() {
        let mut capacity = Capacity::new(10);
        assert!(capacity.fits(0, 10) && !capacity.fits(0, 11) && !capacity.fits(0, usize::MAX));
        capacity.replace(0, 8);
        assert!(capacity.fits(8, 10) && !capacity.fits(8, 11) && !capacity.fits(0, 3));
        // Learned digests are taken over even without room.
        capacity.replace(8, 12);
        assert!(capacity.fits(12, 12) && capacity.fits(12, 11) && !capacity.fits(12, 13));
        capacity.replace(12, 0);
        assert_eq!(capacity.used(), 0);
    }

    #[test]
    fn a_refusal_holds_until_a_complete_sweep_fits() {
        let lookups = Refusals::default().with_another().with_another();
        assert_eq!(lookups.count(), 1, "any number of lookups is at least one extension");
        let cycle = lookups.plus(2);
        assert_eq!(cycle.count(), 2, "a change cycle counts");
        let sweep = cycle.before_sweep();
        assert_eq!(sweep.count(), 2, "until the sweep has ended");
        let cut = sweep.after_sweep(false, 1);
        assert_eq!(cut.count(), 2, "the listing was cut short");
        let crossed = cut.before_sweep().with_another().after_sweep(true, 0);
        assert_eq!(crossed.count(), 1, "a lookup during the sweep did not fit");
        assert_eq!(crossed.before_sweep().after_sweep(true, 0).count(), 0);
    }
}
