//! Why tags and repositories are not listed, in words for `/health`. Shared by registries and image
//! layouts; no I/O.

use crate::models::brief::printable;
use crate::models::fault::ExtensionFault;
use crate::models::tag::Tag;

/// Names that a reason quotes.
const NAMED_MAX: usize = 5;
/// Longest name that a reason quotes, in characters.
const NAME_MAX: usize = 64;

/// Names of a repository's tags that are outside the grammar of tags here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfit {
    named: Vec<String>,
    count: usize,
}

impl Unfit {
    /// Notes one more name.
    pub fn note(&mut self, name: &str) {
        self.count = self.count.saturating_add(1);
        if self.named.len() < NAMED_MAX {
            self.named.push(printable(name, NAME_MAX));
        }
    }

    /// The fault that these names are; `None` without any.
    #[must_use]
    pub fn fault(&self) -> Option<ExtensionFault> {
        let named = self.named.join(", ");
        let reason = match self.count.saturating_sub(self.named.len()) {
            0 => format!("tags that cannot name a version: {named}"),
            more => format!("tags that cannot name a version: {named} and {more} more"),
        };
        (self.count > 0).then(|| ExtensionFault::of_repository(reason))
    }
}

/// Why an extension with these tags has no release, where no other fault tells it; `None` without
/// any tag.
#[must_use]
pub fn nothing_listed<'a>(tags: impl Iterator<Item = &'a Tag>) -> Option<ExtensionFault> {
    let hidden = tags.filter(|tag| tag.is_housekeeping()).take(NAMED_MAX);
    let named: Vec<&str> = hidden.map(Tag::as_str).collect();
    let reason = format!("it has no tag but hidden ones: {}", named.join(", "));
    (!named.is_empty()).then(|| ExtensionFault::of_repository(reason))
}
