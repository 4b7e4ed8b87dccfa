//! What of one backend cannot be served, within a bound: it may be everything that it names.

use std::collections::BTreeMap;

use crate::backend::Fault;
use crate::models::brief::brief;
use crate::models::fault::FaultSubject;

/// Repositories whose faults are remembered: the first by name, so that they are the same ones in
/// each sweep. The others are counted.
const FAULTS_MAX: usize = 1000;

/// Faults by repository.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    reasons: BTreeMap<String, String>,
    beyond: usize,
}

impl Faults {
    /// Takes in one more; of one repository the last counts.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.reasons.insert(brief(fault.repository), brief(fault.reason));
        if self.reasons.len() > FAULTS_MAX {
            self.reasons.pop_last();
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    /// Forgets that of a repository, if it is remembered.
    pub(crate) fn remove(&mut self, repository: &str) {
        self.reasons.remove(repository);
    }

    /// How many there are that are not remembered.
    pub(crate) const fn beyond(&self) -> usize {
        self.beyond
    }

    /// Whether one of this name may be among them, without regard to case.
    pub(crate) fn may_name(&self, repository: &str) -> bool {
        self.beyond > 0 || self.reasons.keys().any(|known| known.eq_ignore_ascii_case(repository))
    }

    /// Those that are remembered, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Fault> {
        self.reasons.iter().map(|(repository, reason)| Fault {
            repository: repository.clone(),
            subject: FaultSubject::Repository,
            reason: reason.clone(),
        })
    }

    /// Whether this very one is remembered.
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.reasons.get(&fault.repository) == Some(&fault.reason)
    }
}

impl Extend<Fault> for Faults {
    fn extend<T: IntoIterator<Item = Fault>>(&mut self, faults: T) {
        faults.into_iter().for_each(|fault| self.add(fault));
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<T: IntoIterator<Item = Fault>>(faults: T) -> Self {
        let mut all = Self::default();
        all.extend(faults);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(number: usize, reason: &str) -> Fault {
        Fault {
            repository: format!("provider/p{number:06}"),
            subject: FaultSubject::Repository,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn the_same_ones_are_remembered_in_whatever_order_they_come() {
        let count = 20 * FAULTS_MAX;
        let up: Faults = (0..count).map(|number| fault(number, "x")).collect();
        let down: Faults = (0..count).rev().map(|number| fault(number, "x")).collect();
        assert!(up.iter().eq(down.iter()));
        assert_eq!((up.iter().count(), up.beyond()), (FAULTS_MAX, count - FAULTS_MAX));
        assert!(down.iter().all(|fault| up.has(&fault)));
        assert!(up.may_name("Provider/p019999"), "nobody knows");
    }

    #[test]
    fn reasons_are_cut_and_of_one_repository_the_last_counts() {
        let mut faults: Faults = (0..3).map(|_| fault(1, &"x".repeat(1 << 20))).collect();
        assert!(faults.iter().all(|fault| fault.reason.len() < 600));
        faults.add(fault(1, "y"));
        assert!(faults.iter().eq([fault(1, "y")]));
        assert!(faults.may_name("PROVIDER/P000001") && !faults.may_name("provider/p000002"));
        faults.remove("provider/p000001");
        assert_eq!(faults.iter().count(), 0);
    }
}
