//! Release notes, cleaned for output.

use std::sync::Arc;

/// Maximum size of release notes in bytes; longer notes are truncated.
pub const NOTES_MAX: usize = 64 * 1024;

/// Drops control characters except line breaks and tabs; `None` if nothing remains.
#[must_use]
pub fn release_notes(text: &str) -> Option<Arc<str>> {
    // Truncated before the filter, so that the work is bounded by the limit as well.
    let text = text.get(..text.floor_char_boundary(NOTES_MAX)).unwrap_or_default();
    let shown: String =
        text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_cleaned_and_cut() {
        assert_eq!(
            release_notes(" # 1.0\r\n- a\tb\u{1b}[2J\n").as_deref(),
            Some("# 1.0\n- a\tb[2J")
        );
        assert_eq!(release_notes("\r\n\0"), None);
        let long = "é".repeat(NOTES_MAX);
        assert_eq!(release_notes(&long).unwrap().len(), NOTES_MAX);
        let odd = format!("a{long}");
        assert_eq!(release_notes(&odd).unwrap().len(), NOTES_MAX - 1, "no half of a character");
    }
}
