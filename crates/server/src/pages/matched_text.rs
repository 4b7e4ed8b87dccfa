//! Texts of an extension that a search matches, to tell near misses from matches.

use registry_catalog::index::entry::Entry;

/// Returns true if the name contains a word, given in lower case.
#[must_use]
pub fn name_contains(entry: &Entry, word: &str) -> bool {
    entry.id().name.as_str().to_lowercase().contains(word)
}

/// Returns true if a keyword or the description contains a word, given in lower case.
#[must_use]
pub fn description_contains(entry: &Entry, word: &str) -> bool {
    let latest = entry.extension.latest().into_iter();
    let mut texts =
        latest.flat_map(|latest| latest.about.keywords.iter().chain(&latest.about.description));
    texts.any(|text| text.to_lowercase().contains(word))
}
