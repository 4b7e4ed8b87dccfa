//! Texts of publishers, cleaned for display.

use registry_core::models::truncate::is_invisible;

const TEXT_MAX: usize = 1_000;
const KEYWORDS_MAX: usize = 32;
/// Maximum length of a keyword, in characters.
const KEYWORD_MAX: usize = 100;

/// Returns the usable topics of a repository.
pub(super) fn keywords(topics: &[String]) -> Box<[Box<str>]> {
    topics.iter().filter_map(|topic| keyword(topic)).take(KEYWORDS_MAX).collect()
}

fn keyword(text: &str) -> Option<Box<str>> {
    clean(text).filter(|word| word.chars().count() <= KEYWORD_MAX)
}

/// Cleans a text for display: bounded, one line, no invisible or reordering characters.
pub(super) fn clean(text: &str) -> Option<Box<str>> {
    let visible = text.chars().filter(|c| !is_invisible(*c)).take(TEXT_MAX);
    let text: String = visible.map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cleaned() {
        assert_eq!(clean(" a\r\nb\u{202e}c ").as_deref(), Some("a  bc"));
        assert_eq!(clean("\u{200b}\n"), None);
        assert_eq!(clean(&"x".repeat(5_000)).unwrap().len(), TEXT_MAX);
    }
}
