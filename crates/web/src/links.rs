//! Addresses of all pages. Every link of every template is made here.

pub mod api;
pub mod extension;
pub mod list_query;
mod query;

use crate::assets::{FAVICON, SCRIPT, STYLE_SHEET};
use crate::error::{Error, Result};
use crate::extension_ref::ExtensionRef;
use crate::extension_type::TypeView;
use crate::links::api::ApiLinks;
use crate::links::extension::ExtensionLinks;
use crate::links::list_query::ListQuery;
use crate::links::query::segment;

/// Seconds between two loads of a page that refreshes itself.
pub const REFRESH_SECONDS: u32 = 30;

const PREFIX_MAX: usize = 256;

/// Addresses of the pages below one base path; by default the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    prefix: String,
}

impl Links {
    /// Returns the addresses below a base path; `""` is the root.
    ///
    /// # Errors
    ///
    /// [`Error::Prefix`] unless the path starts with one slash, is at most 256 bytes long, and
    /// consists of plain segments.
    pub fn below(prefix: &str) -> Result<Self> {
        let path = prefix.strip_suffix('/').unwrap_or(prefix);
        let fail = |reason| Err(Error::Prefix { prefix: prefix.to_owned(), reason });
        if path.is_empty() {
            return Ok(Self { prefix: String::new() });
        }
        if path.len() > PREFIX_MAX {
            return fail("it is longer than 256 bytes");
        }
        let Some(segments) = path.strip_prefix('/') else {
            return fail("it does not start with a slash");
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        for one in segments.split('/') {
            if one.is_empty() || one == "." || one == ".." {
                return fail("it has an empty segment or a dot segment");
            }
            if !one.chars().all(is_plain) {
                return fail("it has characters other than letters, digits and -._~");
            }
        }
        Ok(Self { prefix: path.to_owned() })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Returns the base path, without a slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the address of the home page.
    #[must_use]
    pub fn home(&self) -> String {
        self.at("/")
    }

    /// Returns the address of a list or a search.
    #[must_use]
    pub fn list(&self, query: &ListQuery) -> String {
        self.at(&query.target())
    }

    /// Returns the address of the list of all extensions.
    #[must_use]
    pub fn all(&self) -> String {
        self.at("/extensions")
    }

    /// Returns the address of the list of one type.
    #[must_use]
    pub fn of_type(&self, extension_type: TypeView) -> String {
        self.list(&ListQuery { extension_type: Some(extension_type), ..ListQuery::default() })
    }

    /// Returns the address that the search form is sent to.
    #[must_use]
    pub fn search(&self) -> String {
        self.at("/search")
    }

    /// Returns the addresses of the pages of one extension.
    #[must_use]
    pub const fn extension<'a>(&'a self, extension: &'a ExtensionRef) -> ExtensionLinks<'a> {
        ExtensionLinks { links: self, extension }
    }

    /// Returns the address of the status page.
    #[must_use]
    pub fn status(&self) -> String {
        self.at("/status")
    }

    /// Returns the address of the status page that loads itself again.
    #[must_use]
    pub fn status_refreshed(&self) -> String {
        self.at(&format!("/status?refresh={REFRESH_SECONDS}"))
    }

    /// Returns the address of the reference of the API.
    #[must_use]
    pub fn reference(&self) -> String {
        self.at("/api")
    }

    /// Returns the addresses of the API.
    #[must_use]
    pub const fn api(&self) -> ApiLinks<'_> {
        ApiLinks { links: self }
    }

    /// Returns the address of the feed of all versions, or of the versions of one type.
    #[must_use]
    pub fn feed(&self, extension_type: Option<TypeView>) -> String {
        let name = extension_type.map_or("all", TypeView::as_str);
        self.at(&format!("/feeds/{name}.atom"))
    }

    /// Returns the address of the badge of an extension.
    #[must_use]
    pub fn badge(&self, extension: &ExtensionRef) -> String {
        let ExtensionRef { extension_type, name, .. } = extension;
        self.at(&format!("/badges/{extension_type}/{}.svg", segment(name)))
    }

    /// Returns the address of the `OpenSearch` description.
    #[must_use]
    pub fn open_search(&self) -> String {
        self.at("/opensearch.xml")
    }

    /// Returns the address of the style sheet.
    #[must_use]
    pub fn style_sheet(&self) -> String {
        self.at(&STYLE_SHEET.path)
    }

    /// Returns the address of the script.
    #[must_use]
    pub fn script(&self) -> String {
        self.at(&SCRIPT.path)
    }

    /// Returns the address of the icon.
    #[must_use]
    pub fn favicon(&self) -> String {
        self.at(&FAVICON.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_lies_below_the_base_path() {
        let links = Links::below("/a/registry/").unwrap();
        let extension = ExtensionRef::new(TypeView::Provider, "a w%s");
        for (address, expected) in [
            (links.home(), "/a/registry/"),
            (links.of_type(TypeView::Cluster), "/a/registry/extensions?type=cluster"),
            (links.search(), "/a/registry/search"),
            (links.feed(None), "/a/registry/feeds/all.atom"),
            (links.badge(&extension), "/a/registry/badges/provider/a%20w%25s.svg"),
            (links.status_refreshed(), "/a/registry/status?refresh=30"),
        ] {
            assert_eq!(address, expected);
        }
        assert!(links.style_sheet().starts_with("/a/registry/static/"));
        assert_eq!(Links::below("").unwrap().home(), "/");
        assert_eq!(Links::below("/").unwrap().home(), "/");
    }

    #[test]
    fn base_paths_that_lead_elsewhere_are_refused() {
        let long = format!("/{}", "a".repeat(256));
        for prefix in ["//evil.example", "a", "/a/../b", "/a\\b", "/a\nb", "/a b", "/.", &long] {
            assert!(matches!(Links::below(prefix), Err(Error::Prefix { .. })), "{prefix:?}");
        }
    }
}
