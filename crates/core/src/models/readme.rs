//! README files of extensions.

/// Maximum size of a README, in bytes.
pub const README_MAX: u64 = 1024 * 1024;

/// README of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readme {
    /// Digest or commit. At one kind of backend, equal identities mean equal texts.
    pub identity: String,
    /// Markdown text, not sanitized: it may contain any HTML.
    pub text: String,
}

impl Readme {
    /// Decodes a README. Invalid UTF-8 is replaced, and a byte order mark is dropped.
    #[must_use]
    pub fn new(identity: impl Into<String>, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self { identity: identity.into(), text: String::from_utf8_lossy(bytes).into_owned() }
    }
}

/// Returns the rank of a file name as a README, lower is better; `None` if it is not a README.
#[must_use]
pub fn rank_of(file_name: &str) -> Option<usize> {
    const NAMES: [&str; 4] = ["readme.md", "readme.markdown", "readme", "readme.txt"];
    let name = file_name.to_ascii_lowercase();
    let known = NAMES.iter().position(|known| *known == name);
    // A translation such as `README.de.md` ranks last: it serves only when there is nothing better.
    let text = [".md", ".markdown", ".txt"].iter().any(|ending| name.ends_with(ending));
    known.or_else(|| (name.starts_with("readme.") && text).then_some(NAMES.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_kind_become_text() {
        assert_eq!(Readme::new("x", b"\xef\xbb\xbf# a").text, "# a");
        assert_eq!(Readme::new("x", b"a\xffb").text, "a\u{fffd}b");
    }

    #[test]
    fn readmes_are_known_by_their_name() {
        let ranks = ["README.md", "Readme.markdown", "readme", "README.txt", "README.de.md"];
        assert_eq!(ranks.map(rank_of), [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        for name in ["readmes.md", "x-readme.md", "README-dev.md", "README.tar.gz", "", "md"] {
            assert_eq!(rank_of(name), None, "{name}");
        }
    }
}
