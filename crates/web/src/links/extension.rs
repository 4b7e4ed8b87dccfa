//! Addresses of the pages of one extension.

pub mod version;

use crate::digest::DigestView;
use crate::extension_ref::ExtensionRef;
use crate::links::Links;
use crate::links::extension::version::VersionLinks;
use crate::links::query::{LinkTarget, segment};

/// Addresses of the pages of one extension. All keep the backend that was selected.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionLinks<'a> {
    pub(super) links: &'a Links,
    pub(super) extension: &'a ExtensionRef,
}

impl<'a> ExtensionLinks<'a> {
    pub(super) fn path(self) -> String {
        let ExtensionRef { extension_type, name, .. } = self.extension;
        self.links.at(&format!("/{extension_type}/{}", segment(name)))
    }

    /// Adds the selected backend.
    pub(super) fn finished(self, target: LinkTarget) -> String {
        target.with_some("backend", self.extension.backend.as_deref()).into_string()
    }

    fn at(self, page: &str) -> String {
        self.finished(LinkTarget::new(format!("{}{page}", self.path())))
    }

    /// Returns the address of the latest version.
    #[must_use]
    pub fn overview(self) -> String {
        self.at("")
    }

    /// Returns the address of the table of versions.
    #[must_use]
    pub fn versions(self) -> String {
        self.at("/versions")
    }

    /// Returns the address of the table of versions, those published last first.
    #[must_use]
    pub fn versions_by_date(self) -> String {
        let target = LinkTarget::new(format!("{}/versions", self.path()));
        self.finished(target.with("sort", "published"))
    }

    /// Returns the address of the changes between the latest two versions.
    #[must_use]
    pub fn changes(self) -> String {
        self.at("/changes")
    }

    /// Returns the address of the changes from one version to another. A side may name its backend:
    /// `1.2.0@gitea`.
    #[must_use]
    pub fn changes_between(self, from: &str, to: &str) -> String {
        let target = LinkTarget::new(format!("{}/changes", self.path()));
        self.finished(target.with("from", from).with("to", to))
    }

    /// Returns the address of the changes that fetches the archives first.
    #[must_use]
    pub fn changes_fetched(self, from: &str, to: &str) -> String {
        let target = LinkTarget::new(format!("{}/changes", self.path()));
        self.finished(target.with("from", from).with("to", to).with("fetch", "1"))
    }

    /// Returns the address that the form for two versions is sent to, without a query.
    #[must_use]
    pub fn changes_form(self) -> String {
        format!("{}/changes", self.path())
    }

    /// Returns the address of the archive with a digest, which never has other bytes.
    #[must_use]
    pub fn archive(self, digest: &DigestView) -> String {
        self.at(&format!("/digest/{digest}"))
    }

    /// Returns the address of the feed.
    #[must_use]
    pub fn feed(self) -> String {
        self.at("/feed.atom")
    }

    /// Returns the addresses of the pages of one version.
    #[must_use]
    pub const fn at_tag(self, tag: &'a str) -> VersionLinks<'a> {
        VersionLinks { extension: self, tag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension_type::TypeView;

    #[test]
    fn the_selected_backend_stays_selected() {
        let links = Links::below("").unwrap();
        let extension = ExtensionRef::new(TypeView::Provider, "aws").at_backend("oci");
        let pages = links.extension(&extension);
        assert_eq!(pages.overview(), "/provider/aws?backend=oci");
        assert_eq!(
            pages.changes_between("1.0.0@gitea", "1.0.0+b@oci"),
            "/provider/aws/changes?from=1.0.0%40gitea&to=1.0.0%2Bb%40oci&backend=oci"
        );
        assert_eq!(pages.changes_form(), "/provider/aws/changes");
        let hex = "0".repeat(64);
        assert_eq!(
            pages.archive(&hex.parse().unwrap()),
            format!("/provider/aws/digest/sha256:{hex}?backend=oci")
        );
    }
}
