//! Addresses of the API.

use crate::extension_ref::ExtensionRef;
use crate::links::Links;
use crate::links::list_query::ListQuery;
use crate::links::query::{LinkTarget, segment};

const BASE: &str = "/api/v1";
/// Segments with a meaning of their own in the API; such a tag is a parameter.
const RESERVED: [&str; 5] = ["versions", "resolve", "readme", "latest", "explain"];

/// Addresses of the API.
#[derive(Clone, Copy, Debug)]
pub struct ApiLinks<'a> {
    pub(super) links: &'a Links,
}

impl ApiLinks<'_> {
    fn at(self, path: &str) -> String {
        self.links.at(&format!("{BASE}{path}"))
    }

    fn of(self, extension: &ExtensionRef, rest: &str) -> LinkTarget {
        let ExtensionRef { extension_type, name, .. } = extension;
        LinkTarget::new(self.at(&format!("/extensions/{extension_type}/{}{rest}", segment(name))))
    }

    fn of_tag(self, extension: &ExtensionRef, tag: &str, rest: &str) -> LinkTarget {
        if RESERVED.contains(&tag) {
            return self.of(extension, &format!("/latest{rest}")).with("tag", tag);
        }
        self.of(extension, &format!("/{}{rest}", segment(tag)))
    }

    /// Returns the address of the list of all extensions.
    #[must_use]
    pub fn extensions(self) -> String {
        self.at("/extensions")
    }

    /// Returns the address of the rows of a list or a search.
    #[must_use]
    pub fn list(self, query: &ListQuery) -> String {
        self.at(&query.api_target())
    }

    /// Returns the address of the search, without a query.
    #[must_use]
    pub fn search(self) -> String {
        self.at("/extensions/search")
    }

    /// Returns the address of one extension.
    #[must_use]
    pub fn extension(self, extension: &ExtensionRef) -> String {
        finished(self.of(extension, ""), extension)
    }

    /// Returns the address of the versions of an extension.
    #[must_use]
    pub fn versions(self, extension: &ExtensionRef) -> String {
        finished(self.of(extension, "/versions"), extension)
    }

    /// Returns the address of the explanation of the owner of a name.
    #[must_use]
    pub fn explain(self, extension: &ExtensionRef) -> String {
        finished(self.of(extension, "/explain"), extension)
    }

    /// Returns the address of the archive of a version.
    #[must_use]
    pub fn archive(self, extension: &ExtensionRef, tag: &str) -> String {
        finished(self.of_tag(extension, tag, ""), extension)
    }

    /// Returns the address of another file of a version, by the identifier of the file.
    #[must_use]
    pub fn asset(self, extension: &ExtensionRef, tag: &str, asset: &str) -> String {
        finished(self.of_tag(extension, tag, "").with("asset", asset), extension)
    }

    /// Returns the address of the details of a version.
    #[must_use]
    pub fn metadata(self, extension: &ExtensionRef, tag: &str) -> String {
        finished(self.of_tag(extension, tag, "/metadata"), extension)
    }

    /// Returns the address of the files of a version.
    #[must_use]
    pub fn files(self, extension: &ExtensionRef, tag: &str) -> String {
        finished(self.of_tag(extension, tag, "/files"), extension)
    }

    /// Returns the address of the differences of a version to another version.
    #[must_use]
    pub fn changes(self, extension: &ExtensionRef, from: &str, to: &str) -> String {
        finished(self.of_tag(extension, to, "/files").with("against", from), extension)
    }

    /// Returns the address of the health.
    #[must_use]
    pub fn health(self) -> String {
        self.at("/health")
    }

    /// Returns the address of the description of the API for programs.
    #[must_use]
    pub fn openapi(self) -> String {
        self.at("/openapi.json")
    }
}

fn finished(target: LinkTarget, extension: &ExtensionRef) -> String {
    target.with_some("backend", extension.backend.as_deref()).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension_type::TypeView;

    #[test]
    fn reserved_tags_become_parameters() {
        let links = Links::below("/r").unwrap();
        let aws = ExtensionRef::new(TypeView::Provider, "aws").at_backend("oci");
        for (address, expected) in [
            (links.api().archive(&aws, "1.0/x"), "/1.0%2Fx?backend=oci"),
            (links.api().archive(&aws, "readme"), "/latest?tag=readme&backend=oci"),
            (links.api().metadata(&aws, "explain"), "/latest/metadata?tag=explain&backend=oci"),
            (links.api().changes(&aws, "1@oci", "2"), "/2/files?against=1%40oci&backend=oci"),
        ] {
            assert_eq!(address, format!("/r/api/v1/extensions/provider/aws{expected}"));
        }
    }
}
