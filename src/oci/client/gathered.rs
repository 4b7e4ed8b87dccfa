//! Accumulator for the names of a listing.

use crate::http::memory_budget::MemoryBudget;
use crate::models::tag::Tag;
use crate::oci::newest::keep_newest;
use crate::oci::unlisted::Unfit;

/// Maximum memory for the wanted names, in bytes, including [`NAME_COST`]; about 150,000 names.
const NAMES_MAX: usize = 16 * 1024 * 1024;
/// Fixed memory per name, in bytes.
const NAME_COST: usize = 64;
/// Maximum number of tags kept per repository, the newest ones.
const TAGS_MAX: usize = 10_000;
/// Maximum number of tags examined per repository.
const TAGS_SEEN_MAX: usize = 200_000;
/// Maximum number of tags examined while many lists are read at once.
const TAGS_LITTLE: usize = 500;

/// Names collected so far, possibly with duplicates.
pub(super) enum Gathered<'a> {
    /// Names that a filter accepts.
    Wanted { is_wanted: &'a (dyn Fn(&str) -> bool + Sync), names: Vec<String>, weight: usize },
    /// Names that are valid tags, the newest ones.
    Tags { tags: Vec<Tag>, seen: usize, older: usize, unfit: Unfit },
}

impl<'a> Gathered<'a> {
    pub(super) const fn wanted(is_wanted: &'a (dyn Fn(&str) -> bool + Sync)) -> Self {
        Self::Wanted { is_wanted, names: Vec::new(), weight: 0 }
    }

    pub(super) fn tags() -> Self {
        Self::Tags { tags: Vec::new(), seen: 0, older: 0, unfit: Unfit::default() }
    }

    pub(super) fn take(&mut self, name: &str) {
        match self {
            Self::Wanted { is_wanted, names, weight } => {
                if *weight <= NAMES_MAX && is_wanted(name) {
                    *weight += name.len() + NAME_COST;
                    names.push(name.to_owned());
                }
            }
            Self::Tags { tags, seen, older, unfit } => {
                *seen += 1;
                match name.parse() {
                    Ok(tag) if *seen <= TAGS_SEEN_MAX => tags.push(tag),
                    Ok(_) => {}
                    Err(_) => unfit.note(name),
                }
                // Truncated in large steps, because each one sorts all tags.
                if tags.len() >= 2 * TAGS_MAX {
                    *older += keep_newest(tags, TAGS_MAX);
                }
            }
        }
    }

    pub(super) fn is_full(&self, room: MemoryBudget) -> bool {
        match self {
            Self::Wanted { weight, .. } => *weight > NAMES_MAX,
            Self::Tags { seen, .. } => *seen > room.of(TAGS_LITTLE, TAGS_SEEN_MAX),
        }
    }

    /// Returns the sorted unique names, the number of dropped older ones, and the invalid ones.
    pub(super) fn names(self) -> (Vec<String>, usize, Unfit) {
        let (mut names, older, unfit) = match self {
            Self::Wanted { names, .. } => (names, 0, Unfit::default()),
            Self::Tags { mut tags, older, unfit, .. } => {
                let older = older + keep_newest(&mut tags, TAGS_MAX);
                (tags.iter().map(ToString::to_string).collect(), older, unfit)
            }
        };
        names.sort_unstable();
        // A name comes twice if the list changed between two pages.
        names.dedup();
        (names, older, unfit)
    }
}
