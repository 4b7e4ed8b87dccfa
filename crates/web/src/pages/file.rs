//! One file of an archive, with line numbers.

use askama::Template;

use crate::digest::DigestView;
use crate::error::Result;
use crate::filters;
use crate::format::file_mode::file_mode;
use crate::head::{ExtensionHead, HeadView, Tab};
use crate::layout::{PageLayout, SitePlace, rendered};
use crate::links::extension::version::VersionLinks;
use crate::site::Site;

/// One file of an archive.
#[derive(Clone, Debug)]
pub struct FilePage {
    /// Head of the page.
    pub head: ExtensionHead,
    /// Path in the archive.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// Permissions.
    pub mode: u32,
    /// Digest of the contents.
    pub digest: Option<DigestView>,
    /// True if the latest version is known to have a file of this path.
    pub is_in_latest: bool,
    /// Contents.
    pub contents: FileContents,
}

/// Contents of a file.
#[derive(Clone, Debug)]
pub enum FileContents {
    /// Text, at most 512 KiB.
    Text(String),
    /// The file is not text.
    Binary,
    /// The file is larger than 512 KiB.
    TooLarge,
}

#[derive(Template)]
#[template(path = "file.html")]
struct FileTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    view: HeadView<'a>,
    page: &'a FilePage,
    links: VersionLinks<'a>,
}

impl FilePage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let head = &self.head;
        let layout = PageLayout {
            title: format!("{} in {} {}", self.path, head.id.name, head.version.version),
            json: Some(site.links.api().files(&head.id, &head.version.tag)),
            is_unindexed: true,
            ..PageLayout::default()
        };
        let kept = self.is_in_latest.then_some(self.path.as_str());
        let view = head.view(&site.links, Tab::Files, kept);
        let links = site.links.extension(&head.id).at_tag(&head.version.tag);
        rendered("file.html", &FileTemplate { site, layout, view, page: self, links })
    }

    fn mode_words(&self) -> String {
        file_mode(self.mode)
    }
}
