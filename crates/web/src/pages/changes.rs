//! Changes from one version to another.

mod diff;

pub use diff::{DiffView, FileChangeView, HunkView, LineKind, LineView};

use askama::Template;
use jiff::Timestamp;

use crate::clean_html::CleanHtml;
use crate::error::Result;
use crate::filters;
use crate::format::amount::counted;
use crate::head::{ExtensionHead, HeadView, Tab};
use crate::layout::{FeedLink, PageLayout, SitePlace, rendered};
use crate::links::extension::ExtensionLinks;
use crate::site::Site;

/// Changes from one version to another.
#[derive(Clone, Debug)]
pub struct ChangesPage {
    /// Head of the page.
    pub head: ExtensionHead,
    /// Older side, as in the address: a tag, perhaps with `@` and a backend.
    pub from: String,
    /// Newer side.
    pub to: String,
    /// Choices for both sides, newest first.
    pub choices: Vec<String>,
    /// Release notes after the older side up to the newer side, newest first.
    pub notes: Vec<Notes>,
    /// Differences between the archives.
    pub comparison: ComparisonView,
}

/// Release notes of one version.
#[derive(Clone, Debug)]
pub struct Notes {
    /// The version.
    pub version: String,
    /// Time of publication.
    pub published_at: Option<Timestamp>,
    /// The notes as sanitized HTML; `None` for a version without notes.
    pub text: Option<CleanHtml>,
}

/// Differences between two archives.
#[derive(Clone, Debug)]
pub enum ComparisonView {
    /// Both archives have the same bytes.
    Same,
    /// The files differ.
    Files(Vec<FileChangeView>),
    /// An archive is not stored here; a link fetches it.
    NotFetched,
    /// The archives cannot be compared.
    Impossible {
        /// Reason in a sentence.
        reason: String,
    },
    /// There is only one version.
    OneVersion,
}

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    view: HeadView<'a>,
    page: &'a ChangesPage,
    links: ExtensionLinks<'a>,
}

impl ChangesPage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let head = &self.head;
        let links = site.links.extension(&head.id);
        let layout = PageLayout {
            title: format!("Changes of {} from {} to {}", head.id.name, self.from, self.to),
            json: Some(site.links.api().changes(&head.id, &self.from, &self.to)),
            feed: Some(FeedLink { title: format!("Versions of {}", head.id), href: links.feed() }),
            is_unindexed: true,
            ..PageLayout::default()
        };
        let view = head.view(&site.links, Tab::Changes, None);
        rendered("changes.html", &ChangesTemplate { site, layout, view, page: self, links })
    }

    /// Returns the choices of one side. A side of another backend is a choice too.
    fn choices_with<'a>(&'a self, side: &'a str) -> Vec<&'a str> {
        let own = (!self.choices.iter().any(|one| one == side)).then_some(side);
        own.into_iter().chain(self.choices.iter().map(String::as_str)).collect()
    }

    fn summary(changes: &[FileChangeView]) -> String {
        let count =
            |wanted: fn(&FileChangeView) -> bool| changes.iter().filter(|one| wanted(one)).count();
        let added = count(FileChangeView::is_added);
        let removed = count(FileChangeView::is_removed);
        let changed = changes.len().saturating_sub(added + removed);
        format!("{} added, {} removed, {} changed", counted(added, "file"), removed, changed)
    }
}
