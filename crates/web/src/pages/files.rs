//! Files of the archive of a version, as a tree.

mod tree;

use askama::Template;

use crate::digest::DigestView;
use crate::error::Result;
use crate::filters;
use crate::format::file_mode::file_mode;
use crate::head::{ExtensionHead, HeadView, Tab};
use crate::layout::{PageLayout, SitePlace, rendered};
use crate::links::extension::version::VersionLinks;
use crate::pages::files::tree::{Step, steps};
use crate::site::Site;

/// Files of the archive of a version.
#[derive(Clone, Debug)]
pub struct FilesPage {
    /// Head of the page.
    pub head: ExtensionHead,
    /// Contents of the archive, or the reason why they are not shown.
    pub contents: Contents,
}

/// Contents of an archive.
#[derive(Clone, Debug)]
pub enum Contents {
    /// The archive was read.
    Listed {
        /// Entries, ordered by path.
        entries: Vec<EntryRow>,
        /// True if the archive has more entries.
        is_truncated: bool,
    },
    /// The archive is not stored here; a link fetches it.
    NotFetched {
        /// Length of the archive in bytes, if known.
        size: Option<u64>,
    },
    /// The archive exceeds a bound, or has a format that is not read.
    Unreadable {
        /// Reason as a sentence without its full stop.
        reason: String,
    },
}

/// Kind of an entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Symbolic or hard link.
    Link {
        /// Path that the link points at.
        target: String,
    },
    /// Device, pipe or another special file.
    Special,
}

/// Entry of an archive.
#[derive(Clone, Debug)]
pub struct EntryRow {
    /// Path in the archive, with slashes.
    pub path: String,
    /// Kind.
    pub kind: EntryKind,
    /// Length in bytes.
    pub size: u64,
    /// Permissions.
    pub mode: u32,
    /// Digest of the contents; `None` for links and special files.
    pub digest: Option<DigestView>,
    /// True if the source repository lacks the file at this version; `None` if not compared.
    pub is_only_in_archive: Option<bool>,
}

#[derive(Template)]
#[template(path = "files.html")]
struct FilesTemplate<'a> {
    site: &'a Site,
    layout: PageLayout,
    view: HeadView<'a>,
    page: &'a FilesPage,
    links: VersionLinks<'a>,
    archive: String,
    steps: Vec<Step<'a>>,
}

impl EntryRow {
    fn mode_words(&self) -> String {
        file_mode(self.mode)
    }

    /// Returns true for permissions that a reader should look at.
    pub(crate) const fn is_privileged(&self) -> bool {
        self.mode & 0o6000 != 0
    }
}

impl FilesPage {
    /// Renders the page.
    ///
    /// # Errors
    ///
    /// [`crate::error::Error::Render`] if the template fails.
    pub fn render(&self, site: &Site) -> Result<String> {
        let head = &self.head;
        let links = site.links.extension(&head.id).at_tag(&head.version.tag);
        let layout = PageLayout {
            title: format!("Files of {} {}", head.id.name, head.version.version),
            json: Some(site.links.api().files(&head.id, &head.version.tag)),
            is_unindexed: true,
            ..PageLayout::default()
        };
        let steps = match &self.contents {
            Contents::Listed { entries, .. } => steps(entries),
            _ => Vec::new(),
        };
        let view = head.view(&site.links, Tab::Files, None);
        let archive = site.links.api().archive(&head.id, &head.version.tag);
        let page = FilesTemplate { site, layout, view, page: self, links, archive, steps };
        rendered("files.html", &page)
    }
}
