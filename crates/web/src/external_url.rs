//! URLs of other sites.

use std::fmt;

/// URL of another site with the scheme `http` or `https`, fit for a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl(String);

impl ExternalUrl {
    /// Parses a URL. Returns `None` for other schemes, and for texts with white space or control
    /// characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
        let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        (is_web && is_plain && !rest.is_empty()).then(|| Self(text.to_owned()))
    }

    /// Returns the URL without its scheme.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest)
    }
}

impl fmt::Display for ExternalUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        let url = ExternalUrl::parse("HTTPS://git.example.com/a_prov").unwrap();
        assert_eq!(url.short(), "git.example.com/a_prov");
        for refused in ["javascript:alert(1)", "javascript://x%0aalert(1)", "https://", "git@x:y"] {
            assert_eq!(ExternalUrl::parse(refused), None, "{refused}");
        }
        assert_eq!(ExternalUrl::parse("https://a.b/\u{7}"), None);
    }
}
