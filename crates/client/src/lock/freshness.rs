//! If a lock is current for a manifest. Needs no registry.

use crate::failure::{ClientFailure, FailureKind};
use crate::lock::file::Lock;
use crate::lock::manifest::Requirement;

/// Returns the requirements that the lock does not answer: missing ones, and changed ones.
pub(crate) fn unanswered<'a>(requirements: &'a [Requirement], lock: &Lock) -> Vec<&'a Requirement> {
    requirements.iter().filter(|requirement| !is_answered(requirement, lock)).collect()
}

/// Describes each entry that is missing, stale or superfluous. `None` for a current lock.
pub(crate) fn stale(requirements: &[Requirement], lock: &Lock) -> Option<ClientFailure> {
    let unanswered = unanswered(requirements, lock).into_iter().map(|requirement| {
        let Requirement { id, requested, .. } = requirement;
        match lock.entry(id) {
            None => format!("{id} is not in the lock; extensions.toml requests {requested}"),
            Some(entry) => {
                let locked = &entry.requested;
                format!("{id} is locked for {locked}; extensions.toml requests {requested}")
            }
        }
    });
    let superfluous = lock
        .entries()
        .iter()
        .filter(|entry| !requirements.iter().any(|requirement| requirement.id == entry.id));
    let superfluous =
        superfluous.map(|entry| format!("{} is locked and not in extensions.toml", entry.id));
    let failures = unanswered.chain(superfluous).map(|message| {
        ClientFailure::new(FailureKind::Outdated, message).hint("extreg lock, and commit the lock")
    });
    ClientFailure::join(failures.collect())
}

fn is_answered(requirement: &Requirement, lock: &Lock) -> bool {
    let Requirement { id, requested, question, .. } = requirement;
    let Some(entry) = lock.entry(id) else { return false };
    let kind = question.scope.source.is_none_or(|kind| kind.as_str() == entry.source);
    let backend = question.scope.backend;
    let backend = backend.is_none_or(|backend| backend.as_str() == entry.backend_name());
    entry.requested == *requested && kind && backend
}
