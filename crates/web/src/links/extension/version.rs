//! Addresses of the pages of one version.

use crate::links::extension::ExtensionLinks;
use crate::links::query::{LinkTarget, segment};

/// Addresses of the pages of one version.
#[derive(Clone, Copy, Debug)]
pub struct VersionLinks<'a> {
    pub(super) extension: ExtensionLinks<'a>,
    pub(super) tag: &'a str,
}

impl VersionLinks<'_> {
    fn path(self) -> String {
        format!("{}/v/{}", self.extension.path(), segment(self.tag))
    }

    fn at(self, page: &str) -> String {
        self.extension.finished(LinkTarget::new(format!("{}{page}", self.path())))
    }

    /// Returns the address of the version.
    #[must_use]
    pub fn overview(self) -> String {
        self.at("")
    }

    /// Returns the address of the tree of files.
    #[must_use]
    pub fn files(self) -> String {
        self.at("/files")
    }

    /// Returns the address of the tree of files that fetches the archive first.
    #[must_use]
    pub fn files_fetched(self) -> String {
        let target = LinkTarget::new(format!("{}/files", self.path()));
        self.extension.finished(target.with("fetch", "1"))
    }

    /// Returns the address of one file.
    #[must_use]
    pub fn file(self, path: &str) -> String {
        self.extension.finished(self.file_target(path))
    }

    /// Returns the address of the bytes of one file.
    #[must_use]
    pub fn raw(self, path: &str) -> String {
        self.extension.finished(self.file_target(path).with("raw", "1"))
    }

    fn file_target(self, path: &str) -> LinkTarget {
        let mut segments = path.split('/');
        // Browsers resolve dot segments even where they are encoded, so such a path is a parameter.
        if segments.any(|one| one.is_empty() || one == "." || one == "..") {
            return LinkTarget::new(format!("{}/files", self.path())).with("path", path);
        }
        let mut address = format!("{}/files", self.path());
        for one in path.split('/') {
            address.push('/');
            address.push_str(&segment(one));
        }
        LinkTarget::new(address)
    }

    /// Returns the address of the provenance.
    #[must_use]
    pub fn provenance(self) -> String {
        self.at("/provenance")
    }
}

#[cfg(test)]
mod tests {
    use crate::extension_ref::ExtensionRef;
    use crate::extension_type::TypeView;
    use crate::links::Links;

    #[test]
    fn tags_and_paths_are_encoded() {
        let links = Links::below("/r").unwrap();
        let extension = ExtensionRef::new(TypeView::Provider, "aws");
        let version = links.extension(&extension).at_tag("rel/1.0+b");
        assert_eq!(version.overview(), "/r/provider/aws/v/rel%2F1.0+b");
        assert_eq!(version.provenance(), "/r/provider/aws/v/rel%2F1.0+b/provenance");
        assert_eq!(
            version.file("a b/ü?.sh"),
            "/r/provider/aws/v/rel%2F1.0+b/files/a%20b/%C3%BC%3F.sh"
        );
        assert_eq!(version.raw("x"), "/r/provider/aws/v/rel%2F1.0+b/files/x?raw=1");
        let outside = version.file("../etc/passwd");
        assert_eq!(outside, "/r/provider/aws/v/rel%2F1.0+b/files?path=..%2Fetc%2Fpasswd");
    }
}
