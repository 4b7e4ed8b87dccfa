//! Hidden characters: control, zero-width and directional characters are shown as escapes, so that
//! no name looks like another name.

/// Treatment of line breaks and tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    /// They stay; for descriptions and file contents.
    Kept,
    /// They are shown as escapes; for names.
    Shown,
}

/// A piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisiblePiece<'a> {
    /// Text that shows itself.
    Plain(&'a str),
    /// One hidden character.
    Hidden(char),
}

/// Splits text into plain pieces and hidden characters.
pub fn pieces(text: &str, breaks: Breaks) -> impl Iterator<Item = VisiblePiece<'_>> {
    let mut rest = text;
    let mut previous = None;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        if is_hidden(first, previous, breaks) {
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            previous = Some(first);
            return Some(VisiblePiece::Hidden(first));
        }
        let mut end = rest.len();
        for (index, c) in rest.char_indices() {
            if is_hidden(c, previous, breaks) {
                end = index;
                break;
            }
            previous = Some(c);
        }
        let (plain, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(VisiblePiece::Plain(plain))
    })
}

/// Returns the text with escapes such as `\u{202e}` in place of hidden characters.
#[must_use]
pub fn visible(text: &str, breaks: Breaks) -> String {
    let mut shown = String::with_capacity(text.len());
    for piece in pieces(text, breaks) {
        match piece {
            VisiblePiece::Plain(plain) => shown.push_str(plain),
            VisiblePiece::Hidden(c) => shown.extend(c.escape_unicode()),
        }
    }
    shown
}

fn is_hidden(c: char, previous: Option<char>, breaks: Breaks) -> bool {
    match c {
        '\n' | '\r' | '\t' => breaks == Breaks::Shown,
        // Joiners belong to emoji and to several scripts, but never to ASCII.
        '\u{200c}' | '\u{200d}' => previous.is_none_or(|previous| previous.is_ascii()),
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}'..='\u{ffff}'
        | '\u{e0000}'..='\u{e007f}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown_as_escapes() {
        for (text, shown) in [
            ("aws", "aws"),
            ("a\u{202e}swa", r"a\u{202e}swa"),
            ("\u{200b}", r"\u{200b}"),
            ("a\u{0}b\nc", r"a\u{0}b\u{a}c"),
            ("ab\u{200d}c", r"ab\u{200d}c"),
            ("👩\u{200d}💻", "👩\u{200d}💻"),
            ("שלום", "שלום"),
            ("\u{e0041}", r"\u{e0041}"),
        ] {
            assert_eq!(visible(text, Breaks::Shown), shown);
        }
        assert_eq!(visible("a\nb\tc\u{7}", Breaks::Kept), "a\nb\tc\\u{7}");
    }
}
