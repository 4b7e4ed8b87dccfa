//! Titles of drafts: they tell this run's draft from those of others.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Words in the title of each draft that a publisher of this program works on.
const WORDS: &str = " (unfinished, extreg publish ";

/// Title of the draft of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DraftMark(String);

impl DraftMark {
    /// Makes a title that no other run has.
    pub(super) fn new(title: &str) -> Self {
        // Seeded at random for each value.
        let random = RandomState::new().build_hasher().finish();
        Self(format!("{title}{WORDS}{random:016x})"))
    }

    /// Returns the title.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true for a title of any run.
    pub(super) fn is_in(title: &str) -> bool {
        title.contains(WORDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_have_marks_of_their_own_and_other_titles_have_none() {
        let (one, other) = (DraftMark::new("1.2.0"), DraftMark::new("1.2.0"));
        assert_ne!(one, other);
        assert!(DraftMark::is_in(one.as_str()));
        for title in ["", "1.2.0", "1.2.0 (unfinished)", "unfinished, extreg"] {
            assert!(!DraftMark::is_in(title), "{title}");
        }
    }
}
