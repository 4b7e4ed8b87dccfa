//! Head of the pages of one extension: name, version, notices and tabs.

use crate::extension_ref::ExtensionRef;
use crate::links::Links;
use crate::links::extension::ExtensionLinks;
use crate::notice::{Level, Notice};
use crate::version_name::VersionName;

/// Relation of the version on a page to the latest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionStanding {
    /// It is the latest version.
    Latest,
    /// A later version exists.
    Older(VersionName),
    /// It is a pre-release, and this is the latest stable version.
    PreRelease(VersionName),
    /// Its tag is no version, and this is the latest version.
    Unversioned(VersionName),
}

/// Head of the pages of one extension.
#[derive(Clone, Debug)]
pub struct ExtensionHead {
    /// The extension.
    pub id: ExtensionRef,
    /// Version on the page.
    pub version: VersionName,
    /// True if the address of the page names the version.
    pub is_pinned: bool,
    /// Relation to the latest version.
    pub standing: VersionStanding,
    /// Description by the publisher.
    pub description: Option<String>,
    /// Notices above the tabs.
    pub notices: Vec<Notice>,
    /// Number of versions.
    pub versions: usize,
    /// Number of files of the archive, if it was read.
    pub files: Option<usize>,
}

/// Tab of the pages of one extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Versions,
    Files,
    Changes,
    Provenance,
}

/// Link to a tab.
pub(crate) struct TabLink {
    pub(crate) label: String,
    pub(crate) href: String,
    pub(crate) is_current: bool,
}

/// Head as its template needs it.
pub(crate) struct HeadView<'a> {
    pub(crate) head: &'a ExtensionHead,
    pub(crate) notices: Vec<Notice>,
    pub(crate) tabs: Vec<TabLink>,
    /// Install line under the title; shown on narrow screens.
    pub(crate) quick: Option<&'a str>,
}

impl ExtensionHead {
    /// Returns the head with its links. `file` is the file on the page, if the latest version has it.
    pub(crate) fn view<'a>(
        &'a self,
        links: &'a Links,
        current: Tab,
        file: Option<&str>,
    ) -> HeadView<'a> {
        let pages = links.extension(&self.id);
        let standing = self.standing_notice(pages, current, file);
        let notices = standing.into_iter().chain(self.notices.iter().cloned()).collect();
        HeadView { head: self, notices, tabs: self.tabs(pages, current), quick: None }
    }

    fn tabs(&self, pages: ExtensionLinks<'_>, current: Tab) -> Vec<TabLink> {
        let version = pages.at_tag(&self.version.tag);
        let overview = if self.is_pinned { version.overview() } else { pages.overview() };
        let files = self.files.map_or("Files".to_owned(), |files| format!("Files ({files})"));
        let tabs = [
            (Tab::Overview, "Overview".to_owned(), overview),
            (Tab::Versions, format!("Versions ({})", self.versions), pages.versions()),
            (Tab::Files, files, version.files()),
            (Tab::Changes, "Changes".to_owned(), pages.changes()),
            (Tab::Provenance, "Provenance".to_owned(), version.provenance()),
        ];
        tabs.into_iter()
            .map(|(tab, label, href)| TabLink { label, href, is_current: tab == current })
            .collect()
    }

    /// The notice leads to the tab and the file that the reader has before them.
    fn standing_notice(
        &self,
        pages: ExtensionLinks<'_>,
        current: Tab,
        file: Option<&str>,
    ) -> Option<Notice> {
        let (latest, headline) = match &self.standing {
            VersionStanding::Latest => return None,
            VersionStanding::Older(latest) => {
                (latest, format!("{} is older than the latest version.", self.version.version))
            }
            VersionStanding::PreRelease(latest) => {
                (latest, format!("{} is a pre-release.", self.version.version))
            }
            VersionStanding::Unversioned(latest) => {
                (latest, format!("{} is a tag, not a version.", self.version.version))
            }
        };
        // These tabs are about all versions.
        if matches!(current, Tab::Versions | Tab::Changes) {
            return None;
        }
        let version = pages.at_tag(&latest.tag);
        let href = match (current, file) {
            (Tab::Files, Some(file)) => version.file(file),
            (Tab::Files, None) => version.files(),
            (Tab::Provenance, _) => version.provenance(),
            _ => pages.overview(),
        };
        let word =
            if matches!(self.standing, VersionStanding::PreRelease(_)) { "stable " } else { "" };
        let text = format!("The latest {word}version is {}.", latest.version);
        Some(
            Notice::new(Level::Info, headline, text)
                .linked(format!("Go to {}", latest.version), href),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension_type::TypeView;

    #[test]
    fn the_notice_of_an_older_version_keeps_tab_and_file() {
        let links = Links::below("").unwrap();
        let head = ExtensionHead {
            id: ExtensionRef::new(TypeView::Provider, "aws"),
            version: VersionName::same("1.0.0"),
            is_pinned: true,
            standing: VersionStanding::Older(VersionName {
                version: "1.1.0".into(),
                tag: "v1.1.0".into(),
            }),
            description: None,
            notices: Vec::new(),
            versions: 2,
            files: Some(3),
        };
        for (tab, file, expected) in [
            (Tab::Overview, None, Some("/provider/aws")),
            (Tab::Files, None, Some("/provider/aws/v/v1.1.0/files")),
            (Tab::Files, Some("a/b.sh"), Some("/provider/aws/v/v1.1.0/files/a/b.sh")),
            (Tab::Provenance, None, Some("/provider/aws/v/v1.1.0/provenance")),
            (Tab::Versions, None, None),
        ] {
            let view = head.view(&links, tab, file);
            let href = view.notices.first().map(|notice| notice.links[0].href.as_str());
            assert_eq!(href, expected);
            assert_eq!(view.tabs.iter().filter(|tab| tab.is_current).count(), 1);
        }
    }
}
