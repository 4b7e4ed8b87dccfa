//! Reasons for unlisted tags and repositories. Shared by registries and layouts; no I/O.

use registry_core::models::fault::ExtensionFault;
use registry_core::models::tag::Tag;
use registry_core::models::truncate::printable;

const NAMED_MAX: usize = 5;
/// Maximum length of a quoted name, in characters.
const NAME_MAX: usize = 64;

/// Tags of a repository that do not match the grammar of tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfit {
    named: Vec<String>,
    count: usize,
}

impl Unfit {
    /// Adds a name.
    pub fn note(&mut self, name: &str) {
        self.count = self.count.saturating_add(1);
        if self.named.len() < NAMED_MAX {
            self.named.push(printable(name, NAME_MAX));
        }
    }

    /// Returns the fault for these names, or `None` without names.
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

/// Returns the fault of an extension with tags but no release, if no other explains it.
#[must_use]
pub fn nothing_listed<'a>(tags: impl Iterator<Item = &'a Tag>) -> Option<ExtensionFault> {
    let hidden = tags.filter(|tag| tag.is_housekeeping()).take(NAMED_MAX);
    let named: Vec<&str> = hidden.map(Tag::as_str).collect();
    let reason = format!("it has only hidden tags:  {}", named.join(", "));
    (!named.is_empty()).then(|| ExtensionFault::of_repository(reason))
}
