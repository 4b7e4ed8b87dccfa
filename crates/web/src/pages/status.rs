//! Status page for operators.

mod backend;
mod summary;
mod text;

pub use backend::{BackendView, BreakerView};

use askama::Template;
use jiff::Timestamp;

use crate::error::Result;
use crate::extension_ref::ExtensionRef;
use crate::filters;
use crate::layout::{PageLayout, SitePlace, rendered};
use crate::links::REFRESH_SECONDS;
use crate::site::Site;

/// Status page. A page that refreshes itself is served with the header `Refresh`.
#[derive(Clone, Debug)]
pub struct StatusPage {
    /// Time of the page.
    pub now: Timestamp,
    /// Backends in the order of ownership.
    pub backends: Vec<BackendView>,
    /// Extensions that suffer, with the reason.
    pub affected: Vec<Affected>,
    /// Number of extensions that suffer.
    pub affected_total: usize,
    /// Repositories that were seen but not taken.
    pub not_taken: Vec<FaultView>,
    /// Number of repositories that were seen but not taken.
    pub not_taken_total: usize,
    /// Facts about the service: uptime, caches, store, connections.
    pub service: Vec<ServiceFact>,
    /// True if names and errors are left out because the caller has no token.
    pub is_restricted: bool,
    /// True if the page refreshes itself.
    pub refreshes: bool,
}

/// Extension that suffers from a fault.
#[derive(Clone, Debug)]
pub struct Affected {
    /// The extension.
    pub id: ExtensionRef,
    /// State in one word, such as `undetermined`, `orphaned`, `stale` or `fault`.
    pub state: &'static str,
    /// Reason in a sentence.
    pub reason: String,
}

/// Repository, or a part, that a backend cannot serve.
#[derive(Clone, Debug)]
pub struct FaultView {
    /// Name of the backend.
    pub backend: String,
    /// Name of the repository.
    pub repository: String,
    /// Part of the repository, such as `release 1.0.0`.
    pub subject: String,
    /// Reason in a sentence.
    pub reason: String,
}

/// Fact about the service.
#[derive(Clone, Debug)]
pub struct ServiceFact {
    /// Name of the fact.
    pub name: &'static str,
    /// Its value in words.
    pub value: String,
}

#[derive(Template)]
#[template(path = "status.html")]
struct StatusTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    page: &'a StatusPage,
}

impl StatusPage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let layout = PageLayout {
            title: format!("Status: {}", self.health().words()),
            place: SitePlace::Status,
            json: Some(site.links.api().health()),
            canonical: Some(site.links.status()),
            is_unindexed: true,
            ..PageLayout::default()
        };
        rendered("status.html", &StatusTemplate { site, layout, page: self })
    }

    /// Returns the page as plain text, for command-line clients.
    #[must_use]
    pub fn plain_text(&self, site: &Site) -> String {
        text::plain_text(self, site)
    }

    fn hours(&self) -> Vec<String> {
        [24, 18, 12, 6]
            .map(|ago: i64| {
                let at = self.now.as_second().saturating_sub(ago * 3600);
                Timestamp::from_second(at)
                    .map_or_else(|_| String::new(), |at| at.strftime("%H:%M").to_string())
            })
            .into_iter()
            .chain(["now".to_owned()])
            .collect()
    }
}
