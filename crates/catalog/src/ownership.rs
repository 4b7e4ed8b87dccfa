//! Ownership of names: no other backend can take a name over unnoticed.

use registry_core::models::backend_id::BackendId;

/// Claim of a backend to one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The backend.
    pub backend: BackendId,
    /// True if the backend was listed and is within its capacity, so that `has` is certain.
    pub known: bool,
    /// True if the backend has a release under that name.
    pub has: bool,
}

/// Ownership of a name in the merged view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This backend owns the name.
    Owned(BackendId),
    /// The first backend has the name. The second comes before it and may own the name, because it
    /// was not listed yet or exceeds its capacity.
    Undetermined(BackendId, BackendId),
    /// This backend owned the name and lost it. The name does not pass to the others.
    Orphaned(BackendId),
}

/// Decides over the claims of all backends, in order, and who owned the name before.
/// `None`: no backend has it.
#[must_use]
pub fn resolve_owner(claims: &[Claim], before: Option<BackendId>) -> Option<Ownership> {
    let first = claims.iter().position(|claim| claim.has)?;
    let (earlier, rest) = claims.split_at_checked(first)?;
    let owner = rest.first()?.backend;
    // A first listing that comes late must not turn into a change of owner.
    if let Some(unknown) = earlier.iter().find(|claim| !claim.known) {
        return Some(Ownership::Undetermined(owner, unknown.backend));
    }
    // A former owner that comes after the first one does not keep the name.
    let former = before.filter(|before| earlier.iter().any(|claim| claim.backend == *before));
    Some(former.map_or(Ownership::Owned(owner), Ownership::Orphaned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GITEA: BackendId = BackendId::GITEA;
    const OCI: BackendId = BackendId::OCI;
    const LOCAL: BackendId = BackendId::LOCAL;

    /// Parses bids: `+` has the name, `-` does not have it, `?` was not listed.
    fn claims(text: &str) -> Vec<Claim> {
        let backends = [GITEA, OCI, LOCAL];
        let marked = backends.into_iter().zip(text.chars());
        marked
            .map(|(backend, mark)| Claim { backend, known: mark != '?', has: mark == '+' })
            .collect()
    }

    #[test]
    fn the_first_that_has_a_name_owns_it_and_keeps_it() {
        for (text, before, expected) in [
            ("+++", None, Some(Ownership::Owned(GITEA))),
            ("-++", None, Some(Ownership::Owned(OCI))),
            ("---", Some(GITEA), None),
            ("?+-", None, Some(Ownership::Undetermined(OCI, GITEA))),
            ("+?+", None, Some(Ownership::Owned(GITEA))),
            ("-?+", None, Some(Ownership::Undetermined(LOCAL, OCI))),
            ("-+-", Some(GITEA), Some(Ownership::Orphaned(GITEA))),
            ("++-", Some(OCI), Some(Ownership::Owned(GITEA))),
            ("-+-", Some(OCI), Some(Ownership::Owned(OCI))),
            ("--+", Some(OCI), Some(Ownership::Orphaned(OCI))),
        ] {
            assert_eq!(resolve_owner(&claims(text), before), expected, "{text} after {before:?}");
        }
    }
}
