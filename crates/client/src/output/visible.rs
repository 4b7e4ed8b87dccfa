//! Texts of servers and archives on a terminal: characters that act or deceive are shown as escapes.

use registry_archives::is_hidden;

/// Returns the text with escapes such as `\u{1b}` in place of hidden characters.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_controls_the_terminal() {
        for (text, shown) in [
            ("größe 日本", "größe 日本"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("a\u{9b}31m\r\n\tb", "a\\u{9b}31m\\r\\n\\tb"),
            ("txt.\u{202e}exe", "txt.\\u{202e}exe"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
