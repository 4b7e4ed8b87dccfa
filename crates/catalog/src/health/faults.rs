//! Faults of one backend, by repository and subject, bounded in number.

use std::collections::BTreeMap;

use registry_core::backend::Fault;
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::fault::FaultSubject;
use registry_core::models::truncate::truncate;

/// Maximum number of kept faults: the first in order, so that each sweep keeps the same ones.
const FAULTS_MAX: usize = 1000;

type FaultKey = (String, FaultSubject);

/// Faults by repository and subject. A read of a subject replaces its fault.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    reasons: BTreeMap<FaultKey, String>,
    beyond: usize,
}

impl Faults {
    /// Replaces the fault of the same subject. Returns true if this one is new.
    pub(crate) fn add(&mut self, fault: Fault) -> bool {
        let Fault { repository, subject, reason } = fault;
        // Shortened first: a compared reason must have the form in which it is stored.
        let (key, reason) = ((truncate(repository), subject), truncate(reason));
        let before = self.reasons.insert(key, reason.clone());
        let is_new = before.is_none_or(|before| before != reason);
        if self.reasons.len() > FAULTS_MAX {
            self.reasons.pop_last();
            self.beyond = self.beyond.saturating_add(1);
        }
        is_new
    }

    pub(crate) fn replace(
        &mut self,
        faults: Vec<Fault>,
        is_replaced: impl Fn(&str, &FaultSubject) -> bool,
    ) -> Vec<Fault> {
        let mut before = Vec::new();
        self.reasons.retain(|(repository, subject), reason| {
            let is_replaced = is_replaced(repository, subject);
            if is_replaced {
                before.push((repository.clone(), subject.clone(), std::mem::take(reason)));
            }
            !is_replaced
        });
        let mut new = Vec::new();
        // A fault that is removed and added again is not new, and must not be logged in each sweep.
        for fault in faults {
            let Fault { repository, subject, reason } = fault.clone();
            let was_known = before.contains(&(truncate(repository), subject, truncate(reason)));
            if self.add(fault.clone()) && !was_known {
                new.push(fault);
            }
        }
        new
    }

    pub(crate) fn remove(&mut self, repository: &str, subject: &FaultSubject) {
        self.reasons.retain(|(of, about), _| of != repository || about != subject);
    }

    /// Removes download faults of this repository whose file is not current any longer.
    pub(crate) fn keep_downloads(
        &mut self,
        repository: &str,
        is_current: impl Fn(&ArtifactKey) -> bool,
    ) {
        self.reasons.retain(|(of, subject), _| match subject {
            FaultSubject::Download(_, file) if of == repository => is_current(file),
            _ => true,
        });
    }

    /// Starts a sweep, which counts the faults beyond the limit anew.
    pub(crate) const fn sweep_begins(&mut self) {
        self.beyond = 0;
    }

    pub(crate) const fn beyond(&self) -> usize {
        self.beyond
    }

    /// Returns true if a repository of this name may have a fault; ASCII case is ignored.
    // With faults beyond the limit, any repository may be among them.
    pub(crate) fn may_name(&self, repository: &str) -> bool {
        self.beyond > 0
            || self.reasons.keys().any(|(known, _)| known.eq_ignore_ascii_case(repository))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Fault> {
        self.reasons.iter().map(|((repository, subject), reason)| Fault {
            repository: repository.clone(),
            subject: subject.clone(),
            reason: reason.clone(),
        })
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<T: IntoIterator<Item = Fault>>(faults: T) -> Self {
        let mut all = Self::default();
        for fault in faults {
            all.add(fault);
        }
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
    fn the_same_faults_are_kept_in_whatever_order_they_come() {
        let count = 20 * FAULTS_MAX;
        let up: Faults = (0..count).map(|number| fault(number, "x")).collect();
        let down: Faults = (0..count).rev().map(|number| fault(number, "x")).collect();
        assert!(up.iter().eq(down.iter()));
        assert_eq!((up.iter().count(), up.beyond()), (FAULTS_MAX, count - FAULTS_MAX));
        assert!(up.may_name("Provider/p019999"), "a fault that is not kept may have this name");
    }

    #[test]
    fn reasons_are_cut_and_a_subject_has_one_fault() {
        let mut faults: Faults = (0..3).map(|_| fault(1, &"x".repeat(1 << 20))).collect();
        assert!(faults.iter().all(|fault| fault.reason.len() < 600));
        assert!(faults.add(fault(1, "y")));
        assert!(!faults.add(fault(1, "y")), "known");
        assert!(faults.iter().eq([fault(1, "y")]));
        assert!(faults.may_name("PROVIDER/P000001") && !faults.may_name("provider/p000002"));
        faults.remove("provider/p000001", &FaultSubject::Repository);
        assert_eq!(faults.iter().count(), 0);
    }

    #[test]
    fn a_replacement_tells_what_is_new_and_leaves_other_subjects() {
        let tag = |text: &str| FaultSubject::Release(text.parse().unwrap());
        let of = |subject, reason: &str| Fault { subject, ..fault(1, reason) };
        let mut faults: Faults =
            [of(tag("1.0.0"), "a"), of(FaultSubject::Repository, "b"), fault(2, "c")]
                .into_iter()
                .collect();
        let releases = |repository: &str, subject: &FaultSubject| {
            repository == "provider/p000001" && matches!(subject, FaultSubject::Release(_))
        };
        let now = vec![of(tag("1.0.0"), "a"), of(tag("2.0.0"), "d")];
        assert_eq!(faults.replace(now, releases), [of(tag("2.0.0"), "d")]);
        assert_eq!(faults.iter().count(), 4);
        assert_eq!(faults.replace(Vec::new(), releases), []);
        assert_eq!(faults.iter().count(), 2);
    }
}
