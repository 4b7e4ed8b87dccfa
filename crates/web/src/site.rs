//! Data that all pages share.

use std::fmt;

use crate::error::{Error, Result};
use crate::freshness::DataAge;
use crate::links::Links;

/// Scheme, host and port of the service, as its callers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteOrigin(String);

impl SiteOrigin {
    /// Parses an origin such as `https://registry.example.com`.
    ///
    /// # Errors
    ///
    /// [`Error::Origin`] unless the text is a web scheme, a host and perhaps a port.
    pub fn parse(text: &str) -> Result<Self> {
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let authority =
            trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        match authority {
            Some(host) if !host.is_empty() && host.chars().all(is_host) => {
                Ok(Self(trimmed.to_owned()))
            }
            _ => Err(Error::Origin { origin: text.to_owned() }),
        }
    }

    /// Returns host and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or(self.0.as_str(), |(_, authority)| authority)
    }
}

impl fmt::Display for SiteOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Data that all pages share.
#[derive(Clone, Debug)]
pub struct Site {
    /// Addresses of all pages.
    pub links: Links,
    /// Origin of the service, for install lines, feeds and other absolute URLs.
    pub origin: SiteOrigin,
    /// Version of the service.
    pub version: String,
    /// Commit that the service was built from.
    pub commit: Option<String>,
    /// Number of extensions in the catalog.
    pub extensions: usize,
    /// True if the service shows its sample catalog.
    pub demo: bool,
    /// Age of the data.
    pub freshness: DataAge,
}

impl Site {
    /// Returns the absolute URL of an address made by [`Links`].
    #[must_use]
    pub fn absolute(&self, address: &str) -> String {
        format!("{}{address}", self.origin)
    }
}

#[cfg(test)]
impl Site {
    pub(crate) fn for_tests() -> Self {
        Self {
            links: Links::default(),
            origin: SiteOrigin("https://registry.example.com".to_owned()),
            version: "0.2.0".to_owned(),
            commit: None,
            extensions: 16,
            demo: false,
            freshness: DataAge::Within(std::time::Duration::from_mins(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for origin in ["https://a.example", "http://[::1]:8082", "http://localhost:8082"] {
            assert_eq!(SiteOrigin::parse(origin).unwrap().to_string(), origin);
        }
        for wrong in
            ["", "a.example", "ftp://a", "https://", "https://a/b", "https://a\"b", "http://a@b"]
        {
            assert!(matches!(SiteOrigin::parse(wrong), Err(Error::Origin { .. })), "{wrong}");
        }
    }
}
