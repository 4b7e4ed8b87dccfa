//! Parts of a page around its content.

use crate::error::{Error, Result};

/// Place of a page in the navigation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SitePlace {
    Browse,
    Status,
    Reference,
    #[default]
    Other,
}

/// Feed of a page.
#[derive(Debug)]
pub(crate) struct FeedLink {
    pub(crate) title: String,
    pub(crate) href: String,
}

/// Parts of a page around its content.
#[derive(Debug, Default)]
pub(crate) struct PageLayout {
    /// Title of the page, without the name of the site.
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) place: SitePlace,
    /// Words in the search box.
    pub(crate) words: String,
    /// Address of the data of the page as JSON.
    pub(crate) json: Option<String>,
    pub(crate) feed: Option<FeedLink>,
    /// Address of the same page under its main name.
    pub(crate) canonical: Option<String>,
    /// True if search engines leave the page out.
    pub(crate) is_unindexed: bool,
}

/// Renders a template.
pub(crate) fn rendered(page: &'static str, template: &impl askama::Template) -> Result<String> {
    template.render().map_err(|source| Error::Render { page, source })
}
