//! Overview of one version of an extension: README, install lines, facts, backends.

mod kept;
mod pin;

pub use kept::{KeptAt, KeptStanding};
pub use pin::PinState;

use askama::Template;
use jiff::Timestamp;

use crate::clean_html::CleanHtml;
use crate::digest::DigestView;
use crate::error::Result;
use crate::external_url::ExternalUrl;
use crate::filters;
use crate::head::{ExtensionHead, HeadView, Tab};
use crate::install::InstallLine;
use crate::layout::{FeedLink, PageLayout, SitePlace, rendered};
use crate::links::list_query::ListQuery;
use crate::site::Site;

const KEYWORDS_MAX: usize = 20;

/// Overview of one version of an extension.
#[derive(Clone, Debug)]
pub struct OverviewPage {
    /// Head of the page.
    pub head: ExtensionHead,
    /// README of the version.
    pub readme: ReadmeView,
    /// Install lines, see [`crate::install::lines`]; empty if the version has no single archive.
    pub install: Vec<InstallLine>,
    /// Facts about the version.
    pub facts: Facts,
    /// Backends in the order of ownership.
    pub kept: Vec<KeptAt>,
}

/// README of a version.
#[derive(Clone, Debug)]
pub enum ReadmeView {
    /// The README as sanitized HTML.
    Page(CleanHtml),
    /// The version has no README.
    Missing,
    /// The backend does not answer.
    Unavailable,
}

/// Facts about a version.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Time of publication.
    pub published_at: Option<Timestamp>,
    /// SPDX expression, as the publisher gives it.
    pub license: Option<String>,
    /// Author, as the publisher gives it.
    pub author: Option<String>,
    /// Length of the archive in bytes.
    pub size: Option<u64>,
    /// Digest of the archive, if known.
    pub digest: Option<DigestView>,
    /// Result of the comparison with the pinned digest; `None` before the first download.
    pub pin: Option<PinState>,
    /// URL of the source repository.
    pub repository: Option<String>,
    /// Keywords, as the publisher gives them.
    pub keywords: Vec<String>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    view: HeadView<'a>,
    page: &'a OverviewPage,
    archive: String,
    self_href: String,
}

impl OverviewPage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let (head, links) = (&self.head, &site.links);
        let pages = links.extension(&head.id);
        let tag = &head.version.tag;
        let version = pages.at_tag(tag).overview();
        let self_href = if head.is_pinned { version } else { pages.overview() };
        let title =
            format!("{} {} ({})", head.id.name, head.version.version, head.id.extension_type);
        let layout = PageLayout {
            title,
            description: head.description.clone(),
            place: SitePlace::Other,
            json: Some(links.api().metadata(&head.id, tag)),
            feed: Some(FeedLink { title: format!("Versions of {}", head.id), href: pages.feed() }),
            canonical: (!head.is_pinned).then(|| pages.overview()),
            is_unindexed: head.is_pinned,
            ..PageLayout::default()
        };
        let quick = self.install.first().map(|line| line.text.as_str());
        let view = HeadView { quick, ..head.view(links, Tab::Overview, None) };
        let archive = links.api().archive(&head.id, tag);
        let page = OverviewTemplate { site, layout, view, page: self, archive, self_href };
        rendered("overview.html", &page)
    }

    fn keywords(&self) -> Vec<(&str, ListQuery)> {
        let keywords = self.facts.keywords.iter().take(KEYWORDS_MAX);
        let listed =
            |word: &str| ListQuery { keywords: vec![word.to_owned()], ..ListQuery::default() };
        keywords.map(|word| (word.as_str(), listed(word))).collect()
    }
}
