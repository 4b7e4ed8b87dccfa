//! Keywords that a caller selects extensions by.

use std::str::FromStr;

use crate::search::words::fold;

/// Maximum number of keywords of one request: no extension has more.
pub const KEYWORDS_MAX: usize = 32;
/// Maximum length in characters.
pub const KEYWORD_MAX: usize = 200;

/// A text that is no keyword. The message states the bound and is safe for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keyword must be 1 to {KEYWORD_MAX} characters, not blank, at most {KEYWORDS_MAX} times")]
pub struct InvalidKeyword;

/// A keyword as a caller spells it. It matches a whole keyword of a publisher, without regard to
/// case.
#[derive(Clone, Debug)]
pub struct Keyword {
    text: String,
    folded: String,
}

impl Keyword {
    /// Returns the keyword as the caller spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the keyword without regard to case.
    pub(super) fn folded(&self) -> &str {
        &self.folded
    }
}

impl FromStr for Keyword {
    type Err = InvalidKeyword;

    fn from_str(text: &str) -> Result<Self, InvalidKeyword> {
        // Counted in characters: the limit must not depend on the script of the keyword.
        if text.trim().is_empty() || text.chars().count() > KEYWORD_MAX {
            return Err(InvalidKeyword);
        }
        Ok(Self { text: text.to_owned(), folded: fold(text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_folded_whole() {
        for (some, other, expected) in [
            ("AWS", "aws", true),
            ("aws", "aws ", false),
            ("aws", "awsome", false),
            ("key value", "Key Value", true),
            ("STRASSE", "straße", true),
            ("Ärger", "ärger", true),
            ("a", "ä", false),
        ] {
            let [some, other] = [some, other].map(|text| text.parse::<Keyword>().unwrap());
            assert_eq!(some.folded() == other.folded(), expected, "{some:?} {other:?}");
        }
        assert_eq!("AWS".parse::<Keyword>().unwrap().as_str(), "AWS");
    }

    #[test]
    fn keywords_beyond_their_bounds_are_refused() {
        for good in ["a", &"ä".repeat(KEYWORD_MAX)] {
            assert!(good.parse::<Keyword>().is_ok(), "{good}");
        }
        for bad in ["", " \t", &"a".repeat(KEYWORD_MAX + 1)] {
            assert_eq!(bad.parse::<Keyword>().unwrap_err(), InvalidKeyword, "{bad:?}");
        }
    }
}
