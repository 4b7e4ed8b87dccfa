//! Error page.

mod advice;

use std::time::Duration;

use askama::Template;

use crate::error::Result;
use crate::extension_ref::ExtensionRef;
use crate::filters;
use crate::format::amount::listed;
use crate::layout::{PageLayout, SitePlace, rendered};
use crate::pages::home::BackendLine;
use crate::pages::status::FaultView;
use crate::site::Site;

/// Error page.
#[derive(Clone, Debug, Default)]
pub struct ErrorPage {
    /// HTTP status.
    pub status: u16,
    /// Message of the error, as the API words it.
    pub message: String,
    /// Extensions with a similar name.
    pub near: Vec<ExtensionRef>,
    /// Extensions of other types with the same name.
    pub other_types: Vec<ExtensionRef>,
    /// The extension at backends that have it while its owner is undetermined or gone.
    pub at_backends: Vec<ExtensionRef>,
    /// Repositories of this name that were seen but not taken.
    pub not_taken: Vec<FaultView>,
    /// Backends with their states, for 502, 503 and 504.
    pub backends: Vec<BackendLine>,
    /// Identifier of the request, for 500.
    pub request_id: Option<String>,
    /// Time after which the request may succeed.
    pub retry_after: Option<Duration>,
    /// Address of the page that failed, made by [`crate::links::Links`] or taken from the request.
    pub retry: Option<LocalAddress>,
}

/// Address below the root of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress(String);

impl LocalAddress {
    /// Parses path and query of a request. Returns `None` for an address that a browser could take
    /// for another host.
    #[must_use]
    pub fn parse(target: &str) -> Option<Self> {
        let mut characters = target.chars();
        let is_local =
            characters.next() == Some('/') && !matches!(characters.next(), Some('/' | '\\'));
        let is_plain = target.chars().all(|c| c.is_ascii_graphic() && c != '\\');
        (is_local && is_plain).then(|| Self(target.to_owned()))
    }
}

impl std::fmt::Display for LocalAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    page: &'a ErrorPage,
}

impl ErrorPage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let layout = PageLayout {
            title: self.heading().to_owned(),
            is_unindexed: true,
            ..PageLayout::default()
        };
        rendered("error.html", &ErrorTemplate { site, layout, page: self })
    }

    /// Returns the backends that answer.
    fn reachable(&self) -> String {
        let reachable = self.backends.iter().filter(|backend| backend.state.is_reachable());
        listed(&reachable.map(|backend| backend.name.clone()).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_stays_on_this_host() {
        assert!(LocalAddress::parse("/provider/aws?backend=oci").is_some());
        for elsewhere in ["//evil.example", "/\\evil", "javascript:alert(1)", "", "/a\nb", "/a b"] {
            assert_eq!(LocalAddress::parse(elsewhere), None, "{elsewhere:?}");
        }
    }
}
