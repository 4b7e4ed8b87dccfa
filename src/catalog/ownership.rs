//! Which backend answers for a name, so that a later one can never take it over unseen.

use crate::models::backend_kind::BackendKind;

/// How a backend stands towards one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bid {
    /// The backend.
    pub source: BackendKind,
    /// Whether anything is known of the backend at all.
    pub known: bool,
    /// Whether it has a release under that name.
    pub has: bool,
}

/// What the merged view says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This backend answers.
    Owned(BackendKind),
    /// The first would answer, but nothing is known yet of the second, which comes before it.
    Unsure(BackendKind, BackendKind),
    /// The first answered once and has it no more; the name does not pass to the others.
    Orphaned(BackendKind),
}

/// Decides over the bids of all backends, in order, and who owned the name before.
/// `None`: no backend has it.
#[must_use]
pub fn decide(bids: &[Bid], before: Option<BackendKind>) -> Option<Standing> {
    let position = |source| bids.iter().position(|bid| bid.source == source);
    let first = bids.iter().position(|bid| bid.has)?;
    let (earlier, rest) = bids.split_at_checked(first)?;
    let owner = rest.first()?.source;
    if let Some(unknown) = earlier.iter().find(|bid| !bid.known) {
        return Some(Standing::Unsure(owner, unknown.source));
    }
    Some(match before.map(|before| (before, position(before))) {
        Some((before, Some(at))) if at < first => Standing::Orphaned(before),
        _ => Standing::Owned(owner),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use BackendKind::{Gitea, Local, Oci};

    /// `+` has it, `-` has it not, `?` is not known.
    fn bids(text: &str) -> Vec<Bid> {
        let sources = [Gitea, Oci, Local];
        let bid = |(source, mark)| Bid { source, known: mark != '?', has: mark == '+' };
        sources.into_iter().zip(text.chars()).map(bid).collect()
    }

    #[test]
    fn the_first_that_has_a_name_owns_it_and_keeps_it() {
        for (text, before, expected) in [
            ("+++", None, Some(Standing::Owned(Gitea))),
            ("-++", None, Some(Standing::Owned(Oci))),
            ("---", Some(Gitea), None),
            ("?+-", None, Some(Standing::Unsure(Oci, Gitea))),
            ("+?+", None, Some(Standing::Owned(Gitea))),
            ("-?+", None, Some(Standing::Unsure(Local, Oci))),
            ("-+-", Some(Gitea), Some(Standing::Orphaned(Gitea))),
            ("++-", Some(Oci), Some(Standing::Owned(Gitea))),
            ("-+-", Some(Oci), Some(Standing::Owned(Oci))),
            ("--+", Some(Oci), Some(Standing::Orphaned(Oci))),
        ] {
            assert_eq!(decide(&bids(text), before), expected, "{text} after {before:?}");
        }
    }
}
