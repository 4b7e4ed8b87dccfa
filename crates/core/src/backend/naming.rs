//! Advice about repositories that nearly match the naming scheme, as faults of a list.

use std::collections::BTreeMap;

use crate::backend::Fault;
use crate::models::fault::FaultSubject;
use crate::models::truncate::printable;

// The first in order of their names; others are only counted.
const NAMED_MAX: usize = 20;
// Maximum length of a displayed name, in characters.
const NAME_MAX: usize = 128;

/// Creates one fault per repository from pairs of name and reason.
#[must_use]
pub fn naming_faults(found: impl IntoIterator<Item = (String, String)>) -> Vec<Fault> {
    let found = found.into_iter().map(|(name, reason)| (printable(&name, NAME_MAX), reason));
    // Sorted and without duplicates, so that the same repositories are shown after every refresh.
    let found: BTreeMap<String, String> = found.collect();
    let more = found.len().saturating_sub(NAMED_MAX);
    let others = (more > 0)
        .then(|| ("*".to_owned(), format!("{more} more repositories nearly fit the naming")));
    let named = found.into_iter().take(NAMED_MAX).chain(others);
    named
        .map(|(repository, reason)| Fault { repository, subject: FaultSubject::Naming, reason })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_repositories_the_first_are_named_and_the_others_counted() {
        for (count, shown, last) in [
            (0, 0, None),
            (NAMED_MAX, NAMED_MAX, Some("n000019")),
            (NAMED_MAX + 1, NAMED_MAX + 1, Some("*")),
            (100_000, NAMED_MAX + 1, Some("*")),
        ] {
            let names = (0..count).rev().map(|number| (format!("n{number:06}"), String::new()));
            let faults = naming_faults(names);
            assert_eq!(faults.len(), shown);
            assert_eq!(faults.last().map(|fault| fault.repository.as_str()), last);
        }
        let hostile = [("x\u{202e}\n".repeat(1 << 20), "r".to_owned())];
        assert_eq!(naming_faults(hostile)[0].repository, "x".repeat(NAME_MAX));
    }
}
