//! Versions of an extension: chart, table, and choice of two versions to compare.

mod mark;

pub use mark::VersionMark;

use std::cmp::Reverse;

use askama::Template;
use jiff::Timestamp;

use crate::charts::timeline::{Dated, Timeline, timeline};
use crate::digest::DigestView;
use crate::error::Result;
use crate::filters;
use crate::format::amount::counted;
use crate::head::{ExtensionHead, HeadView, Tab};
use crate::layout::{FeedLink, PageLayout, SitePlace, rendered};
use crate::links::extension::ExtensionLinks;
use crate::site::Site;
use crate::version_name::VersionName;

/// Versions of an extension.
#[derive(Clone, Debug)]
pub struct VersionsPage {
    /// Head of the page; its version is the latest.
    pub head: ExtensionHead,
    /// Versions, highest first.
    pub rows: Vec<VersionListRow>,
    /// Order of the table.
    pub order: VersionOrder,
}

/// Order of versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionOrder {
    /// Highest first.
    #[default]
    Version,
    /// Published last first, then those without a date.
    Published,
}

/// One version.
#[derive(Clone, Debug)]
pub struct VersionListRow {
    /// Names of the version.
    pub name: VersionName,
    /// Time of publication.
    pub published_at: Option<Timestamp>,
    /// Length of the archive in bytes.
    pub size: Option<u64>,
    /// Digest of the archive, if known.
    pub digest: Option<DigestView>,
    /// Name of the backend that has it.
    pub backend: String,
    /// Properties to point out.
    pub marks: Vec<VersionMark>,
}

#[derive(Template)]
#[template(path = "versions.html")]
struct VersionsTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    view: HeadView<'a>,
    page: &'a VersionsPage,
    links: ExtensionLinks<'a>,
    compare: String,
    chart: Option<Timeline>,
}

impl VersionListRow {
    fn is_unread(&self) -> bool {
        self.marks.contains(&VersionMark::Unread)
    }

    fn is_pre_release(&self) -> bool {
        self.marks.contains(&VersionMark::PreRelease)
    }
}

impl VersionsPage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let links = site.links.extension(&self.head.id);
        let layout = PageLayout {
            title: format!("Versions of {} ({})", self.head.id.name, self.head.id.extension_type),
            json: Some(site.links.api().versions(&self.head.id)),
            feed: Some(FeedLink {
                title: format!("Versions of {}", self.head.id),
                href: links.feed(),
            }),
            canonical: Some(links.versions()),
            ..PageLayout::default()
        };
        let page = VersionsTemplate {
            site,
            layout,
            view: self.head.view(&site.links, Tab::Versions, None),
            page: self,
            links,
            compare: links.changes_form(),
            chart: timeline(self.dated(links)),
        };
        rendered("versions.html", &page)
    }

    fn dated<'a>(&'a self, links: ExtensionLinks<'_>) -> Vec<Dated<'a>> {
        let dated = self.rows.iter().filter_map(|row| {
            Some(Dated {
                version: &row.name.version,
                href: links.at_tag(&row.name.tag).overview(),
                at: row.published_at?,
                is_pre_release: row.is_pre_release(),
            })
        });
        dated.collect()
    }

    /// Returns the rows in the order of the table. Equal dates keep the order of versions.
    fn ordered(&self) -> Vec<&VersionListRow> {
        let mut rows: Vec<&VersionListRow> = self.rows.iter().collect();
        if self.order == VersionOrder::Published {
            rows.sort_by_key(|row| Reverse(row.published_at));
        }
        rows
    }

    fn is_by_date(&self) -> bool {
        self.order == VersionOrder::Published
    }

    const fn is_comparable(&self) -> bool {
        self.rows.len() > 1
    }

    fn summary(&self) -> String {
        let pre = self.rows.iter().filter(|row| row.is_pre_release()).count();
        let total = counted(self.rows.len(), "version");
        let lanes = "one line for each major version; hollow dots are pre-releases";
        match pre {
            0 => format!("{total}, one line for each major version"),
            _ => format!("{total}, {} among them; {lanes}", counted(pre, "pre-release")),
        }
    }
}
