//! The lock as a function of the requirements, the old lock, and the answers of the registry.

use crate::failure::{ClientFailure, FailureKind, Result, all};
use crate::lock::entry::LockedEntry;
use crate::lock::file::Lock;
use crate::lock::manifest::Requirement;

/// Makes the lock of these requirements: answered ones are taken from the answers, others stay as they
/// are locked. Fails if an answer has other bytes from another backend, unless that is accepted.
pub(crate) fn relock(
    requirements: &[Requirement],
    old: &Lock,
    answers: Vec<LockedEntry>,
    accepts_sources: bool,
) -> Result<Lock> {
    let mut answers = answers;
    let entries = requirements.iter().filter_map(|requirement| {
        let before = old.entry(&requirement.id);
        let place = answers.iter().position(|answer| answer.id == requirement.id);
        match (before, place.map(|place| answers.swap_remove(place))) {
            (Some(before), Some(answer)) => Some(moved(before, answer, accepts_sources)),
            (None, Some(answer)) => Some(Ok(answer)),
            (before, None) => before.cloned().map(Ok),
        }
    });
    Ok(old.with_entries(all(entries.collect::<Vec<_>>())?))
}

fn moved(before: &LockedEntry, answer: LockedEntry, accepts_sources: bool) -> Result<LockedEntry> {
    if before.digest == answer.digest && before.version == answer.version {
        // The same bytes from elsewhere are no change: a mirror, or another name of a backend.
        return Ok(LockedEntry { requested: answer.requested, ..before.clone() });
    }
    let (from, to) = (before.backend_name(), answer.backend_name());
    if from != to && before.digest != answer.digest && !accepts_sources {
        let LockedEntry { id, version, .. } = &answer;
        let message = format!(
            "{id} {version} comes from {to}, and the locked {} from {from}, with other bytes",
            before.version
        );
        let hint = format!("see extreg explain {id}; if that is right, add --accept-source");
        return Err(ClientFailure::new(FailureKind::Integrity, message).hint(hint));
    }
    Ok(LockedEntry { unknown: before.unknown.clone(), ..answer })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lock::changes::describe;
    use crate::lock::file::tests::locked;
    use crate::lock::freshness::{stale, unanswered};
    use crate::lock::manifest::wanted;
    use crate::question::Question;

    fn requirement(id: &str, requested: &str) -> Requirement {
        Requirement {
            id: id.parse().unwrap(),
            requested: requested.to_owned(),
            wanted: wanted(requested).unwrap(),
            question: Question::default(),
        }
    }

    /// The answer of a registry: a function of the requirement alone.
    fn answer(requirement: &Requirement) -> LockedEntry {
        let id = requirement.id.to_string();
        let version = requirement.requested.replace('^', "") + ".7";
        LockedEntry { requested: requirement.requested.clone(), ..locked(&id, &version, &id) }
    }

    fn relocked(requirements: &[Requirement], old: &Lock) -> Lock {
        let open = unanswered(requirements, old).into_iter().map(answer);
        relock(requirements, old, open.collect(), false).unwrap()
    }

    fn requirements() -> impl Strategy<Value = Vec<Requirement>> {
        let ids = prop::sample::subsequence(
            vec!["provider/a", "provider/b", "taskserv/a", "cluster/c", "cluster/D", "taskserv/e"],
            0..=6,
        );
        (ids, prop::collection::vec(1..4u8, 6)).prop_map(|(ids, majors)| {
            let pairs = ids.into_iter().zip(majors);
            pairs.map(|(id, major)| requirement(id, &format!("^{major}"))).collect()
        })
    }

    proptest! {
        #[test]
        fn a_lock_is_a_function_of_the_manifest_and_the_answers(
            (wanted, shuffled) in requirements().prop_flat_map(|wanted| {
                (Just(wanted.clone()), Just(wanted).prop_shuffle())
            }),
        ) {
            let lock = relocked(&wanted, &Lock::default());
            prop_assert_eq!(relocked(&shuffled, &Lock::default()).text(), lock.text());
            prop_assert!(stale(&wanted, &lock).is_none(), "--locked is quiet after lock");
            prop_assert!(unanswered(&wanted, &lock).is_empty(), "and asks nothing");
            prop_assert_eq!(relocked(&shuffled, &lock).text(), lock.text());
        }

        #[test]
        fn a_changed_manifest_leads_to_the_lock_of_a_fresh_start(
            before in requirements(),
            after in requirements(),
        ) {
            let old = relocked(&before, &Lock::default());
            let new = relocked(&after, &old);
            prop_assert!(stale(&after, &new).is_none());
            let fresh = relocked(&after, &Lock::default());
            // An answer with the same bytes keeps its entry, so only the bytes are compared.
            let digests = |lock: &Lock| -> Vec<_> {
                lock.entries().iter().map(|entry| entry.digest.clone()).collect()
            };
            prop_assert_eq!(digests(&new), digests(&fresh));
            prop_assert_eq!(describe(&old, &new).is_empty(), old == new);
        }
    }

    #[test]
    fn the_same_bytes_from_elsewhere_are_no_change_and_others_are_refused() {
        let wanted = [requirement("provider/a", "^1")];
        let old = Lock::default().with_entries(vec![locked("provider/a", "1.0.0", "a")]);
        let elsewhere = |version: &str, content: &str| LockedEntry {
            backend: Some("mirror".to_owned()),
            ..locked("provider/a", version, content)
        };
        let same = relock(&wanted, &old, vec![elsewhere("1.0.0", "a")], false).unwrap();
        assert_eq!(same, old);
        for version in ["1.0.0", "1.1.0"] {
            let other = relock(&wanted, &old, vec![elsewhere(version, "b")], false);
            assert_eq!(other.unwrap_err().kind(), FailureKind::Integrity);
            let accepted = relock(&wanted, &old, vec![elsewhere(version, "b")], true).unwrap();
            assert_eq!(accepted.entries()[0].backend_name(), "mirror");
        }
    }
}
