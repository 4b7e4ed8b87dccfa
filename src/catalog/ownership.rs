//! Which backend answers for a name, so that a later one can never take it over unseen.

use crate::models::backend_id::BackendId;

/// How a backend stands towards one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The backend.
    pub backend: BackendId,
    /// Whether anything is known of the backend at all.
    pub known: bool,
    /// Whether it has a release under that name.
    pub has: bool,
}

/// What the merged view says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This backend answers.
    Owned(BackendId),
    /// The first would answer, but nothing is known yet of the second, which comes before it.
    Undetermined(BackendId, BackendId),
    /// The first answered once and has it no more; the name does not pass to the others.
    Orphaned(BackendId),
}

/// Decides over the claims of all backends, in order, and who owned the name before.
/// `None`: no backend has it.
#[must_use]
pub fn resolve_owner(claims: &[Claim], before: Option<BackendId>) -> Option<Ownership> {
    let position = |source| claims.iter().position(|claim| claim.backend == source);
    let first = claims.iter().position(|claim| claim.has)?;
    let (earlier, rest) = claims.split_at_checked(first)?;
    let owner = rest.first()?.backend;
    if let Some(unknown) = earlier.iter().find(|claim| !claim.known) {
        return Some(Ownership::Undetermined(owner, unknown.backend));
    }
    Some(match before.map(|before| (before, position(before))) {
        Some((before, Some(at))) if at < first => Ownership::Orphaned(before),
        _ => Ownership::Owned(owner),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GITEA: BackendId = BackendId::GITEA;
    const OCI: BackendId = BackendId::OCI;
    const LOCAL: BackendId = BackendId::LOCAL;

    /// `+` has it, `-` has it not, `?` is not known.
    fn claims(text: &str) -> Vec<Claim> {
        let backends = [GITEA, OCI, LOCAL];
        let claim = |(backend, mark)| Claim { backend, known: mark != '?', has: mark == '+' };
        backends.into_iter().zip(text.chars()).map(claim).collect()
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
