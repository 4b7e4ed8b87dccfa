//! One file of an archive, with line numbers.

use askama::Template;

use crate::digest::Digest;
use crate::error::Result;
use crate::filters;
use crate::format::file_mode::file_mode;
use crate::head::{Head, HeadView, Tab};
use crate::layout::{Layout, Place, rendered};
use crate::links::extension::version::VersionLinks;
use crate::site::Site;

/// One file of an archive.
#[derive(Clone, Debug)]
pub struct File {
    /// Head of the page.
    pub head: Head,
    /// Path in the archive.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// Permissions.
    pub mode: u32,
    /// Digest of the contents.
    pub digest: Option<Digest>,
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
    layout: Layout,
    view: HeadView<'a>,
    page: &'a File,
    links: VersionLinks<'a>,
}

impl File {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let head = &self.head;
        let layout = Layout {
            title: format!("{} in {} {}", self.path, head.id.name, head.version.version),
            json: Some(site.links.api().files(&head.id, &head.version.tag)),
            is_unindexed: true,
            ..Layout::default()
        };
        let view = head.view(&site.links, Tab::Files, Some(&self.path));
        let links = site.links.extension(&head.id).at_tag(&head.version.tag);
        rendered("file.html", &FileTemplate { site, layout, view, page: self, links })
    }

    fn mode_words(&self) -> String {
        file_mode(self.mode)
    }
}
