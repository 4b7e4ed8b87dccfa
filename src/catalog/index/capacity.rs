//! Memory limit of one backend's extensions, and the number of those that did not fit.
//!
//! A backend may list any number of extensions with any number of releases, and a listing that was
//! cut short never removes one. The limit bounds their memory. While something does not fit, the
//! backend may have any name: reads must not report one as absent, and no later backend may own it.

/// Approximate memory use of one backend's extensions, and its limit, in bytes.
#[derive(Debug)]
pub(super) struct Capacity {
    max: usize,
    used: usize,
    /// Extensions that did not fit in the last sweep and in the change cycles since.
    refused: usize,
    /// True if something did not fit since the last sweep began.
    exceeded: bool,
}

impl Capacity {
    pub(super) const fn new(max: usize) -> Self {
        Self { max, used: 0, refused: 0, exceeded: false }
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

    /// Records that something did not fit. Cycles count it: a lookup repeats one refusal.
    pub(super) const fn exceed(&mut self) {
        self.exceeded = true;
    }

    /// Adds extensions that did not fit.
    pub(super) const fn refuse(&mut self, count: usize) {
        self.refused = self.refused.saturating_add(count);
    }

    /// Returns the number of extensions that did not fit; at least 1 while the limit is exceeded.
    pub(super) const fn refused(&self) -> usize {
        if self.refused == 0 && self.exceeded { 1 } else { self.refused }
    }

    pub(super) const fn sweep_begins(&mut self) {
        self.refused = self.refused();
        self.exceeded = false;
    }

    /// Ends a sweep in which `refused` extensions did not fit.
    pub(super) const fn sweep_ended(&mut self, complete: bool, refused: usize) {
        // Extensions that an incomplete listing lacks may be among those that did not fit before.
        if complete || refused > self.refused {
            self.refused = refused;
        }
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
        let mut capacity = Capacity::new(0);
        capacity.exceed();
        capacity.exceed();
        assert_eq!(capacity.refused(), 1, "any number of lookups is at least one extension");
        capacity.refuse(2);
        assert_eq!(capacity.refused(), 2, "a change cycle counts");
        capacity.sweep_begins();
        assert_eq!(capacity.refused(), 2, "until the sweep has ended");
        capacity.sweep_ended(false, 1);
        assert_eq!(capacity.refused(), 2, "the listing was cut short");
        capacity.sweep_begins();
        capacity.exceed();
        capacity.sweep_ended(true, 0);
        assert_eq!(capacity.refused(), 1, "a lookup during the sweep found no room");
        capacity.sweep_begins();
        capacity.sweep_ended(true, 0);
        assert_eq!(capacity.refused(), 0);
    }
}
