//! Provenance of a version: owner of the name, pin, other backends, files to look at.

mod backends;
mod ownership;
mod pin;

pub use backends::{BackendTable, Cell, ComparedVersion, Verdict};
pub use ownership::{OtherBackend, OwnershipView};
pub use pin::{PinOrigin, PinView};

use askama::Template;

use crate::error::Result;
use crate::filters;
use crate::format::file_mode::file_mode;
use crate::head::{ExtensionHead, HeadView, Tab};
use crate::layout::{PageLayout, SitePlace, rendered};
use crate::links::extension::version::VersionLinks;
use crate::pages::files::{EntryKind, EntryRow};
use crate::site::Site;

/// Provenance of a version.
#[derive(Clone, Debug)]
pub struct ProvenancePage {
    /// Head of the page.
    pub head: ExtensionHead,
    /// Owner of the name, and the rule.
    pub ownership: OwnershipView,
    /// Pinned digest of the version.
    pub pin: PinView,
    /// Address that is valid for this archive only, such as the blob by its digest; `None` if there
    /// is no such address.
    pub permanent: Option<String>,
    /// Versions in all backends.
    pub table: BackendTable,
    /// Links, special files and files with set-uid or set-gid bits; `None` if the archive was not
    /// read.
    pub notable_files: Option<Vec<EntryRow>>,
}

#[derive(Template)]
#[template(path = "provenance.html")]
struct ProvenanceTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    view: HeadView<'a>,
    page: &'a ProvenancePage,
    links: VersionLinks<'a>,
    at_backends: Vec<(String, String)>,
    permanent: Option<String>,
}

impl ProvenancePage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let head = &self.head;
        let pages = site.links.extension(&head.id);
        let links = pages.at_tag(&head.version.tag);
        let layout = PageLayout {
            title: format!("Provenance of {} {}", head.id.name, head.version.version),
            json: Some(site.links.api().explain(&head.id)),
            is_unindexed: true,
            ..PageLayout::default()
        };
        let at_backends = self.ownership.holders().into_iter().map(|backend| {
            let there = head.id.clone().at_backend(backend);
            let href = site.links.extension(&there).overview();
            (backend.to_owned(), href)
        });
        let page = ProvenanceTemplate {
            site,
            layout,
            view: head.view(&site.links, Tab::Provenance, None),
            page: self,
            links,
            at_backends: at_backends.collect(),
            permanent: self.permanent.as_ref().map(|address| site.absolute(address)),
        };
        rendered("provenance.html", &page)
    }

    fn comparison(&self, site: &Site, version: &ComparedVersion) -> Option<String> {
        let (from, to) = version.sides(&self.table.backends)?;
        Some(site.links.extension(&self.head.id).changes_between(&from, &to))
    }

    fn mode_words(entry: &EntryRow) -> String {
        file_mode(entry.mode)
    }
}
