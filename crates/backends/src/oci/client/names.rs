//! The names of a listing: their accumulation page by page, and the result.

use registry_core::error::{Error, ErrorKind};
use registry_core::models::coverage::Coverage;
use registry_core::models::tag::Tag;

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

/// Result of a listing.
#[derive(Debug, Default)]
pub struct Names {
    /// Wanted names, sorted and without duplicates.
    pub names: Vec<String>,
    /// Total number of names.
    pub named: usize,
    /// Number of names dropped because they are older than the others.
    pub older: usize,
    /// Names that are not valid.
    pub unfit: Unfit,
    /// Reason why names may be missing. `None` if the listing is complete.
    pub gap: Option<Error>,
}

impl Names {
    /// Returns the coverage of the list.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        match &self.gap {
            None if self.older > 0 => {
                let reason = format!("{} of its tags are older than those listed", self.older);
                Coverage::Bounded(reason.into())
            }
            None => Coverage::Complete,
            Some(gap) => {
                let reason = format!("a part of the list is missing: {}", gap.report()).into();
                match gap.kind() {
                    ErrorKind::BackendRefused => Coverage::Refused(reason),
                    _ => Coverage::Partial(reason),
                }
            }
        }
    }
}

/// Names collected so far, possibly with duplicates.
pub(super) struct NameCollector<'a> {
    kind: NameKind<'a>,
    /// Approximate size of the names, in bytes.
    weight: usize,
}

enum NameKind<'a> {
    /// Names that a filter accepts.
    Wanted { is_wanted: &'a (dyn Fn(&str) -> bool + Sync), names: Vec<String> },
    /// Names that are valid tags, the newest ones.
    Tags { tags: Vec<Tag>, seen: usize, older: usize, unfit: Unfit },
}

impl<'a> NameCollector<'a> {
    pub(super) const fn wanted(is_wanted: &'a (dyn Fn(&str) -> bool + Sync)) -> Self {
        Self { kind: NameKind::Wanted { is_wanted, names: Vec::new() }, weight: 0 }
    }

    pub(super) fn tags() -> Self {
        let unfit = Unfit::default();
        Self { kind: NameKind::Tags { tags: Vec::new(), seen: 0, older: 0, unfit }, weight: 0 }
    }

    pub(super) fn take(&mut self, name: &str) {
        match &mut self.kind {
            NameKind::Wanted { is_wanted, names } => {
                if self.weight <= NAMES_MAX && is_wanted(name) {
                    self.weight += weight_of(name);
                    names.push(name.to_owned());
                }
            }
            NameKind::Tags { tags, seen, older, unfit } => {
                *seen += 1;
                match name.parse() {
                    Ok(tag) if *seen <= TAGS_SEEN_MAX => {
                        self.weight += weight_of(name);
                        tags.push(tag);
                    }
                    Ok(_) => {}
                    Err(_) => unfit.note(name),
                }
                // Truncated in large steps, because each one sorts all tags.
                if tags.len() >= TAGS_MAX + TAGS_MAX / 2 {
                    *older += keep_newest(tags, TAGS_MAX);
                    self.weight = tags.iter().map(|tag| weight_of(tag.as_str())).sum();
                }
            }
        }
    }

    /// Returns the approximate size of the names, in bytes.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    pub(super) const fn is_full(&self) -> bool {
        match self.kind {
            NameKind::Wanted { .. } => self.weight > NAMES_MAX,
            NameKind::Tags { seen, .. } => seen > TAGS_SEEN_MAX,
        }
    }

    /// Returns the sorted unique names, the number of dropped older ones, and the invalid ones.
    pub(super) fn names(self) -> (Vec<String>, usize, Unfit) {
        let (mut names, older, unfit) = match self.kind {
            NameKind::Wanted { names, .. } => (names, 0, Unfit::default()),
            NameKind::Tags { mut tags, older, unfit, .. } => {
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

const fn weight_of(name: &str) -> usize {
    name.len() + NAME_COST
}
