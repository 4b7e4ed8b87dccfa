//! Cost limits for tags in raw HTML: parsing a tag is quadratic in the number of attributes.

const ATTRIBUTES_MAX: usize = 50;
// Maximum length of one tag with its attributes, in bytes.
const LENGTH_MAX: usize = 4 * 1024;
// Maximum number of tags in one piece of raw HTML; a cleaner is quadratic in their nesting depth.
const TAGS_MAX: usize = 200;

/// `None` beyond a limit. Each `<` of a possible tag counts: only a parser sees comments.
pub(super) fn count(raw: &str) -> Option<usize> {
    let begins = raw.match_indices('<').map(|(at, _)| raw.as_bytes().get(at + 1..));
    let mut tags = 0;
    for rest in begins {
        tags += 1;
        if tags > TAGS_MAX || !rest.is_some_and(is_cheap) {
            return None;
        }
    }
    Some(tags)
}

/// Tokenizer state within a tag (HTML, 13.2.5.6 to 13.2.5.39).
#[derive(Clone, Copy)]
enum TagPosition {
    TagName,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Quoted(u8),
    Bare,
}

fn is_cheap(rest: &[u8]) -> bool {
    let name = rest.strip_prefix(b"/").unwrap_or(rest);
    if !name.first().is_some_and(u8::is_ascii_alphabetic) {
        return true;
    }
    let (mut place, mut attributes) = (TagPosition::TagName, 0);
    for (length, byte) in name.iter().enumerate() {
        let next = match (place, byte) {
            (TagPosition::Quoted(quote), byte) if *byte == quote => TagPosition::BeforeName,
            (TagPosition::Quoted(_), _) => place,
            (_, b'>') => return true,
            (TagPosition::BeforeValue, b'"' | b'\'') => TagPosition::Quoted(*byte),
            (TagPosition::BeforeValue, byte) if byte.is_ascii_whitespace() => place,
            (TagPosition::BeforeValue, _) => TagPosition::Bare,
            (TagPosition::Name | TagPosition::AfterName, b'=') => TagPosition::BeforeValue,
            (TagPosition::Name | TagPosition::AfterName, byte) if byte.is_ascii_whitespace() => {
                TagPosition::AfterName
            }
            (_, byte) if byte.is_ascii_whitespace() => TagPosition::BeforeName,
            (TagPosition::Bare, _) => place,
            (_, b'/') => TagPosition::BeforeName,
            (TagPosition::TagName | TagPosition::Name, _) => place,
            (TagPosition::BeforeName | TagPosition::AfterName, _) => {
                attributes += 1;
                TagPosition::Name
            }
        };
        if attributes > ATTRIBUTES_MAX || length >= LENGTH_MAX {
            return false;
        }
        place = next;
    }
    // An unfinished tag ends with the input and is not rendered.
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_counted_as_a_parser_does() {
        let many = |one: &str| one.repeat(ATTRIBUTES_MAX + 1);
        for dear in [
            format!("<p{}>", many(" a")),
            format!("</p{}>", many(" a")),
            format!("<p{}", many("/a")),
            format!("<p{}>", many(" a = b ")),
            format!("<p{}>", many(" a='>'")),
            format!("<p{}>", many("a=\">\"").replacen('a', " a", 1)),
            format!("<p{}>", many("/=a")),
            format!("<p x=a\"b y='>'{}>", many(" a")),
            format!("<!-- <p x=\" -->{}<p{}>", "\"", many("\ta")),
            format!("<p x='{}'>", "x".repeat(LENGTH_MAX)),
            "<b>".repeat(TAGS_MAX + 1),
        ] {
            assert_eq!(count(&dear), None, "{dear}");
        }
        for (cheap, tags) in [
            (format!("<p{}>", " a='b c d'".repeat(ATTRIBUTES_MAX)), 1),
            (format!("<p title='{}'>", many(" a")), 1),
            (format!("<p title={}>", many("a/b")), 1),
            (format!("<{}>", many(" a")), 1),
            (format!("< p{}>", many(" a")), 1),
            (format!("<!-- {} -->", many(" a")), 1),
            (format!("<p>{}</p>", many(" a")), 2),
            ("<b>".repeat(TAGS_MAX), TAGS_MAX),
        ] {
            assert_eq!(count(&cheap), Some(tags), "{cheap}");
        }
    }
}
