//! Limits on untrusted text for the log and `/health`: the input may be megabytes long.

// Maximum length of one reason, in characters.
const REASON_MAX: usize = 500;
const REASONS_MAX: usize = 20;

/// Truncates a text to 500 characters. A truncated text ends with an ellipsis.
#[must_use]
pub fn truncate(mut text: String) -> String {
    // A text has at least as many bytes as characters, and its byte length costs nothing to read.
    if text.len() > REASON_MAX
        && let Some((end, _)) = text.char_indices().nth(REASON_MAX)
    {
        let cut = text.get(..end).and_then(|kept| kept.char_indices().next_back());
        text.truncate(cut.map_or(0, |(at, _)| at));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

/// First `max` characters, without control, invisible and direction-changing characters.
#[must_use]
pub fn printable(name: &str, max: usize) -> String {
    name.chars().filter(|c| !c.is_control() && !is_invisible(*c)).take(max).collect()
}

/// Returns true if a character has no width or changes the reading direction.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Returns the first texts, each shortened by [`truncate`], and the number of omitted ones.
#[must_use]
pub fn first_few(texts: Vec<String>) -> Vec<String> {
    let more = texts.len().saturating_sub(REASONS_MAX);
    // Output of this function passes through unchanged a second time: 20 texts and one "and N
    // more".
    let kept = if more == 1 { texts.len() } else { REASONS_MAX };
    let few = texts.into_iter().take(kept).map(truncate);
    few.chain((more > 1).then(|| format!("and {more} more"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        for (text, expected) in [
            (String::new(), String::new()),
            ("x".repeat(500), "x".repeat(500)),
            ("x".repeat(501), "x".repeat(499) + "…"),
            ("é".repeat(500), "é".repeat(500)),
            ("é".repeat(1 << 20), "é".repeat(499) + "…"),
        ] {
            let cut = truncate(text);
            assert_eq!(cut, expected);
            assert_eq!(truncate(cut.clone()), cut, "once is enough");
        }
    }

    #[test]
    fn names_of_strangers_fit_on_one_line() {
        for (name, shown) in [
            ("aws_prov", "aws_prov"),
            ("a\nb\u{1b}[31m\u{202e}c\u{feff}", "ab[31mc"),
            ("é%2Fé", "é%2Fé"),
            ("123456789012", "1234567890"),
        ] {
            assert_eq!(printable(name, 10), shown);
        }
    }

    #[test]
    fn of_many_texts_the_first_are_kept_and_the_others_counted() {
        let texts = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        for count in [0, 1, 20, 21] {
            assert_eq!(first_few(texts(count)), texts(count));
        }
        let few = first_few(texts(100_000));
        assert_eq!((few.len(), few.last().map(String::as_str)), (21, Some("and 99980 more")));
        assert_eq!(first_few(few.clone()), few);
        let long = first_few(vec!["x".repeat(1 << 20); 1 << 10]);
        assert!(long.iter().map(String::len).sum::<usize>() < 21 * 600);
    }
}
