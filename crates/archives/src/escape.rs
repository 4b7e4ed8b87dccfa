//! Names of an archive as text: unambiguous, on one line and without characters that deceive.

use std::fmt::Write as _;

/// Shows the bytes of a name. Different bytes give different text, so the text serves as a key.
///
/// Backslashes are doubled. Bytes that are not UTF-8 become `\xff`, control characters and
/// invisible characters (among them marks of text direction) `\n`, `\t` or `\u{202e}`.
pub(crate) fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' || is_hidden(character) {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            // Never an error: a string takes any text.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Returns true for characters that have no shape of their own or reorder their neighbors.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_shown_on_one_line_without_deceit() {
        for (name, text) in [
            (&b"scripts/install.sh"[..], "scripts/install.sh"),
            ("größe/日本.md".as_bytes(), "größe/日本.md"),
            (b"a\nb\tc\x1b[31m", "a\\nb\\tc\\u{1b}[31m"),
            ("txt.\u{202e}gpj.exe".as_bytes(), "txt.\\u{202e}gpj.exe"),
            ("a\u{200b}b\u{feff}".as_bytes(), "a\\u{200b}b\\u{feff}"),
            (b"caf\xe9.txt", "caf\\xe9.txt"),
            (b"a\\xe9", "a\\\\xe9"),
            (b"nul\0byte", "nul\\u{0}byte"),
        ] {
            assert_eq!(escape(name), text);
        }
    }

    proptest! {
        #[test]
        fn different_names_have_different_texts(
            a in proptest::collection::vec(prop_oneof![Just(b'\\'), Just(b'x'), Just(b'e'), Just(0xe9), Just(0xc3), any::<u8>()], 0..8),
            b in proptest::collection::vec(prop_oneof![Just(b'\\'), Just(b'x'), Just(b'e'), Just(0xe9), Just(0xc3), any::<u8>()], 0..8),
        ) {
            prop_assert_eq!(a == b, escape(&a) == escape(&b));
        }

        #[test]
        fn texts_unescape_to_their_name(name in proptest::collection::vec(any::<u8>(), 0..24)) {
            prop_assert_eq!(unescape(&escape(&name)), name);
        }
    }

    /// Undoes [`escape`], which proves that it loses nothing.
    fn unescape(text: &str) -> Vec<u8> {
        let (mut name, mut rest) = (Vec::new(), text);
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c != '\\' {
                name.extend(c.to_string().bytes());
                continue;
            }
            let kind = rest.as_bytes()[0];
            rest = &rest[1..];
            match kind {
                b'\\' => name.push(b'\\'),
                b'n' => name.push(b'\n'),
                b'r' => name.push(b'\r'),
                b't' => name.push(b'\t'),
                b'x' => {
                    name.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                    rest = &rest[2..];
                }
                _ => {
                    let end = rest.find('}').unwrap();
                    let code = u32::from_str_radix(&rest[1..end], 16).unwrap();
                    name.extend(char::from_u32(code).unwrap().to_string().bytes());
                    rest = &rest[end + 1..];
                }
            }
        }
        name
    }
}
